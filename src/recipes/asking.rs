//! One acquisition of a holder at a time through one handle: a second would stand in line behind the first, which is its
//! own. It waits for the outcome of the first instead, and then has the same grant once more, or asks itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{self, OwnedMutexGuard};

use super::holds::Holder;

/// Who asks now.
#[derive(Debug, Default)]
pub(super) struct Askers(Mutex<HashMap<Holder, Arc<sync::Mutex<()>>>>);

/// It is the holder's one acquisition that is under way, until this is dropped.
#[derive(Debug)]
pub(super) struct Asking {
    askers: Arc<Askers>,
    holder: Holder,
    turn: Option<OwnedMutexGuard<()>>,
}

impl Askers {
    /// Waits until no other acquisition of `holder` is under way.
    ///
    /// # Cancel safety
    /// Leaves nothing.
    pub(super) async fn wait(self: &Arc<Self>, holder: Holder) -> Asking {
        let (mut asking, turn) = self.asking(holder);
        asking.turn = Some(turn.lock_owned().await);
        asking
    }

    /// `None` while another acquisition of `holder` is under way.
    pub(super) fn try_now(self: &Arc<Self>, holder: Holder) -> Option<Asking> {
        let (mut asking, turn) = self.asking(holder);
        asking.turn = turn.try_lock_owned().ok();
        asking.turn.is_some().then_some(asking)
    }

    fn asking(self: &Arc<Self>, holder: Holder) -> (Asking, Arc<sync::Mutex<()>>) {
        let turn = self.lock().entry(holder).or_default().clone();
        (Asking { askers: self.clone(), holder, turn: None }, turn)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Holder, Arc<sync::Mutex<()>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        let mut askers = self.askers.lock();
        self.turn = None;
        // Nobody else of this holder asks or waits.
        if askers.get(&self.holder).is_some_and(|turn| Arc::strong_count(turn) == 1) {
            askers.remove(&self.holder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_holder_asks_once_at_a_time_and_nothing_stays_behind() {
        let askers = Arc::new(Askers::default());
        let first = askers.wait(Holder(1)).await;
        assert!(askers.try_now(Holder(1)).is_none());
        drop(askers.try_now(Holder(2)).expect("another holder is not in its way"));
        let cancelled = tokio::time::timeout(std::time::Duration::ZERO, askers.wait(Holder(1)));
        assert!(cancelled.await.is_err());
        let second = tokio::spawn({
            let askers = askers.clone();
            async move { drop(askers.wait(Holder(1)).await) }
        });
        tokio::task::yield_now().await;
        drop(first);
        second.await.expect("it got its turn");
        assert!(askers.lock().is_empty());
    }
}
