//! A grant: ephemeral nodes of ours, made in one step, whose place in line lets us in, until they are provably gone.
//!
//! `Held` (connected, inside the lease, node verified) → `AtRisk` (inside the lease, but not
//! connected or not yet verified since) → `Lost` (past the lease, session over, or node gone).
//! `Lost` is final, even if the session turns out to have survived.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};

use super::delete::delete_in_background;
use super::delete_marked::{Marked, Removal, delete_marked_in_background};
use super::heartbeat;
use super::incarnation::Incarnation;
use super::letter::ReleaseRequest;
use super::metrics::Counters;
use super::standing::{GrantState, Standing};
use crate::error::{Error, Result};

const RELEASED: &str = "it was released";
const LEASE_OVER: &str = "the session timeout passed with no word from the ensemble";

#[derive(Clone, Debug)]
enum Fate {
    Standing,
    Released,
    Lost(String),
}

/// A standing claim on its nodes. Not serialisable, on purpose: it belongs to a session.
#[derive(Debug)]
pub struct Grant {
    pub(super) incarnation: Arc<Incarnation>,
    pub(super) standing: Standing,
    since: Instant,
    /// Of every resource it is a grant of.
    counters: Vec<Arc<Counters>>,
    /// The link's epoch at which the nodes were last known to be ours.
    verified: AtomicU64,
    /// Whether a task follows the node; see [`super::heartbeat`].
    pub(super) followed: AtomicBool,
    /// Whether a write of ours that deletes the nodes is under way.
    ending: AtomicBool,
    fate: watch::Sender<Fate>,
    /// What its nodes were made with, to be put back where Curator's revoker overwrites it.
    pub(super) text: OnceLock<Vec<u8>>,
    /// What others asked of the holder so far, the oldest first.
    pub(super) asked: watch::Sender<Vec<ReleaseRequest>>,
}

impl Grant {
    /// A grant on nodes that a reply showed to be ours.
    pub fn new(incarnation: &Arc<Incarnation>, standing: Standing) -> Arc<Self> {
        let counters = vec![incarnation.metrics.of(&standing.resource)];
        Self::counted(incarnation, standing, counters)
    }

    /// A grant of several `resources` at once, each of which counts it.
    pub fn of_all(incarnation: &Arc<Incarnation>, standing: Standing, resources: &[String]) -> Arc<Self> {
        let counters = resources.iter().map(|resource| incarnation.metrics.of(resource)).collect();
        Self::counted(incarnation, standing, counters)
    }

    fn counted(incarnation: &Arc<Incarnation>, standing: Standing, counters: Vec<Arc<Counters>>) -> Arc<Self> {
        let since = Instant::now();
        for counters in &counters {
            counters.acquired(since.saturating_duration_since(standing.asked));
        }
        let grant = Arc::new(Self {
            incarnation: incarnation.clone(),
            since,
            counters,
            verified: AtomicU64::new(standing.epoch),
            followed: AtomicBool::new(false),
            ending: AtomicBool::new(false),
            fate: watch::Sender::new(Fate::Standing),
            text: OnceLock::new(),
            asked: watch::Sender::new(Vec::new()),
            standing,
        });
        incarnation.grants.add(&grant);
        // The session may have ended between the reply and the line above.
        if let Some(why) = incarnation.link().ended {
            grant.lose(&why.to_string());
        }
        grant
    }

    /// The nodes' creation zxid: the fencing token. It grows with every grant of one resource.
    #[must_use]
    pub fn token(&self) -> i64 {
        self.standing.token
    }

    /// The absolute paths of the nodes.
    #[must_use]
    pub fn paths(&self) -> &[String] {
        &self.standing.paths
    }

    /// Every node that it rests on.
    pub(super) fn nodes(&self) -> impl Iterator<Item = &String> {
        self.standing.paths.iter().chain(&self.standing.mark)
    }

    /// The session that holds it.
    #[must_use]
    pub fn session_id(&self) -> i64 {
        self.incarnation.session_id()
    }

    /// The state now, by the lease clock: it needs no network and cannot be late.
    #[must_use]
    pub fn state(&self) -> GrantState {
        if !matches!(*self.fate.borrow(), Fate::Standing) {
            return GrantState::Lost;
        }
        if self.incarnation.lease.remaining().is_zero() {
            // All that stand on the session are, and one line says so.
            self.incarnation.grants.lose_all(LEASE_OVER);
            self.lose(LEASE_OVER);
            return GrantState::Lost;
        }
        let link = self.incarnation.link.borrow();
        if link.connected && self.verified.load(Ordering::Acquire) == link.epoch {
            GrantState::Held
        } else {
            GrantState::AtRisk
        }
    }

    /// How long it is provably ours from now on; zero once lost or released.
    #[must_use]
    pub fn valid_for(&self) -> Duration {
        match self.state() {
            GrantState::Lost => Duration::ZERO,
            GrantState::Held | GrantState::AtRisk => self.incarnation.lease.remaining(),
        }
    }

    /// # Errors
    /// `LockLost` (or its siblings for other kinds) once it is not provably ours.
    pub fn check(&self) -> Result<()> {
        match self.state() {
            GrantState::Lost => Err(self.loss()),
            GrantState::Held | GrantState::AtRisk => Ok(()),
        }
    }

