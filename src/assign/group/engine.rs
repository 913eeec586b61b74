//! The task behind a member: it does what the [`Desk`] decides, in one session after the other.
//!
//! It makes and deletes a member's claims, and waits for those of others. With a session all its claims are lost, and
//! known to be so before the server lets anybody else in; in the next it begins with an empty desk.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};

use super::claim::{Claimant, Holding, Outcome};
use super::desk::{Action, Desk};
use super::follow::Board;
use super::item::Item;
use super::spec::Spec;
use super::spec_node;
use crate::error::{Error, Result};
use crate::session::{Incarnation, Release, Succession};

/// How soon a try that failed for want of rights, or of a group, is repeated.
const AGAIN: Duration = Duration::from_millis(500);

/// How a member came to its end.
#[derive(Clone, Debug)]
pub(super) enum End {
    Running,
    /// It left, and all that it held is free.
    Left,
    /// The group was deleted, or no session will come.
    Over(Error),
}

/// What a member's handles and its task share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) claimant: Claimant,
    desk: Mutex<Desk<Item, Arc<Holding>>>,
    /// Told of every change of the desk.
    pub(super) changed: watch::Sender<()>,
    pub(super) end: watch::Sender<End>,
    pub(super) leaving: watch::Sender<bool>,
    news: mpsc::UnboundedSender<News>,
}

/// What handles tell the task.
#[derive(Debug)]
enum News {
    /// A claim was let go of; its nodes go.
    Ending(Item, Release),
    Actions(Vec<Action<Item, Arc<Holding>>>),
}

impl Shared {
    pub(super) fn desk(&self) -> MutexGuard<'_, Desk<Item, Arc<Holding>>> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next claim to work on, which is in the user's hand from now on.
    pub(super) fn hand_out(&self) -> Option<Arc<Holding>> {
        loop {
            let (_, claim) = self.desk().hand_out()?;
            // A lost one is taken off the desk by the task.
            if claim.grant.check().is_ok() {
                return Some(claim);
            }
        }
    }

    /// It did not reach the user.
    pub(super) fn put_back(&self, claim: &Arc<Holding>) {
        let actions = self.desk().put_back(claim.item.clone(), claim.clone());
        self.tell(News::Actions(actions));
        self.changed.send_replace(());
    }

    /// Gives up a claim; a no-op where it is lost, finished or given up already.
    pub(super) fn let_go(&self, claim: &Arc<Holding>) {
        let in_hand = self.desk().let_go(&claim.item, claim);
        let release = claim.grant.release();
        if in_hand {
            self.tell(News::Ending(claim.item.clone(), release));
        }
    }

    /// The user finished it.
    pub(super) fn settled(&self, claim: &Arc<Holding>) {
        self.desk().settled(&claim.item, claim);
        self.changed.send_replace(());
    }

    fn tell(&self, news: News) {
        // The task is gone where there is nothing left to do.
        let _ = self.news.send(news);
    }
}

/// How a job of the task ended.
enum Job {
    Tried(Item, Result<Outcome>),
    Freed(Item),
    Again(Item),
    Over(Item, Arc<Holding>),
    Ended(Item),
}

/// The task.
pub(super) struct Engine {
    shared: Arc<Shared>,
    board: Board,
    succession: Succession,
    inbox: mpsc::UnboundedReceiver<News>,
    leaving: watch::Receiver<bool>,
    /// What is published again, should the ensemble have been wiped.
    spec: Arc<Spec>,
    /// A zxid at which the group stood.
    seen: i64,
}

impl Engine {
    /// `spec` was published at the zxid `seen`.
    pub(super) fn new(
        claimant: Claimant,
        board: Board,
        succession: Succession,
        (spec, seen): (Arc<Spec>, i64),
    ) -> Self {
        let (news, inbox) = mpsc::unbounded_channel();
        let leaving = watch::Sender::new(false);
        let on_leaving = leaving.subscribe();
        let shared = Arc::new(Shared {
            claimant,
            desk: Mutex::default(),
            changed: watch::Sender::new(()),
            end: watch::Sender::new(End::Running),
            leaving,
            news,
        });
        Self { shared, board, succession, inbox, leaving: on_leaving, spec, seen }
    }

    pub(super) fn shared(&self) -> Arc<Shared> {
        self.shared.clone()
    }

    /// Lives until the member left and holds nothing, the group was deleted, or no session will come.
    pub(super) async fn run(mut self) {
        let end = loop {
            let mut leaving = self.leaving.clone();
            let live = tokio::select! {
                biased;
                live = self.succession.next_live() => live,
                _ = leaving.wait_for(|leaving| *leaving) => break End::Left,
            };
            let incarnation = match live {
                Ok(incarnation) => incarnation,
                Err(why) => break End::Over(why),
            };
            let served = self.serve(&incarnation).await;
            let left = std::mem::take(&mut *self.shared.desk());
            self.shared.changed.send_replace(());
            match served {
                Ok(()) => break End::Left,
                Err(why @ Error::NoNode(_)) => {
                    for (_, claim) in left.holds() {
                        claim.grant.lose("the group was deleted");
                    }
                    break End::Over(why);
                }
                Err(why) => tracing::debug!(member = self.shared.claimant.member, %why, "a member's session ended"),
            }
        };
        self.shared.end.send_replace(end);
        self.shared.changed.send_replace(());
    }

