//! Several locks as one: all or none, and no deadlock.
//!
//! Znodes: `<path>/_c_<guid>-lock-<sequence>` below every path, the names of [`Lock`](super::Lock) and Curator's
//! `InterProcessMutex`, which it excludes on each path. All are made in one step, so two multi-locks that share
//! paths have the same order in each of them, whatever order they were named in: nobody waits for who waits
//! for it. It holds when all its nodes are first. An uncontended acquire is one round trip.
//!
//! Guarantees: as [`Lock`](super::Lock). All nodes have one creation zxid, the token. Where one is lost all
//! are, and a lost reply, a timeout or a cancel leaves none.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;

use super::contenders::{self, Contender};
use super::holds::{Held, Holder, Holds, Mode};
use super::lock::{LINE, unsaid, who_holds};
use super::patience::Patience;
use super::place::Place;
use super::revocation;
use super::turn::{Turn, line};
use crate::error::{Error, Result};
use crate::path::{Namespace, child, name};
use crate::retry::Deadline;
use crate::session::{
    Grant, GrantState, Incarnation, Release, Session, Standing, Together, Wanted, create_together, siblings,
};

/// The paths, each once, in the order they were given.
///
/// # Errors
/// `Config` where there is none; `InvalidPath`.
pub(crate) fn distinct(prefix: &Namespace, paths: &[String]) -> Result<Vec<String>> {
    let (mut known, mut found) = (HashSet::with_capacity(paths.len()), Vec::with_capacity(paths.len()));
    for path in paths {
        if known.insert(prefix.absolute(path)?) {
            found.push(path.clone());
        }
    }
    if found.is_empty() {
        return Err(Error::config("multi-lock: no path was given; name the paths to lock together"));
    }
    Ok(found)
}

/// A handle on the locks at several paths. Clones are one contender.
#[derive(Clone, Debug)]
pub struct MultiLock {
    session: Session,
    places: Arc<[Place]>,
    holds: Arc<Holds>,
}

impl MultiLock {
    /// A handle on the locks at `paths`, each of which counts once; `owner` is what the others see.
    ///
    /// # Errors
    /// `Config` where there is no path; `InvalidPath`.
    pub fn new(session: &Session, paths: &[String], owner: Option<String>) -> Result<Self> {
        let paths = distinct(&session.config().prefix()?, paths)?;
        let places = paths.iter().map(|path| Place::new(session, "lock", path)).collect::<Result<_>>()?;
        let holds = Holds::new(session, paths, owner);
        Ok(Self { session: session.clone(), places, holds })
    }

    /// The paths as the user wrote them, each once.
    #[must_use]
    pub fn paths(&self) -> &[String] {
        &self.holds.paths
    }

