//! A semaphore: so many permits, taken several at a time or not at all, whose number changes while it is in use.
//!
//! Znodes, as Curator's `InterProcessSemaphoreV2` lays them out, so that its jobs and ours share permits:
//! - `<path>/locks/_c_<guid>-lock-<sequence>`, ephemeral: the line. Only its first takes permits; it leaves at once.
//! - `<path>/leases/_c_<guid>-lease-<sequence>`, ephemeral: one for each permit that is out, made by its holder, deleted
//!   by it. An acquisition makes all of its leases in one step.
//! - `<path>/permits`: the limit, where one was set; see `semaphore_limit`.
//!
//! Uncontended, an acquire is two flights: stand in line and look; take and look again. It is fair: who asks for many
//! is not overtaken by who asks for few. It is not reentrant: each acquisition takes permits of its own.
//!
//! Guarantees: what is held is LOST by the lease clock before any server can give it to another. After a lost
//! connection the wait goes on; after an expiry it joins the line again at its end. Lowering the limit evicts nobody.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::contenders::{self, Contender, advance};
use super::holds::Holder;
use super::lock::{LINE, unsaid};
use super::place::Place;
use super::semaphore_holders::{PermitHolder, holders};
pub(crate) use super::semaphore_limit::checked;
use super::semaphore_limit::{store, stored};
use super::semaphore_permits::Room;
use super::semaphore_turn::{Leases, Look, node};
use crate::error::{Error, Result};
use crate::path::child;
use crate::retry::Deadline;
use crate::session::{Grant, GrantState, Incarnation, Release, Session, create_protected};

/// How long a timed-out acquire may still ask who has the permits, and how many leases it reads for that.
const WHO_HOLDS: (Duration, usize) = (Duration::from_millis(50), 4);

/// How long a try waits for those who are being served, while permits are free: so many times the flight it took to
/// see that, and this on top.
const BEING_SERVED: (u32, Duration) = (10, Duration::from_millis(50));

/// How many permits one acquisition may take: the nodes of so many fit into one request, where path and owner have no
/// more than some hundred characters.
const AT_ONCE: u32 = 4096;

/// A handle on the semaphore at one path. Clones are one.
#[derive(Clone, Debug)]
pub struct Semaphore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    leases: Leases,
    /// The parent of the line.
    locks: String,
    owner: String,
    held: Mutex<Vec<Entry>>,
}

/// One acquisition through this handle.
#[derive(Debug)]
struct Entry {
    grant: Arc<Grant>,
    /// Whose `with` it belongs to.
    with: Option<Holder>,
}

/// Permits that are held. Dropping it does not give them back: they stand until released or lost.
#[derive(Debug)]
pub struct Permits {
    semaphore: Semaphore,
    grant: Arc<Grant>,
}

impl Semaphore {
    /// A handle on the semaphore at `path`, with `permits` where no other number is stored there.
    ///
    /// # Errors
    /// `InvalidPath`; `Config` where `permits` is below 1.
    pub fn new(session: &Session, path: &str, permits: i64, owner: Option<String>) -> Result<Self> {
        let default = checked(path, permits)?;
        let place = Place::new(session, "semaphore", path)?;
        Ok(Self(Arc::new(Inner {
            locks: child(&place.path, "locks"),
            leases: Leases::new(place, default),
            owner: owner.unwrap_or_else(|| session.config().owner.clone()),
            held: Mutex::default(),
        })))
    }

