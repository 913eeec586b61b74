//! The lease clock: until when is this session provably alive, with no help from the network?
//!
//! Every heartbeat notes when its request was *sent*. Once it is acknowledged, the server saw it
//! no earlier than that, so it cannot expire the session before `sent + timeout`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::clock;

/// The end of a session's proven life.
#[derive(Debug)]
pub(super) struct Lease {
    timeout: Duration,
    /// Nanoseconds on [`clock`]; it only rises, so a late acknowledgement cannot shorten it.
    until: AtomicU64,
}

impl Lease {
    /// A lease with the negotiated `timeout`, from a request sent at `sent`.
    #[must_use]
    pub(super) fn new(timeout: Duration, sent: Duration) -> Self {
        let lease = Self { timeout, until: AtomicU64::new(0) };
        lease.renew(sent);
        lease
    }

    /// A request sent at `sent` was acknowledged.
    pub(super) fn renew(&self, sent: Duration) {
        let until = u64::try_from((sent + self.timeout).as_nanos()).unwrap_or(u64::MAX);
        self.until.fetch_max(until, Ordering::AcqRel);
    }

    /// How long the session is still provably alive; zero once it is not.
    #[must_use]
    pub(super) fn remaining(&self) -> Duration {
        Duration::from_nanos(self.until.load(Ordering::Acquire)).saturating_sub(clock::now())
    }

    /// The negotiated session timeout.
    #[must_use]
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_from_the_sending() {
        let lease = Lease::new(Duration::from_secs(10), clock::now().saturating_sub(Duration::from_secs(4)));
        assert!(lease.remaining() <= Duration::from_secs(6));
        assert!(lease.remaining() > Duration::from_secs(5));
    }

    #[test]
    fn a_late_acknowledgement_does_not_shorten_it() {
        let sent = clock::now();
        let lease = Lease::new(Duration::from_secs(10), sent);
        lease.renew(sent.saturating_sub(Duration::from_secs(9)));
        assert!(lease.remaining() > Duration::from_secs(9));
    }

    #[test]
    fn ends_at_zero() {
        let lease = Lease::new(Duration::from_millis(1), Duration::ZERO);
        assert_eq!(lease.remaining(), Duration::ZERO);
    }
}
