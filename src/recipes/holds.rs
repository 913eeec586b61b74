//! Who holds what through one handle: reentrancy, and the object that stands for one acquisition.
//!
//! A thread or task that holds already gets the same grant once more; the node goes with its last release. A `with`
//! ends the acquisition that it began with, whatever its body acquired or released besides. What is held keeps its session open: nobody loses a lock by dropping the coordinator that it came from.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::asking::{Askers, Asking};
use crate::error::{Error, Result};
use crate::session::{Grant, GrantState, Release, Session};

/// Who may re-enter what is already held through the same handle: a thread, or a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Holder(pub u64);

/// How something is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Alone.
    Exclusive,
    /// With other readers.
    Read,
    /// Alone, in a line that readers stand in too.
    Write,
    /// Several locks at once.
    All,
}

impl Mode {
    /// What it is called in messages.
    #[must_use]
    pub fn what(self) -> &'static str {
        match self {
            Self::Exclusive => "lock",
            Self::Read => "read lock",
            Self::Write => "write lock",
            Self::All => "multi-lock",
        }
    }
}

/// What a handle's holders have, by who they are and how they hold it.
#[derive(Debug)]
pub(super) struct Holds {
    /// The path as the user wrote it, or the paths.
    pub(super) name: String,
    /// One for each lock.
    pub(super) paths: Vec<String>,
    /// Who we say we are.
    pub(super) owner: String,
    table: Mutex<HashMap<(Holder, Mode), Hold>>,
    askers: Arc<Askers>,
    /// What each `with` that is not over began with, the outermost first.
    entered: Mutex<HashMap<(Holder, Mode), Vec<Acquisition>>>,
    /// Dropped with the handle and everything held through it, and no earlier.
    _session: Session,
}

#[derive(Debug)]
struct Hold {
    grant: Arc<Grant>,
    /// Whether each acquisition that stands was released, the outermost first.
    acquisitions: Vec<Arc<AtomicBool>>,
}

/// One of the times that a holder got it.
#[derive(Clone, Debug)]
struct Acquisition {
    holder: Holder,
    mode: Mode,
    grant: Arc<Grant>,
    released: Arc<AtomicBool>,
}

/// Something held. Dropping it does not release it: it stands until released or lost.
#[derive(Debug)]
pub struct Held {
    holds: Arc<Holds>,
    acquisition: Acquisition,
}

impl Holds {
    /// `owner` is the session's where none is given.
    pub(super) fn new(session: &Session, paths: Vec<String>, owner: Option<String>) -> Arc<Self> {
        let owner = owner.unwrap_or_else(|| session.config().owner.clone());
        Arc::new(Self {
            name: paths.join(", "),
            paths,
            owner,
            table: Mutex::default(),
            askers: Arc::default(),
            entered: Mutex::default(),
            _session: session.clone(),
        })
    }

    /// Waits until no other acquisition of `holder` through this handle is under way, in whatever mode.
    pub(super) async fn asking(&self, holder: Holder) -> Asking {
        self.askers.wait(holder).await
    }

    /// `None` while another acquisition of `holder` is under way.
    pub(super) fn try_asking(&self, holder: Holder) -> Option<Asking> {
        self.askers.try_now(holder)
    }

    /// Once more what `holder` has. What is lost is forgotten: its `Held` still reports the loss.
    pub(super) fn again(self: &Arc<Self>, holder: Holder, mode: Mode) -> Option<Held> {
        self.standing(holder, mode)?;
        let mut table = self.lock();
        let hold = table.get_mut(&(holder, mode))?;
        let another = self.held(holder, mode, hold.grant.clone());
        hold.acquisitions.push(another.acquisition.released.clone());
        Some(another)
    }

    /// The grant that `holder` has, and that stands.
    pub(super) fn standing(&self, holder: Holder, mode: Mode) -> Option<Arc<Grant>> {
        let mut table = self.lock();
        let grant = table.get(&(holder, mode))?.grant.clone();
        if grant.state() == GrantState::Lost {
            table.remove(&(holder, mode));
            return None;
        }
        Some(grant)
    }

    /// `holder` has a new grant.
    pub(super) fn hold(self: &Arc<Self>, holder: Holder, mode: Mode, grant: Arc<Grant>) -> Held {
        let held = self.held(holder, mode, grant.clone());
        self.lock().insert((holder, mode), Hold { grant, acquisitions: vec![held.acquisition.released.clone()] });
        held
    }

    /// Ends the newest `with` of `holder`: gives back what it began with, unless that was done before.
    pub(super) fn leave(&self, holder: Holder, mode: Mode) -> Release {
        let began = {
            let mut entered = self.entered();
            let Some(stack) = entered.get_mut(&(holder, mode)) else { return Release::nothing() };
            let began = stack.pop();
            if stack.is_empty() {
                entered.remove(&(holder, mode));
            }
            began
        };
        began.and_then(|began| self.give_back(&began)).unwrap_or_else(Release::nothing)
    }