    /// Who we say we are.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.holds.owner
    }

    /// Waits for all the locks; a `holder` that has them already gets them once more. While another acquisition of the
    /// same holder is under way through this handle, it waits for what becomes of that.
    ///
    /// `timeout` is the total over everything, reconnects included: zero tries once, `None` waits for ever.
    ///
    /// # Cancel safety
    /// A wait that is dropped leaves no node and no watch.
    ///
    /// # Errors
    /// `AcquireTimeout`, naming who holds each; `Closed`, `AuthFailed`, `NotAuthorized`.
    pub async fn acquire(&self, holder: Holder, timeout: Option<Duration>) -> Result<Held> {
        if timeout.is_some_and(|timeout| timeout.is_zero()) {
            return match self.try_acquire(holder).await? {
                Some(held) => Ok(held),
                None => Err(self.timed_out(timeout).await),
            };
        }
        let asked = async {
            let _asking = self.holds.asking(holder).await;
            self.get(holder, true).await
        };
        match Deadline::after(timeout).bound(asked).await {
            Some(Ok(Some(held))) => Ok(held),
            Some(Err(error)) => Err(error),
            // `get(_, true)` only leaves the lines at their fronts.
            Some(Ok(None)) | None => Err(self.timed_out(timeout).await),
        }
    }

    /// Takes all the locks if nobody has any, else `None`; another acquisition of this holder that is under way bars
    /// it too.
    ///
    /// # Cancel safety
    /// Dropped, it leaves no node.
    ///
    /// # Errors
    /// `ConnectionLost` where no server answers; `Closed`, `AuthFailed`, `NotAuthorized`.
    pub async fn try_acquire(&self, holder: Holder) -> Result<Option<Held>> {
        match self.holds.try_asking(holder) {
            Some(_asking) => self.get(holder, false).await,
            None => Ok(self.holds.again(holder, Mode::All)),
        }
    }

    /// Ends the newest `with` of `holder`: gives back what it began with, unless that was done before.
    #[must_use]
    pub fn leave(&self, holder: Holder) -> Release {
        self.holds.leave(holder, Mode::All)
    }

    /// Everybody in line for each path, the holder first, in the order of [`MultiLock::paths`].
    ///
    /// # Errors
    /// `ConnectionLost` where the ensemble stays away.
    pub async fn contenders(&self) -> Result<Vec<(String, Vec<Contender>)>> {
        let mut lines = Vec::with_capacity(self.places.len());
        for Place { name, path, .. } in self.places.iter() {
            let line =
                self.session.look(|incarnation| async move { contenders::contenders(&incarnation, path, LINE).await });
            lines.push((name.clone(), line.await?));
        }
        Ok(lines)
    }

    /// Asks whoever holds any of the paths to let go, and says who that is; see [`revocation`].
    ///
    /// # Errors
    /// `NotAuthorized` where a holder's ACL forbids it; `ConnectionLost` where the ensemble stays away.
    pub async fn request_release(&self, reason: &str) -> Result<Vec<Contender>> {
        revocation::request_release(&self.all(), LINE, reason).await
    }

    /// Takes what the holder with this token holds of the paths, by force; see [`revocation`].
    ///
    /// # Errors
    /// `NotOwner`, saying who holds them, where it holds none; `NotAuthorized`; `ConnectionLost`.
    pub async fn break_hold(&self, token: i64) -> Result<Contender> {
        revocation::break_hold(&self.all(), LINE, Mode::All.what(), token).await
    }

    /// The state of what `holder` holds, or `None`.
    #[must_use]
    pub fn state(&self, holder: Holder) -> Option<GrantState> {
        self.holds.state(holder, Mode::All)
    }

    /// True where any thread or task holds them through this handle.
    #[must_use]
    pub fn held_here(&self) -> bool {
        self.holds.any(Mode::All)
    }

    fn all(&self) -> Vec<&Place> {
        self.places.iter().collect()
    }

    async fn get(&self, holder: Holder, wait: bool) -> Result<Option<Held>> {
        if let Some(held) = self.holds.again(holder, Mode::All) {
            return Ok(Some(held));
        }
        Ok(self.contend(wait).await?.map(|grant| self.holds.hold(holder, Mode::All, grant)))
    }

    async fn contend(&self, wait: bool) -> Result<Option<Arc<Grant>>> {
        let asked = Instant::now();
        contenders::again(&self.session, wait, |incarnation| async move { self.enter(&incarnation, wait, asked).await })
            .await
    }

    /// Joins every line and waits for the front of all. Without `wait` it leaves again where somebody is before us.
    async fn enter(&self, incarnation: &Arc<Incarnation>, wait: bool, asked: Instant) -> Result<Option<Arc<Grant>>> {
        let parents: Vec<String> = self.places.iter().map(|place| place.path.clone()).collect();
        let data = self.owner().as_bytes();
        let wanted = Wanted { parents: &parents, each: 1, marker: LINE.marker, number: None, data, beside: None };
        let client = incarnation.client()?;
        let listed = || try_join_all(parents.iter().map(|parent| siblings(incarnation, &client, parent)));
        let (mut made, mut lines) = create_together(incarnation, wanted, listed).await?;
        let mut patience = Patience::new();
        loop {
            let mut before = Vec::new();
            for ((path, place), siblings) in made.paths.iter().zip(self.places.iter()).zip(lines?) {
                let parent = &place.path;
                let line = contenders::ordered(incarnation, &client, parent, line(&siblings, LINE.markers)).await?;
                match (LINE.rule)(&line, name(path)) {
                    Turn::In => {}
                    Turn::Watch(next) => {
                        if let (true, Some(first)) = (before.is_empty(), line.first()) {
                            let others = line.iter().skip(1).take_while(|ticket| ticket.name != name(path)).count();
                            let first = child(parent, &first.name);
                            patience.name(incarnation, &client, &place.name, &first, others).await;
                        }
                        before.push(child(parent, &next));
                    }
                    Turn::Gone => {
                        let gone = format!("multi-lock '{}': our node in a line was deleted", self.holds.name);
                        return Err(Error::session_expired(gone));
                    }
                }
            }
            if before.is_empty() {
                return self.granted(incarnation, made, asked).await.map(Some);
            }
            if !wait {
                return Ok(None);
            }
            // All of them must go, in whatever order.
            let gone = async {
                for path in &before {
                    contenders::gone(incarnation, &client, path).await?;
                }
                Ok::<_, Error>(())
            };
            tokio::select! {
                biased;
                gone = gone => gone?,
                () = patience.long() => {}
            }
            made.epoch = incarnation.link().epoch;
            // Also those where we are first already: our node may have been deleted there meanwhile.
            lines = listed().await;
        }
    }

    async fn granted(&self, incarnation: &Arc<Incarnation>, made: Together, asked: Instant) -> Result<Arc<Grant>> {
        let standing = Standing {
            kind: LINE.grant,
            resource: self.holds.name.clone(),
            paths: made.paths,
            mark: None,
            token: made.czxid,
            epoch: made.epoch,
            asked,
        };
        incarnation.proven().await?;
        made.attempt.keep();
        let grant = Grant::of_all(incarnation, standing, self.paths());
        grant.made_with(self.owner().as_bytes());
        // A lease that ran out while we waited lets nobody in; the nodes go with the grant.
        grant.check().map_err(|why| Error::session_expired(why.to_string()))?;
        Ok(grant)
    }

    async fn timed_out(&self, timeout: Option<Duration>) -> Error {
        let mut found = Vec::new();
        let end = Deadline::after(Some(Duration::from_millis(50)));
        for place in self.places.iter() {
            // A few are enough to know what to do; a dead link says so at the first.
            match end.bound(who_holds(place, LINE)).await {
                Some(Some(words)) => found.push(format!("'{}' is {words}", place.name)),
                Some(None) | None => break,
            }
        }
        let after = timeout.unwrap_or_default();
        let name = &self.holds.name;
        let why = if found.is_empty() {
            unsaid(&self.session)
        } else {
            format!("{}; wait longer, or ask the holders to let go", found.join(", "))
        };
        Error::acquire_timeout(format!("multi-lock '{name}': not acquired within {after:?}: {why}"))
    }
}