    /// Works for as long as the incarnation lasts; returns early where the member left.
    async fn serve(&mut self, incarnation: &Arc<Incarnation>) -> Result<()> {
        let mut work = Work {
            shared: self.shared.clone(),
            incarnation: incarnation.clone(),
            jobs: JoinSet::new(),
            watches: HashMap::new(),
        };
        let Board { mut spec, mut assignment, mut done, .. } = self.board.clone();
        self.seen = spec_node::see_to(incarnation, &self.shared.claimant, &self.spec, self.seen).await?;
        assignment.mark_changed();
        loop {
            let leaving = *self.leaving.borrow_and_update();
            if leaving {
                work.let_go_of_all();
                if self.shared.desk().is_empty() {
                    return Ok(());
                }
            }
            tokio::select! {
                why = incarnation.ended() => return Err(why),
                Ok(()) = assignment.changed(), if !leaving => work.divide(&mut assignment, &mut done),
                Ok(()) = done.changed(), if !leaving => work.divide(&mut assignment, &mut done),
                Ok(()) = spec.changed() => {
                    let newest = spec.borrow_and_update().clone();
                    match newest {
                        Some(newest) => self.spec = newest,
                        // What the board saw may be from before we published it.
                        None => spec_node::check(incarnation, &self.shared.claimant).await?,
                    }
                }
                Some(job) = work.jobs.join_next() => work.finish(job.ok()),
                Some(news) = self.inbox.recv() => work.hear(news),
                _ = self.leaving.changed() => {}
            }
            self.shared.changed.send_replace(());
        }
    }
}

/// One incarnation's work.
struct Work {
    shared: Arc<Shared>,
    incarnation: Arc<Incarnation>,
    jobs: JoinSet<Job>,
    watches: HashMap<Item, AbortHandle>,
}

impl Work {
    /// Takes in the newest assignment and what is done.
    fn divide(
        &mut self,
        assignment: &mut watch::Receiver<Option<Arc<super::published::Published>>>,
        done: &mut watch::Receiver<Option<Arc<std::collections::BTreeSet<String>>>>,
    ) {
        let Some(newest) = assignment.borrow_and_update().clone() else { return };
        let done = done.borrow_and_update().clone().unwrap_or_default();
        let mine = newest.of(&self.shared.claimant.member);
        let finished: Vec<Item> = mine.iter().filter(|item| done.contains(item.name())).cloned().collect();
        let actions = {
            let mut desk = self.shared.desk();
            let mut actions = desk.finished(finished);
            actions.extend(desk.assigned(mine));
            actions
        };
        self.act(actions);
    }

    fn let_go_of_all(&mut self) {
        let (actions, held) = {
            let mut desk = self.shared.desk();
            (desk.assigned(Vec::new()), desk.holds())
        };
        self.act(actions);
        for (_, claim) in held {
            self.shared.let_go(&claim);
        }
    }

    fn finish(&mut self, job: Option<Job>) {
        let shared = self.shared.clone();
        let mut desk = shared.desk();
        let actions = match job {
            Some(Job::Tried(item, Ok(Outcome::Ours(claim)))) => {
                let (grant, lost) = (claim.grant.clone(), (item.clone(), claim.clone()));
                self.jobs.spawn(async move {
                    grant.over().await;
                    Job::Over(lost.0, lost.1)
                });
                desk.granted(item, claim)
            }
            Some(Job::Tried(item, Ok(Outcome::Taken))) => desk.taken(item),
            Some(Job::Tried(item, Ok(Outcome::Done))) => desk.finished([item]),
            Some(Job::Tried(item, Err(why))) => {
                if !why.session_ended() {
                    tracing::warn!(item = item.text(), %why, "cannot be claimed now; trying again");
                }
                desk.failed(item.clone());
                self.again(item);
                Vec::new()
            }
            Some(Job::Freed(item)) => {
                self.watches.remove(&item);
                desk.free(item)
            }
            Some(Job::Again(item)) => desk.free(item),
            Some(Job::Over(item, claim)) => desk.lost(item, &claim),
            Some(Job::Ended(item)) => desk.ended(item),
            // A watch that was taken away.
            None => Vec::new(),
        };
        drop(desk);
        self.act(actions);
    }

    fn hear(&mut self, news: News) {
        match news {
            News::Ending(item, release) => self.end(item, release),
            News::Actions(actions) => self.act(actions),
        }
    }

    fn act(&mut self, actions: Vec<Action<Item, Arc<Holding>>>) {
        for action in actions {
            match action {
                Action::Claim(item) => {
                    let (claimant, incarnation) = (self.shared.claimant.clone(), self.incarnation.clone());
                    self.jobs.spawn(async move {
                        let tried = claimant.take(&incarnation, item.clone()).await;
                        Job::Tried(item, tried)
                    });
                }
                Action::Watch(item) => {
                    let (claimant, incarnation) = (self.shared.claimant.clone(), self.incarnation.clone());
                    let watched = item.clone();
                    let watch = self.jobs.spawn(async move {
                        match claimant.freed(&incarnation, &watched).await {
                            Ok(()) => {}
                            Err(why) if why.session_ended() => {}
                            Err(_) => tokio::time::sleep(AGAIN).await,
                        }
                        Job::Freed(watched)
                    });
                    self.watches.insert(item, watch);
                }
                Action::Unwatch(item) => {
                    if let Some(watch) = self.watches.remove(&item) {
                        watch.abort();
                    }
                }
                Action::Release(item, claim) => {
                    let release = claim.grant.release();
                    self.end(item, release);
                }
                Action::Ask(claim) => {
                    claim.asked.send_replace(true);
                    if claim.is_abandoned() {
                        self.shared.let_go(&claim);
                    }
                }
                Action::Unask(claim) => drop(claim.asked.send_replace(false)),
            }
        }
    }

    fn again(&mut self, item: Item) {
        self.jobs.spawn(async move {
            tokio::time::sleep(AGAIN).await;
            Job::Again(item)
        });
    }

    fn end(&mut self, item: Item, release: Release) {
        self.jobs.spawn(async move {
            release.done().await;
            Job::Ended(item)
        });
    }
}