    /// The node goes with the outermost acquisition. `None` where this very one was given back before.
    fn give_back(&self, acquisition: &Acquisition) -> Option<Release> {
        let Acquisition { holder, mode, grant, released } = acquisition;
        if released.swap(true, Ordering::AcqRel) {
            return None;
        }
        let mut table = self.lock();
        // Where it is another one, ours was lost, and the newer grant is not ours to give back.
        if let Some(hold) = table.get_mut(&(*holder, *mode)).filter(|hold| Arc::ptr_eq(&hold.grant, grant)) {
            hold.acquisitions.retain(|other| !Arc::ptr_eq(other, released));
            if !hold.acquisitions.is_empty() {
                return Some(Release::nothing());
            }
            table.remove(&(*holder, *mode));
        }
        Some(grant.release())
    }

    /// The state of what `holder` has.
    pub(super) fn state(&self, holder: Holder, mode: Mode) -> Option<GrantState> {
        self.lock().get(&(holder, mode)).map(|hold| hold.grant.state())
    }

    /// True where anybody has it through this handle.
    pub(super) fn any(&self, mode: Mode) -> bool {
        self.lock().iter().any(|((_, held), hold)| *held == mode && hold.grant.state() != GrantState::Lost)
    }

    fn held(self: &Arc<Self>, holder: Holder, mode: Mode, grant: Arc<Grant>) -> Held {
        Held { holds: self.clone(), acquisition: Acquisition { holder, mode, grant, released: Arc::default() } }
    }

    fn entered(&self) -> std::sync::MutexGuard<'_, HashMap<(Holder, Mode), Vec<Acquisition>>> {
        self.entered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(Holder, Mode), Hold>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// What stands behind it, also behind the holder's other acquisitions: token and paths.
    #[must_use]
    pub fn grant(&self) -> &Arc<Grant> {
        &self.acquisition.grant
    }

    /// The path as the user wrote it; of several locks, all of them.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.holds.name
    }

    /// The path of each lock.
    #[must_use]
    pub fn paths(&self) -> &[String] {
        &self.holds.paths
    }

    /// Who holds it.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.holds.owner
    }

    /// How it is held.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.acquisition.mode
    }

    /// Gives back this acquisition; the node goes with the outermost. Of a lost lock it is a no-op.
    ///
    /// # Cancel safety
    /// The deletion is queued here and seen through in the background; awaiting it is optional.
    ///
    /// # Errors
    /// `NotOwner` where this very acquisition was released before.
    pub fn release(&self) -> Result<Release> {
        self.holds.give_back(&self.acquisition).ok_or_else(|| {
            Error::not_owner(format!(
                "{} '{}': this acquisition was released before; release each once",
                self.mode().what(),
                self.name()
            ))
        })
    }

    /// A `with` begins with it: `leave` of its handle ends it.
    #[must_use]
    pub fn enter(self) -> Self {
        let key = (self.acquisition.holder, self.acquisition.mode);
        self.holds.entered().entry(key).or_default().push(self.acquisition.clone());
        self
    }

    /// Gives it back where nobody got it: the `with` that it was for never began.
    pub fn retract(&self) {
        for stack in self.holds.entered().values_mut() {
            stack.retain(|began| !Arc::ptr_eq(&began.released, &self.acquisition.released));
        }
        drop(self.holds.give_back(&self.acquisition));
    }

    /// True once this acquisition was released, by itself or by the `with` that began with it.
    #[must_use]
    pub fn is_released(&self) -> bool {
        self.acquisition.released.load(Ordering::Acquire)
    }

    /// The state now: released, it is lost to whoever has this, though the holder's other acquisitions stand.
    #[must_use]
    pub fn state(&self) -> GrantState {
        if self.is_released() { GrantState::Lost } else { self.acquisition.grant.state() }
    }

    /// How long it is provably ours from now on; zero once lost or released.
    #[must_use]
    pub fn valid_for(&self) -> Duration {
        if self.is_released() { Duration::ZERO } else { self.acquisition.grant.valid_for() }
    }

    /// # Errors
    /// `LockLost` once it is not provably ours, or released.
    pub fn check(&self) -> Result<()> {
        if self.is_released() { Err(self.acquisition.grant.loss_of_one()) } else { self.acquisition.grant.check() }
    }

    /// Resolves with the error when it is lost, with `None` when it was released before.
    pub fn lost(&self) -> impl Future<Output = Option<Error>> + Send + use<> {
        let (grant, released) = (self.acquisition.grant.clone(), self.acquisition.released.clone());
        async move { grant.lost().await.filter(|_| !released.load(Ordering::Acquire)) }
    }
}
