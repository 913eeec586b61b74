//! A mutual exclusion lock, fair in order of arrival, with fencing tokens.
//!
//! Znodes: `<path>/_c_<guid>-lock-<sequence>`, Curator's names, so an `InterProcessMutex` on the path
//! excludes us and the other way round; kazoo's `__lock__` nodes are respected too. The first in
//! line holds. An uncontended acquire is one round trip, a release none.
//!
//! Guarantees: a grant is LOST by the lease clock before any server can let the next one in. After a
//! lost connection a grant is `AT_RISK` until its node was seen again. After an expiry it stays LOST,
//! and an acquire that was waiting joins the new line at its end.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::contenders::{self, Contender, LineKind};
use super::place::Place;
use crate::error::{Error, Result};
use crate::retry::Deadline;
use crate::session::{Grant, GrantKind, GrantState, Incarnation, Release, Session};

const LINE: LineKind = LineKind { marker: "lock-", markers: &["-lock-", "__lock__"], grant: GrantKind::Lock };

/// How long a timed-out acquire may still ask who holds the lock.
const WHO_HOLDS: Duration = Duration::from_millis(50);

/// Who may re-enter a lock that is already held through the same handle: a thread, or a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Holder(pub u64);

/// A handle on the lock at one path. Two handles on one path are two contenders; clones are one.
#[derive(Clone, Debug)]
pub struct Lock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    place: Place,
    owner: String,
    holds: Mutex<HashMap<Holder, Hold>>,
}

#[derive(Debug)]
struct Hold {
    grant: Arc<Grant>,
    depth: usize,
}

/// A held lock. Dropping it does not release it: it stands until released or lost.
#[derive(Debug)]
pub struct Held {
    lock: Lock,
    holder: Holder,
    grant: Arc<Grant>,
    released: AtomicBool,
}

impl Lock {
    /// A handle on the lock at `path`; `owner` is what the others see, the session's owner by default.
    ///
    /// # Errors
    /// `InvalidPath`; the root is none either, because a lock needs a node of its own.
    pub fn new(session: &Session, path: &str, owner: Option<String>) -> Result<Self> {
        Ok(Self(Arc::new(Inner {
            place: Place::new(session, "lock", path)?,
            owner: owner.unwrap_or_else(|| session.config().owner.clone()),
            holds: Mutex::default(),
        })))
    }

