//! What time it is for the ensemble: the server's stamps carried on by our monotonic clock.
//!
//! Clients' wall clocks play no part. Every write whose reply has a stamp is a sample: the server
//! stamped it after it was sent and before its reply came.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a sample is carried on; clocks drift, and a suspended machine's stands still.
const FRESH: Duration = Duration::from_secs(10);

/// The last sample.
#[derive(Debug, Default)]
pub(super) struct ServerClock(Mutex<Option<Sample>>);

/// A stamp, and when it may have been made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    stamp: i64,
    sent: Instant,
    received: Instant,
}

impl Sample {
    /// The earliest that it may be for the server at `now`: what is due by this is due.
    pub(super) fn at_least(&self, now: Instant) -> i64 {
        self.stamp.saturating_add(millis(now.saturating_duration_since(self.received)))
    }

    /// The latest that it may be: a delay that begins now ends after this and the delay.
    pub(super) fn at_most(&self, now: Instant) -> i64 {
        // Stamps are cut to whole milliseconds.
        self.stamp.saturating_add(millis(now.saturating_duration_since(self.sent))).saturating_add(1)
    }
}

impl ServerClock {
    /// A write sent at `sent`, whose reply came just now, was stamped `stamp`.
    pub(super) fn note(&self, stamp: i64, sent: Instant) {
        // Some servers send no stamps in replies to multis.
        if stamp > 0 {
            let sample = Sample { stamp, sent, received: Instant::now() };
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(sample);
        }
    }

    /// The last sample, where it is fresh.
    pub(super) fn sample(&self) -> Option<Sample> {
        let sample = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sample.filter(|sample| sample.received.elapsed() < FRESH)
    }
}

pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_truth_lies_between_the_two_bounds() {
        let sent = Instant::now();
        let sample = Sample { stamp: 1_000, sent, received: sent + Duration::from_millis(30) };
        let later = sent + Duration::from_millis(100);
        // Stamped somewhere in the 30 ms, so at `later` the server's clock shows 1070 to 1100.
        assert_eq!((sample.at_least(later), sample.at_most(later)), (1_070, 1_101));
    }

    #[test]
    fn a_reply_without_a_stamp_is_no_sample() {
        let clock = ServerClock::default();
        clock.note(0, Instant::now());
        assert!(clock.sample().is_none());
        clock.note(5, Instant::now());
        assert!(clock.sample().is_some());
    }
}
