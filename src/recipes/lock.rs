//! A mutual exclusion lock, fair in order of arrival, with fencing tokens; also either side of a
//! [`ReadWriteLock`](super::ReadWriteLock).
//!
//! Znodes: `<path>/_c_<guid>-lock-<sequence>`, Curator's names, so an `InterProcessMutex` on the path
//! excludes us and the other way round; kazoo's `__lock__` nodes are respected too. The first in
//! line holds. An uncontended acquire is one round trip, a release none.
//!
//! Guarantees: a grant is LOST by the lease clock before any server can let the next one in. After a
//! lost connection a grant is `AT_RISK` until its node was seen again. After an expiry it stays LOST,
//! and an acquire that was waiting joins the new line at its end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::contenders::{self, Contender, LineKind};
use super::holds::{Held, Holder, Holds, Mode};
use super::place::Place;
use super::{read_write_lock, revocation, turn};
use crate::error::{Error, Result};
use crate::retry::Deadline;
use crate::session::{Grant, GrantKind, GrantState, Release, Session, SessionState};

/// The line of a lock, ours and Curator's and kazoo's; those of multi-locks and semaphores are the same.
pub(super) const LINE: LineKind = LineKind {
    marker: "lock-",
    markers: &["-lock-", "__lock__"],
    grant: GrantKind::Lock,
    rule: turn::first,
    settled: false,
};

/// How long a timed-out acquire may still ask who holds the lock.
const WHO_HOLDS: Duration = Duration::from_millis(50);

/// A handle on the lock at one path. Two handles on one path are two contenders; clones are one.
#[derive(Clone, Debug)]
pub struct Lock {
    place: Place,
    mode: Mode,
    line: LineKind,
    /// The two sides of a read/write lock share it: each must know what the other's holders have.
    holds: Arc<Holds>,
}

impl Lock {
    /// A handle on the lock at `path`; `owner` is what the others see, the session's owner by default.
    ///
    /// # Errors
    /// `InvalidPath`; the root is none either, because a lock needs a node of its own.
    pub fn new(session: &Session, path: &str, owner: Option<String>) -> Result<Self> {
        let place = Place::new(session, "lock", path)?;
        let holds = Holds::new(session, vec![path.to_owned()], owner);
        Ok(Self::side(place, Mode::Exclusive, LINE, holds))
    }

    pub(super) fn side(place: Place, mode: Mode, line: LineKind, holds: Arc<Holds>) -> Self {
        Self { place, mode, line, holds }
    }