    /// The path as the user wrote it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.place.name
    }

    /// Who we say we are.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.0.owner
    }

    /// Waits for the lock; a `holder` that has it already gets it once more.
    ///
    /// `timeout` is the total over everything, reconnects included: zero tries once, `None` waits for ever.
    ///
    /// # Cancel safety
    /// A wait that is dropped leaves no node and no watch.
    ///
    /// # Errors
    /// `AcquireTimeout`, naming the holder; `Closed`, `AuthFailed`, `NotAuthorized`.
    pub async fn acquire(&self, holder: Holder, timeout: Option<Duration>) -> Result<Held> {
        if timeout.is_some_and(|timeout| timeout.is_zero()) {
            return match self.try_acquire(holder).await? {
                Some(held) => Ok(held),
                None => Err(self.timed_out(timeout).await),
            };
        }
        if let Some(held) = self.reenter(holder) {
            return Ok(held);
        }
        match Deadline::after(timeout).bound(self.contend(true)).await {
            Some(Ok(Some(grant))) => Ok(self.hold(holder, grant)),
            Some(Err(error)) => Err(error),
            // `contend(true)` only leaves the line at its front.
            Some(Ok(None)) | None => Err(self.timed_out(timeout).await),
        }
    }

    /// Takes the lock if nobody has it, else `None`.
    ///
    /// # Cancel safety
    /// Dropped, it leaves no node.
    ///
    /// # Errors
    /// `ConnectionLost` where no server answers; `Closed`, `AuthFailed`, `NotAuthorized`.
    pub async fn try_acquire(&self, holder: Holder) -> Result<Option<Held>> {
        if let Some(held) = self.reenter(holder) {
            return Ok(Some(held));
        }
        Ok(self.contend(false).await?.map(|grant| self.hold(holder, grant)))
    }

    /// Releases what `holder` acquired last.
    ///
    /// # Errors
    /// `NotOwner` where it holds nothing.
    pub fn release(&self, holder: Holder) -> Result<Release> {
        let mut holds = self.holds();
        let hold = holds.get_mut(&holder).ok_or_else(|| self.not_owner())?;
        hold.depth -= 1;
        if hold.depth > 0 {
            return Ok(Release::nothing());
        }
        let grant = hold.grant.clone();
        holds.remove(&holder);
        Ok(grant.release())
    }

    /// Everybody in line, the holder first.
    ///
    /// # Errors
    /// `ConnectionLost` where the ensemble stays away.
    pub async fn contenders(&self) -> Result<Vec<Contender>> {
        let incarnation = self.0.place.session.live().await?;
        contenders::contenders(&incarnation, &self.0.place.path, LINE.markers).await
    }

    /// The state of what `holder` holds, or `None`.
    #[must_use]
    pub fn state(&self, holder: Holder) -> Option<GrantState> {
        self.holds().get(&holder).map(|hold| hold.grant.state())
    }

    /// Who holds it, and how many wait.
    async fn holder(&self) -> Result<Option<(Contender, usize)>> {
        let incarnation = self.0.place.session.live().await?;
        contenders::holder(&incarnation, &self.0.place.path, LINE.markers).await
    }

    async fn contend(&self, wait: bool) -> Result<Option<Arc<Grant>>> {
        let asked = Instant::now();
        loop {
            let session = &self.0.place.session;
            let incarnation = if wait { session.next_live().await? } else { session.live().await? };
            match self.enter(&incarnation, wait, asked).await {
                // The place in line went with the session: join again.
                Err(Error::SessionExpired(_)) => {}
                entered => return entered,
            }
        }
    }

    async fn enter(&self, incarnation: &Arc<Incarnation>, wait: bool, asked: Instant) -> Result<Option<Arc<Grant>>> {
        let Inner { place, owner, .. } = &*self.0;
        contenders::enter(incarnation, LINE, place, owner.as_bytes(), wait, asked).await
    }

    fn reenter(&self, holder: Holder) -> Option<Held> {
        let mut holds = self.holds();
        let hold = holds.get_mut(&holder)?;
        if hold.grant.state() == GrantState::Lost {
            // Its `Held` still reports the loss; a new acquire is a new contender.
            holds.remove(&holder);
            return None;
        }
        hold.depth += 1;
        Some(Held { lock: self.clone(), holder, grant: hold.grant.clone(), released: AtomicBool::new(false) })
    }

    fn hold(&self, holder: Holder, grant: Arc<Grant>) -> Held {
        self.holds().insert(holder, Hold { grant: grant.clone(), depth: 1 });
        Held { lock: self.clone(), holder, grant, released: AtomicBool::new(false) }
    }

    async fn timed_out(&self, timeout: Option<Duration>) -> Error {
        let after = timeout.unwrap_or_default();
        let found = match tokio::time::timeout(WHO_HOLDS, self.holder()).await {
            Ok(Ok(Some((first, others)))) => {
                let Contender { owner, token, session_id, .. } = first;
                format!("held by {owner} (token {token}, session {session_id:#x}); {others} more in line")
            }
            Ok(Ok(None)) => "free again by now".to_owned(),
            _ => format!("no server said who holds it (session {})", self.0.place.session.state().name()),
        };
        Error::acquire_timeout(format!(
            "lock '{}': not acquired within {after:?}: {found}; wait longer, or ask the holder to let go",
            self.name()
        ))
    }

    fn not_owner(&self) -> Error {
        Error::not_owner(format!(
            "lock '{}': released by a thread or task that does not hold it through this handle; \
             acquire and release in the same one",
            self.name()
        ))
    }

    fn holds(&self) -> std::sync::MutexGuard<'_, HashMap<Holder, Hold>> {
        self.0.holds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// What stands behind it: token, state, validity, loss.
    #[must_use]
    pub fn grant(&self) -> &Arc<Grant> {
        &self.grant
    }

    /// The path as the user wrote it.
    #[must_use]
    pub fn name(&self) -> &str {
        self.lock.name()
    }

    /// Who holds it.
    #[must_use]
    pub fn owner(&self) -> &str {
        self.lock.owner()
    }

    /// Gives back this acquisition; the node goes with the outermost. Of a lost lock it is a no-op.
    ///
    /// # Cancel safety
    /// The deletion is queued here and seen through in the background; awaiting it is optional.
    ///
    /// # Errors
    /// `NotOwner` where this very acquisition was released before.
    pub fn release(&self) -> Result<Release> {
        if self.released.swap(true, Ordering::AcqRel) {
            return Err(Error::not_owner(format!(
                "lock '{}': this acquisition was released before; release each once",
                self.lock.name()
            )));
        }
        let mut holds = self.lock.holds();
        match holds.get_mut(&self.holder) {
            Some(hold) if Arc::ptr_eq(&hold.grant, &self.grant) => {
                hold.depth -= 1;
                if hold.depth > 0 {
                    return Ok(Release::nothing());
                }
                holds.remove(&self.holder);
                Ok(self.grant.release())
            }
            // Lost, and the handle may hold a newer grant that is not ours to give back.
            _ => Ok(self.grant.release()),
        }
    }

    /// True once this acquisition was released.
    #[must_use]
    pub fn is_released(&self) -> bool {
        self.released.load(Ordering::Acquire)
    }
}