    /// Resolves with the error when the grant is lost, with `None` when it is released.
    pub async fn lost(&self) -> Option<Error> {
        self.over().await;
        (!self.released()).then(|| self.loss())
    }

    /// Watches its nodes from now on, where a beat would begin to: for a grant that is meant to last, and
    /// whose holder should hear at once of an operator who deletes its node.
    pub fn follow(self: &Arc<Self>) {
        heartbeat::follow_grant(&self.incarnation, self);
    }

    /// Resolves when the grant stands no more, for either reason.
    pub(crate) async fn over(&self) {
        let mut fate = self.fate.subscribe();
        // An error means that the sender is gone, and the grant with it.
        let _ = fate.wait_for(|fate| !matches!(fate, Fate::Standing)).await;
    }

    /// True once [`Grant::release`] ended it.
    #[must_use]
    pub fn released(&self) -> bool {
        matches!(*self.fate.borrow(), Fate::Released)
    }

    /// The error that its loss is reported with.
    #[must_use]
    pub fn loss(&self) -> Error {
        self.loss_where_standing("its node is gone")
    }

    /// As [`Grant::loss`], for one of several acquisitions that share the grant, and that was released.
    #[must_use]
    pub(crate) fn loss_of_one(&self) -> Error {
        self.loss_where_standing(RELEASED)
    }

    fn loss_where_standing(&self, standing: &str) -> Error {
        match &*self.fate.borrow() {
            Fate::Lost(why) => self.standing.loss(why),
            Fate::Released => self.standing.loss(RELEASED),
            Fate::Standing => self.standing.loss(standing),
        }
    }

    /// Gives the grant back: its node is deleted, and a lost reply does not leave it behind.
    /// Does nothing where it is lost or released already, so it never touches the next holder's node.
    ///
    /// # Cancel safety
    /// The deletion is queued before the first await and goes on in the background.
    pub fn release(&self) -> Release {
        let ended = self.end(Fate::Released);
        Release(if ended { self.delete(Removal::Ours) } else { Vec::new() })
    }

    /// A write of ours that deletes the nodes begins, or ended without effect: news of their end is not a loss meanwhile.
    pub(crate) fn ending(&self, under_way: bool) {
        self.ending.store(under_way, Ordering::Release);
    }

    /// Its node is gone. That is a loss, unless we are deleting it.
    pub(super) fn gone(&self, why: &str) {
        if !self.ending.load(Ordering::Acquire) {
            self.lose(why);
        }
    }

    /// Ends it as [`Grant::release`] does, where a write of ours deleted its nodes already.
    pub(crate) fn spent(&self) {
        self.end(Fate::Released);
    }

    /// Marks it lost. The node goes too, where the session still lives: it would bar the others.
    pub(crate) fn lose(&self, why: &str) {
        if self.end_as_lost(why) {
            self.report_loss(why);
        }
    }

    /// As [`Grant::lose`], for somebody who reports it; false where it stood no more.
    pub(super) fn end_as_lost(&self, why: &str) -> bool {
        let ended = self.end(Fate::Lost(why.to_owned()));
        if ended {
            self.counters.iter().for_each(|counters| counters.lost());
            drop(self.delete(Removal::Doubtful));
        }
        ended
    }

    pub(super) fn report_loss(&self, why: &str) {
        tracing::warn!(resource = self.standing.resource, token = self.standing.token, why, "grant lost");
    }

    /// The resource as the user names it.
    pub(super) fn resource(&self) -> &str {
        &self.standing.resource
    }

    /// A write that it guarded was refused, because it stands no more.
    pub(crate) fn fenced(&self) -> Error {
        self.counters.iter().for_each(|counters| counters.fenced());
        // The server may say so before the watch on the node does; whoever gets the error must find the state to agree.
        self.lose("a write that it guarded found its node gone");
        self.loss()
    }

    fn delete(&self, removal: Removal) -> Vec<oneshot::Receiver<()>> {
        if let (Some(mark), Some(own)) = (&self.standing.mark, self.paths().first()) {
            let marked = Marked { own: own.clone(), mark: mark.clone(), czxid: self.token() };
            return vec![delete_marked_in_background(&self.incarnation, marked, removal)];
        }
        self.paths().iter().map(|path| delete_in_background(&self.incarnation, path.clone())).collect()
    }

    /// A request sent at `epoch` found the node to be ours.
    pub(super) fn verified_at(&self, epoch: u64) {
        self.verified.fetch_max(epoch, Ordering::AcqRel);
    }

    fn end(&self, fate: Fate) -> bool {
        let first = self.fate.send_if_modified(|current| {
            let standing = matches!(current, Fate::Standing);
            if standing {
                *current = fate;
            }
            standing
        });
        if first {
            self.incarnation.grants.remove(self);
            self.counters.iter().for_each(|counters| counters.released(self.since.elapsed()));
        }
        first
    }
}

/// The deletions that a release started.
#[derive(Debug)]
pub struct Release(Vec<oneshot::Receiver<()>>);

impl Release {
    /// Nothing to wait for.
    #[must_use]
    pub fn nothing() -> Self {
        Self(Vec::new())
    }

    /// Resolves when the nodes are gone, or their session is.
    pub async fn done(self) {
        for done in self.0 {
            // An error means that the runtime is gone, and the session with it.
            let _ = done.await;
        }
    }
}
