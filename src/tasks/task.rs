//! A task at work.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::worker::Inner;
use crate::error::Result;
use crate::recipes::queue::Item;

/// Heartbeats in the time that a claim stands without one.
const BEATS: u32 = 3;

/// A task that a worker has. Its claim is extended until this is dropped, or its time limit passes.
#[derive(Debug)]
pub struct Task {
    item: Item,
    worker: Arc<Inner>,
    beat: AbortHandle,
}

impl Drop for Task {
    fn drop(&mut self) {
        self.beat.abort();
    }
}

impl Task {
    pub(super) fn new(item: Item, worker: Arc<Inner>) -> Self {
        let beat = tokio::spawn(beat(item.clone(), worker.clone())).abort_handle();
        Self { item, worker, beat }
    }

    /// What was claimed.
    #[must_use]
    pub fn item(&self) -> &Item {
        &self.item
    }

    /// The task is done, and `value` is its result. One round trip.
    ///
    /// # Cancel safety
    /// What was sent takes effect all the same.
    ///
    /// # Errors
    /// `ClaimLost` where it is, or will be, delivered to another, or was cancelled; `NotOwner` where it ended before,
    /// by its time limit, say; `PayloadTooLarge`.
    pub async fn complete(&self, value: Vec<u8>) -> Result<()> {
        self.item.complete(self.worker.note(value)).await?;
        self.worker.did_one();
        Ok(())
    }

    /// The attempt failed: another one later, or with the last used up, that is the result.
    ///
    /// # Cancel safety
    /// What was sent takes effect all the same.
    ///
    /// # Errors
    /// As [`Task::complete`].
    pub async fn fail(&self, error: &str) -> Result<()> {
        fail(&self.item, &self.worker, error).await
    }

    /// Nothing was done with it: the attempt does not count.
    ///
    /// # Errors
    /// As [`Task::complete`].
    pub async fn put_back(&self) -> Result<()> {
        self.item.put_back().await
    }
}

async fn fail(item: &Item, worker: &Inner, error: &str) -> Result<()> {
    let last = item.attempt() >= worker.tasks.0.settings.max_attempts;
    item.give_up(Some(error), None, Some(worker.note(Vec::new()))).await?;
    if last {
        worker.did_one();
    }
    Ok(())
}

/// Keeps the claim while the worker lives, but no longer than an attempt may take.
async fn beat(item: Item, worker: Arc<Inner>) {
    let (lease, limit) = (worker.tasks.0.settings.lease, worker.tasks.0.settings.time_limit);
    let end = limit.and_then(|limit| Instant::now().checked_add(limit));
    let pause = (lease / BEATS).max(Duration::from_millis(1));
    loop {
        let next = Instant::now().checked_add(pause);
        let (wake, over) = match (next, end) {
            (next, Some(end)) if next.is_none_or(|next| end <= next) => (end, true),
            (Some(next), _) => (next, false),
            (None, _) => return,
        };
        tokio::time::sleep_until(wake).await;
        let kept = if over {
            let (attempt, limit) = (item.attempt(), limit.unwrap_or_default());
            fail(&item, &worker, &format!("attempt {attempt}: not done within its time limit of {limit:?}")).await
        } else {
            item.extend(lease).await
        };
        if let Err(why) = &kept {
            tracing::debug!(task = item.id(), %why, "its claim is not kept any longer");
        }
        if over || kept.is_err() {
            return;
        }
    }
}
