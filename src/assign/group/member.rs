//! Our own membership in a group, and the claims that it is handed.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::card::Card;
use super::claim::Holding;
use super::engine::{End, Shared};
use super::follow::Board;
use super::spec_node;
use crate::error::{Error, Result};
use crate::recipes::Presence;
use crate::recipes::membership::Membership;
use crate::session::{Grant, Session};

/// How soon the spec is read again where it says that the end is not reached.
const AGAIN: Duration = Duration::from_millis(200);

/// A membership. Clones are the same; it leaves when it is told to, when the last one is dropped, and with its session.
#[derive(Clone, Debug)]
pub struct Member(Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) group: String,
    pub(super) id: String,
    pub(super) card: Mutex<Card>,
    pub(super) session: Session,
    pub(super) membership: Membership,
    pub(super) shared: Arc<Shared>,
    pub(super) board: Board,
    /// Ends its candidature.
    pub(super) leader: AbortHandle,
}

/// What to change of a member's card; `None` stays as it is.
#[derive(Clone, Debug, Default)]
pub struct Amendment {
    /// Another size.
    pub capacity: Option<f64>,
    /// Another limit.
    pub limit: Option<u64>,
    /// No limit any more.
    pub no_limit: bool,
    /// Another zone; empty is none.
    pub zone: Option<String>,
    /// Another priority.
    pub priority: Option<i64>,
    /// Another reservation, in milliseconds.
    pub reserve: Option<u64>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Inner {
    /// Resolves when all items are done by the newest spec, too: an update that came before we ask may not be seen yet.
    async fn over(&self, done: &BTreeSet<String>) -> Result<()> {
        loop {
            match spec_node::newest(&self.session, &self.shared.claimant.layout).await {
                Ok(Some(spec)) if spec.is_done(done) => return Ok(()),
                // What is new reaches the board; where the spec is gone, the engine finds out why.
                Ok(_) | Err(Error::ConnectionLost(_) | Error::SessionExpired(_)) => {}
                Err(why) => return Err(why),
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    fn leave(&self) {
        self.shared.leaving.send_if_modified(|leaving| !std::mem::replace(leaving, true));
        self.leader.abort();
        self.membership.withdraw();
    }
}

impl Member {
    pub(super) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// Who we are in the group.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// The group's path as the user wrote it.
    #[must_use]
    pub fn group(&self) -> &str {
        &self.0.group
    }

    /// How it stands, without asking the network.
    #[must_use]
    pub fn presence(&self) -> Presence {
        self.0.membership.presence()
    }

    /// What it says of itself.
    #[must_use]
    pub fn card(&self) -> Card {
        self.0.card.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The JSON texts of what is held now, lost ones left out.
    #[must_use]
    pub fn held(&self) -> Vec<String> {
        let held = self.0.shared.desk().holds();
        held.into_iter()
            .filter(|(_, claim)| claim.grant.check().is_ok())
            .map(|(item, _)| item.text().to_owned())
            .collect()
    }

    /// The next claim to work on, in the order of the items; `None` once all items are done, or the member left.
    ///
    /// # Cancel safety
    /// A claim that does not reach the caller goes to the next who asks.
    ///
    /// # Errors
    /// `NoNode` where the group was deleted; `Closed`, `AuthFailed`: no session will come.
    pub async fn next_claim(&self) -> Result<Option<Claim>> {
        let (shared, board) = (&self.0.shared, &self.0.board);
        let (mut changed, mut end) = (shared.changed.subscribe(), shared.end.subscribe());
        let (mut spec, mut done, mut leaving) = (board.spec.clone(), board.done.clone(), shared.leaving.subscribe());
        loop {
            changed.mark_unchanged();
            match end.borrow_and_update().clone() {
                End::Running => {}
                End::Left => return Ok(None),
                End::Over(why) => return Err(why),
            }
            if *leaving.borrow_and_update() {
                return Ok(None);
            }
            if let Some(holding) = shared.hand_out() {
                return Ok(Some(Claim(Arc::new(Hand { holding, shared: shared.clone() }))));
            }
            let (seen, finished) = (spec.borrow_and_update().clone(), done.borrow_and_update().clone());
            let ending = finished.filter(|done| seen.is_some_and(|seen| seen.is_done(done)));
            let over = async {
                match &ending {
                    Some(done) => self.0.over(done).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                over = over => return over.map(|()| None),
                _ = changed.changed() => {}
                _ = end.changed() => {}
                _ = leaving.changed() => {}
                Ok(()) = spec.changed() => {}
                Ok(()) = done.changed() => {}
            }
        }
    }

    /// Changes what it says of itself, and returns once a server has it; while none can be reached, it waits.
    ///
    /// # Cancel safety
    /// The change is made all the same.
    ///
    /// # Errors
    /// `Config`; `NotOwner` where it left; `Closed`, `NotAuthorized`.
    pub async fn update(&self, amendment: Amendment) -> Result<()> {
        let edition = {
            let mut card = self.0.card.lock().unwrap_or_else(PoisonError::into_inner);
            let Amendment { capacity, limit, no_limit, zone, priority, reserve } = amendment;
            let changed = Card {
                capacity: capacity.unwrap_or(card.capacity),
                limit: limit.or(card.limit).filter(|_| !no_limit),
                zone: zone.or_else(|| card.zone.clone()).filter(|zone| !zone.is_empty()),
                priority: priority.unwrap_or(card.priority),
                reserve: reserve.unwrap_or(card.reserve),
            };
            changed.check()?;
            if let Some(spec) = self.0.board.spec.borrow().as_deref() {
                changed.check_used(spec)?;
            }
            // In the lock, so that two updates are made in the order in which they are remembered.
            let edition = self.0.membership.change(changed.bytes()?)?;
            *card = changed;
            edition
        };
        self.0.membership.settled(edition).await
    }

    /// Leaves for good: all claims are given up, those in the user's hands too. Once more is a no-op.
    ///
    /// # Cancel safety
    /// It happens in the background.
    pub fn leave(&self) {
        self.0.leave();
    }

    /// Resolves when it left, and nothing of it is left.
    pub async fn gone(&self) {
        let mut end = self.0.shared.end.subscribe();
        // An error means that the task ended.
        let _ = end.wait_for(|end| !matches!(end, End::Running)).await;
        self.0.membership.gone().await;
    }
}

/// A claim in the user's hand. Clones are the same.
#[derive(Clone, Debug)]
pub struct Claim(Arc<Hand>);

#[derive(Debug)]
struct Hand {
    holding: Arc<Holding>,
    shared: Arc<Shared>,
}

impl Drop for Hand {
    fn drop(&mut self) {
        // Nobody works on it any more: it is given up now or when it is wanted elsewhere.
        self.holding.abandoned.store(true, Ordering::Release);
        if *self.holding.asked.borrow() {
            self.shared.let_go(&self.holding);
        }
    }
}

impl Claim {
    /// The item, as JSON text.
    #[must_use]
    pub fn item(&self) -> &str {
        self.0.holding.item.text()
    }

    /// The group's path as the user wrote it.
    #[must_use]
    pub fn group(&self) -> &str {
        &self.0.shared.claimant.group
    }

    /// What stands behind it: token, state, validity, loss.
    #[must_use]
    pub fn grant(&self) -> &Arc<Grant> {
        &self.0.holding.grant
    }

    /// What the last checkpoint saved, by us or a holder before us: JSON text. It was read with the claim.
    #[must_use]
    pub fn restore(&self) -> Option<String> {
        self.0.holding.restore()
    }

    /// Saves JSON text for us and later holders, only while the claim stands. A lost reply leaves no doubt.
    ///
    /// # Errors
    /// `ClaimLost`, where a write that was under way may have landed; `NotOwner` where it was finished before;
    /// `PayloadTooLarge`, before anything is sent.
    pub async fn checkpoint(&self, value: String) -> Result<()> {
        self.0.holding.checkpoint(value).await
    }

    /// Finishes the item for good, with a result as JSON text. A lost reply leaves no doubt.
    ///
    /// # Errors
    /// `ClaimLost`, where the item goes to another, unless this landed in the session's last moment; `NotOwner` where it
    /// was finished before; `PayloadTooLarge`, before anything is sent.
    pub async fn done(&self, value: &str) -> Result<()> {
        self.0.holding.done(value).await?;
        // First, so that the claim's end is not taken for a loss, and the item not claimed again.
        self.0.shared.settled(&self.0.holding);
        self.grant().spent();
        Ok(())
    }

    /// True once it was finished.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.0.holding.done.load(Ordering::Acquire) && self.grant().released()
    }

    /// Gives it up: the item goes to whom it is assigned, which may be us again. Of one that is over it is a no-op.
    ///
    /// # Cancel safety
    /// It happens in the background.
    pub fn release(&self) {
        self.0.shared.let_go(&self.0.holding);
    }

    /// Resolves when its nodes are gone, or their session is.
    pub async fn ended(&self) {
        let mut changed = self.0.shared.changed.subscribe();
        while self.0.shared.desk().is_ending(&self.0.holding.item) {
            // An error means that the task is gone, and the session with it.
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    /// It never reached the user.
    pub fn return_unseen(&self) {
        self.0.shared.put_back(&self.0.holding);
    }

    /// Whether the item is wanted elsewhere.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        *self.0.holding.asked.borrow()
    }

    /// Changes with whether the item is wanted elsewhere.
    #[must_use]
    pub fn asked(&self) -> watch::Receiver<bool> {
        self.0.holding.asked.subscribe()
    }
}
