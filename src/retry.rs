//! How long to wait before the next try, and when to stop waiting.

use std::future::Future;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use tokio::time::Instant;

/// The end of a wait: a total over all its steps, on the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// `None` never passes; a zero duration has passed already and allows one try.
    #[must_use]
    pub fn after(timeout: Option<Duration>) -> Self {
        // A timeout beyond the clock's range is as good as none.
        Self(timeout.and_then(|timeout| Instant::now().checked_add(timeout)))
    }

    /// True once the wait is over.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.0.is_some_and(|end| Instant::now() >= end)
    }

    /// Resolves when the wait is over; never, where there is no end.
    pub async fn wait(&self) {
        match self.0 {
            Some(end) => tokio::time::sleep_until(end).await,
            None => std::future::pending().await,
        }
    }

    /// Runs `work` until the deadline: `None` where that came first.
    ///
    /// # Cancel safety
    /// `work` is dropped at the deadline, so it must be cancel safe itself.
    pub async fn bound<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            result = work => Some(result),
            () = self.wait() => None,
        }
    }
}

/// Delays for a retry that goes on as long as its reason does: 20 ms doubling to 2 s, with jitter
/// so that a fleet does not come back in step.
#[must_use]
pub fn delays() -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(20))
        .with_max_delay(Duration::from_secs(2))
        .without_max_times()
        .with_jitter()
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn zero_tries_once_and_none_waits_for_ever() {
        assert!(Deadline::after(Some(Duration::ZERO)).passed());
        assert!(!Deadline::after(None).passed());
        assert_eq!(Deadline::after(Some(Duration::ZERO)).bound(std::future::ready(7)).await, Some(7));
        let never = std::future::pending::<()>();
        assert_eq!(Deadline::after(Some(Duration::from_secs(1))).bound(never).await, None);
    }

    #[test]
    fn delays_grow_and_stay_bounded() {
        let taken: Vec<_> = delays().take(20).collect();
        assert_eq!(taken.len(), 20);
        assert!(taken.iter().all(|delay| *delay <= Duration::from_secs(4)));
    }
}