    /// The path as the user wrote it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.place.name
    }

    /// Who we say we are.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.holds.owner
    }

    /// Alone, or which side of a read/write lock.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Waits for the lock; a `holder` that has it already gets it once more. While another acquisition of the same
    /// holder is under way through this handle, it waits for what becomes of that.
    ///
    /// `timeout` is the total over everything, reconnects included: zero tries once, `None` waits for ever.
    ///
    /// # Cancel safety
    /// A wait that is dropped leaves no node and no watch.
    ///
    /// # Errors
    /// `AcquireTimeout`, naming the holder; `WouldDeadlock` to a reader that asks for the write lock;
    /// `Closed`, `AuthFailed`, `NotAuthorized`.
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
            // `get(_, true)` only leaves the line at its front.
            Some(Ok(None)) | None => Err(self.timed_out(timeout).await),
        }
    }

    /// Takes the lock if nobody bars it, else `None`; another acquisition of this holder that is under way bars it too.
    ///
    /// # Cancel safety
    /// Dropped, it leaves no node.
    ///
    /// # Errors
    /// `ConnectionLost` where no server answers; else as [`Lock::acquire`].
    pub async fn try_acquire(&self, holder: Holder) -> Result<Option<Held>> {
        match self.holds.try_asking(holder) {
            Some(_asking) => self.get(holder, false).await,
            None => self.again(holder),
        }
    }

    /// Ends the newest `with` of `holder`: gives back what it began with, unless that was done before.
    #[must_use]
    pub fn leave(&self, holder: Holder) -> Release {
        self.holds.leave(holder, self.mode)
    }

    /// Everybody in line, readers and writers alike, who holds first.
    ///
    /// # Errors
    /// `ConnectionLost` where the ensemble stays away.
    pub async fn contenders(&self) -> Result<Vec<Contender>> {
        let Place { session, path, .. } = &self.place;
        session.look(|incarnation| async move { contenders::contenders(&incarnation, path, self.line).await }).await
    }

    /// Asks whoever holds now to let go, and says who that is; see [`revocation`].
    ///
    /// # Errors
    /// `NotAuthorized` where the holder's ACL forbids it; `ConnectionLost` where the ensemble stays away.
    pub async fn request_release(&self, reason: &str) -> Result<Vec<Contender>> {
        revocation::request_release(&[&self.place], self.line, reason).await
    }

    /// Takes the lock from the holder with this token, by force; see [`revocation`].
    ///
    /// # Errors
    /// `NotOwner`, saying who holds it, where it is not that one; `NotAuthorized`; `ConnectionLost`.
    pub async fn break_hold(&self, token: i64) -> Result<Contender> {
        revocation::break_hold(&[&self.place], self.line, self.mode.what(), token).await
    }

    /// The state of what `holder` holds, or `None`.
    #[must_use]
    pub fn state(&self, holder: Holder) -> Option<GrantState> {
        self.holds.state(holder, self.mode)
    }

    /// True where any thread or task holds it through this handle.
    #[must_use]
    pub fn held_here(&self) -> bool {
        self.holds.any(self.mode)
    }

    fn again(&self, holder: Holder) -> Result<Option<Held>> {
        if let Some(held) = self.holds.again(holder, self.mode) {
            return Ok(Some(held));
        }
        if self.mode == Mode::Write && self.holds.standing(holder, Mode::Read).is_some() {
            return Err(Error::would_deadlock(format!(
                "write lock '{}': asked for by a thread or task that holds the read lock, which bars every writer; \
                 release that first, or take the write lock from the start",
                self.name()
            )));
        }
        Ok(None)
    }

    async fn get(&self, holder: Holder, wait: bool) -> Result<Option<Held>> {
        if let Some(held) = self.again(holder)? {
            return Ok(Some(held));
        }
        Ok(self.contend(holder, wait).await?.map(|grant| self.holds.hold(holder, self.mode, grant)))
    }

    async fn contend(&self, holder: Holder, wait: bool) -> Result<Option<Arc<Grant>>> {
        let asked = Instant::now();
        contenders::again(&self.place.session, wait, |incarnation| async move {
            if self.mode == Mode::Read
                && let Some(writer) = self.holds.standing(holder, Mode::Write)
                && let Some(grant) =
                    read_write_lock::beside(&incarnation, &self.place, self.owner(), &writer, asked).await?
            {
                return Ok(Some(grant));
            }
            contenders::enter(&incarnation, self.line, &self.place, self.owner().as_bytes(), wait, asked).await
        })
        .await
    }

    async fn timed_out(&self, timeout: Option<Duration>) -> Error {
        let why = match who_holds(&self.place, self.line).await {
            Some(found) => format!("{found}; wait longer, or ask the holder to let go"),
            None => unsaid(&self.place.session),
        };
        let (what, after) = (self.mode.what(), timeout.unwrap_or_default());
        Error::acquire_timeout(format!("{what} '{}': not acquired within {after:?}: {why}", self.name()))
    }
}

/// Who bars the way at `place`, in words; `None` where no server says.
pub(super) async fn who_holds(place: &Place, line: LineKind) -> Option<String> {
    let ask =
        place.session.look(|incarnation| async move { contenders::holder(&incarnation, &place.path, line).await });
    match tokio::time::timeout(WHO_HOLDS, ask).await {
        Ok(Ok(Some((first, others)))) => {
            let Contender { owner, token, session_id, .. } = first;
            Some(format!("held by {owner} (token {token}, session {session_id:#x}); {others} more in line"))
        }
        Ok(Ok(None)) => Some("free again by now".to_owned()),
        _ => None,
    }
}

/// Why no server said who bars the way, and what to do.
pub(super) fn unsaid(session: &Session) -> String {
    match session.state() {
        SessionState::Connected => "no server said in time who holds it; wait longer".to_owned(),
        state => format!(
            "no server of {} is reached (session {}); wait longer, or check that the ensemble runs",
            session.config().hosts,
            state.name()
        ),
    }
}