    /// The path as the user wrote it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.place().name
    }

    /// Who we say we are.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.0.owner
    }

    /// Waits for `wanted` permits: all or none. `with` says whose `with` it is, to be ended by [`Semaphore::leave`].
    ///
    /// `timeout` is the total over everything, reconnects included: zero tries once, `None` waits for ever.
    ///
    /// # Cancel safety
    /// A wait that is dropped leaves no node and no watch.
    ///
    /// # Errors
    /// `Config` where `wanted` is below 1 or above 4096, or above the limit, also where that was lowered during the wait: it
    /// would bar everybody behind it. `AcquireTimeout`, naming holders; `Closed`, `AuthFailed`, `NotAuthorized`.
    pub async fn acquire(&self, wanted: i64, timeout: Option<Duration>, with: Option<Holder>) -> Result<Permits> {
        let permits = self.wanted(wanted)?;
        let wait = timeout.is_none_or(|timeout| !timeout.is_zero());
        let deadline = Deadline::after(timeout.filter(|_| wait));
        match deadline.bound(self.contend(permits, wait)).await {
            Some(Ok(Some(grant))) => Ok(self.hold(grant, with)),
            Some(Err(error)) => Err(error),
            Some(Ok(None)) | None => Err(self.timed_out(permits, timeout).await),
        }
    }

    /// Takes `wanted` permits if they are free and nobody waits for his, else `None`.
    ///
    /// # Cancel safety
    /// Dropped, it leaves no node.
    ///
    /// # Errors
    /// As [`Semaphore::acquire`]; `ConnectionLost` where no server answers.
    pub async fn try_acquire(&self, wanted: i64) -> Result<Option<Permits>> {
        let grant = self.contend(self.wanted(wanted)?, false).await?;
        Ok(grant.map(|grant| self.hold(grant, None)))
    }

    /// Ends the newest `with` of `holder`: gives its permits back, unless that was done before.
    pub fn leave(&self, holder: Holder) {
        let mut held = self.held();
        if let Some(at) = held.iter().rposition(|entry| entry.with == Some(holder)) {
            let entry = held.remove(at);
            drop(held);
            drop(entry.grant.release());
        }
    }

    /// The limit: what is stored, else this handle's own number.
    ///
    /// # Errors
    /// `Config` where the node holds something else; `ConnectionLost` where the ensemble stays away.
    pub async fn permits(&self) -> Result<i32> {
        Ok(self.stored().await?.unwrap_or(self.0.leases.default))
    }

    /// The limit that is stored for everybody; `None` where each handle goes by its own number.
    ///
    /// # Errors
    /// As [`Semaphore::permits`].
    pub async fn stored(&self) -> Result<Option<i32>> {
        stored(self.place()).await
    }

    /// Changes the limit for everybody, for good. Raising it wakes waiters; lowering it takes from nobody.
    ///
    /// # Errors
    /// `Config` where it is below 1; `ConnectionLost` where it is unknown whether it was stored.
    pub async fn set_permits(&self, permits: i64) -> Result<()> {
        store(self.place(), permits).await
    }

    /// Everybody who has permits, the longest holder first.
    ///
    /// # Errors
    /// `ConnectionLost` where the ensemble stays away.
    pub async fn holders(&self) -> Result<Vec<PermitHolder>> {
        let session = &self.place().session;
        Ok(session.look(|incarnation| async move { holders(&incarnation, &self.0.leases, usize::MAX).await }).await?.0)
    }

    /// Everybody in line for permits; the first is served next.
    ///
    /// # Errors
    /// `ConnectionLost` where the ensemble stays away.
    pub async fn contenders(&self) -> Result<Vec<Contender>> {
        let session = &self.place().session;
        session.look(|incarnation| async move { contenders::contenders(&incarnation, &self.0.locks, LINE).await }).await
    }

    /// How many permits are held through this handle.
    #[must_use]
    pub fn held_here(&self) -> usize {
        let standing = |entry: &&Entry| entry.grant.state() != GrantState::Lost;
        self.held().iter().filter(standing).map(|entry| entry.grant.paths().len()).sum()
    }

    async fn contend(&self, wanted: u32, wait: bool) -> Result<Option<Arc<Grant>>> {
        let asked = Instant::now();
        loop {
            let session = &self.place().session;
            let incarnation = if wait { session.next_live().await? } else { session.live().await? };
            match self.enter(&incarnation, wanted, wait, asked).await {
                // The place in line went with the session: join again.
                Err(Error::SessionExpired(_)) => {}
                entered => return entered,
            }
        }
    }

    async fn enter(
        &self,
        incarnation: &Arc<Incarnation>,
        wanted: u32,
        wait: bool,
        asked: Instant,
    ) -> Result<Option<Arc<Grant>>> {
        let Inner { leases, locks, owner, .. } = &*self.0;
        let client = incarnation.client()?;
        let begun = Instant::now();
        // One flight: stand in line, then look, as a session answers in order.
        let standing = create_protected(incarnation, locks, LINE.marker, owner.as_bytes(), false);
        let (standing, look) = tokio::join!(biased; standing, leases.look(incarnation, &client));
        let (mut standing, flight) = (standing?, begun.elapsed());
        let look = match look {
            Err(Error::ConnectionLost(_)) => leases.look_again(incarnation, &client).await?,
            look => look?,
        };
        let mut room = self.possible(&look, wanted)?;
        if !advance(incarnation, self.name(), locks, LINE, &mut standing, false).await? {
            if !wait && room != Room::Free {
                return Ok(None);
            }
            let served = advance(incarnation, self.name(), locks, LINE, &mut standing, true);
            if wait {
                served.await?;
            } else if let Ok(first) = tokio::time::timeout(flight * BEING_SERVED.0 + BEING_SERVED.1, served).await {
                first?;
            } else {
                return Ok(None);
            }
            room = self.possible(&leases.look_again(incarnation, &client).await?, wanted)?;
        }
        loop {
            if room == Room::Full {
                if !wait {
                    return Ok(None);
                }
                self.possible(&leases.until_room(incarnation, &client, wanted).await?, wanted)?;
            }
            let taken = leases.take(incarnation, &node(locks, &standing), owner, wanted, asked).await?;
            if taken.is_some() {
                return Ok(taken);
            }
            room = Room::Full;
        }
    }

    /// # Errors
    /// `Config` where no waiting would help.
    fn possible(&self, look: &Look, wanted: u32) -> Result<Room> {
        match look.room(wanted) {
            Room::Never => Err(Error::config(format!(
                "semaphore '{}': {wanted} permits asked for, and there are {} in all; ask for fewer, or raise the limit \
                 (permits = {wanted}) first",
                self.name(),
                look.limit
            ))),
            room => Ok(room),
        }
    }

    fn wanted(&self, wanted: i64) -> Result<u32> {
        u32::try_from(wanted).ok().filter(|wanted| (1..=AT_ONCE).contains(wanted)).ok_or_else(|| {
            let name = self.name();
            Error::config(format!("semaphore '{name}': n={wanted}: ask for 1 to {AT_ONCE} permits at once"))
        })
    }

    fn hold(&self, grant: Arc<Grant>, with: Option<Holder>) -> Permits {
        let mut held = self.held();
        // What was lost, and never released, is forgotten here.
        held.retain(|entry| entry.with.is_some() || entry.grant.state() != GrantState::Lost);
        held.push(Entry { grant: grant.clone(), with });
        drop(held);
        Permits { semaphore: self.clone(), grant }
    }

    async fn timed_out(&self, wanted: u32, timeout: Option<Duration>) -> Error {
        let after = timeout.unwrap_or_default();
        let why = match tokio::time::timeout(WHO_HOLDS.0, self.found()).await {
            Ok(Ok(found)) => format!("{found}; wait longer, ask for fewer, or ask the holders to let go"),
            _ => unsaid(&self.place().session),
        };
        let name = self.name();
        Error::acquire_timeout(format!("semaphore '{name}': {wanted} permits not acquired within {after:?}: {why}"))
    }

    /// Who has the permits, and who waits. A crowd whose waits end together asks this at once: it reads a few nodes.
    async fn found(&self) -> Result<String> {
        let Inner { leases, locks, .. } = &*self.0;
        let incarnation = self.place().session.live().await?;
        let client = incarnation.client()?;
        let (look, holders, first) = tokio::join!(
            leases.look(&incarnation, &client),
            holders(&incarnation, leases, WHO_HOLDS.1),
            contenders::holder(&incarnation, locks, LINE)
        );
        let (look, (holders, out)) = (look?, holders?);
        let mut named: Vec<String> =
            holders.iter().map(|holder| format!("{} ({})", holder.owner, holder.permits)).collect();
        if holders.iter().map(|holder| holder.permits).sum::<usize>() < out {
            named.push("others".to_owned());
        }
        let next = match first? {
            Some((first, others)) => format!("{} is next in line, {others} more after it", first.owner),
            None => "nobody else in line".to_owned(),
        };
        let by = if named.is_empty() { String::new() } else { format!(", by {}", named.join(", ")) };
        Ok(format!("{out} of {} are held{by}; {next}", look.limit))
    }

    fn place(&self) -> &Place {
        &self.0.leases.place
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Vec<Entry>> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permits {
    /// What stands behind it: token, state, validity, loss.
    #[must_use]
    pub fn grant(&self) -> &Arc<Grant> {
        &self.grant
    }

    /// The path as the user wrote it.
    #[must_use]
    pub fn name(&self) -> &str {
        self.semaphore.name()
    }

    /// Who holds them.
    #[must_use]
    pub fn owner(&self) -> &str {
        self.semaphore.owner()
    }

    /// How many.
    #[must_use]
    pub fn count(&self) -> usize {
        self.grant.paths().len()
    }

    /// Gives these permits back. Of lost permits it is a no-op.
    ///
    /// # Cancel safety
    /// The deletion is queued here and seen through in the background; awaiting it is optional.
    ///
    /// # Errors
    /// `NotOwner` where they were released before.
    pub fn release(&self) -> Result<Release> {
        if self.grant.released() {
            return Err(Error::not_owner(format!(
                "semaphore '{}': these permits were released before; release each acquisition once",
                self.name()
            )));
        }
        // A `with` stays until it is left, so that leaving it does not end the one around it.
        self.forget(|entry| entry.with.is_none());
        Ok(self.grant.release())
    }

    /// Gives back what never reached its caller.
    pub fn abandon(&self) {
        self.forget(|_| true);
        drop(self.grant.release());
    }

    fn forget(&self, also: impl Fn(&Entry) -> bool) {
        self.semaphore.held().retain(|entry| !(Arc::ptr_eq(&entry.grant, &self.grant) && also(entry)));
    }
}
