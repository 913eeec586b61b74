//! Counts per resource: how often it was granted and given back, for how long, and what was fenced off.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The counters of one resource at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PathMetrics {
    /// Grants so far.
    pub acquired: u64,
    /// Grants that ended, by a release or by a loss.
    pub released: u64,
    /// Grants that ended by a loss.
    pub lost: u64,
    /// Writes refused because the grant that guarded them stood no more.
    pub fenced_writes: u64,
    /// Time between asking and the grant, over all grants.
    pub waited: Duration,
    /// The longest of these.
    pub longest_wait: Duration,
    /// Time between the grant and its end, over all that ended.
    pub held_for: Duration,
    /// The longest of these.
    pub longest_hold: Duration,
}

impl PathMetrics {
    /// Grants that stand now: acquired less released.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.acquired - self.released
    }
}

/// The counters of every resource that a session was granted.
#[derive(Debug, Default)]
pub struct Metrics(Mutex<HashMap<String, Arc<Counters>>>);

impl Metrics {
    /// Every resource with its counters, sorted by name.
    #[must_use]
    pub fn snapshot(&self) -> BTreeMap<String, PathMetrics> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|(resource, counters)| (resource.clone(), *counters.lock())).collect()
    }

    /// The live counters of one resource.
    pub(super) fn of(&self, resource: &str) -> Arc<Counters> {
        let resource = resource.trim_start_matches('/');
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get(resource) {
            Some(counters) => counters.clone(),
            None => all.entry(resource.to_owned()).or_default().clone(),
        }
    }
}

/// Counters that grants add to.
#[derive(Debug, Default)]
pub(super) struct Counters(Mutex<PathMetrics>);

impl Counters {
    pub(super) fn acquired(&self, waited: Duration) {
        let mut counts = self.lock();
        counts.acquired += 1;
        counts.waited += waited;
        counts.longest_wait = counts.longest_wait.max(waited);
    }

    pub(super) fn released(&self, held: Duration) {
        let mut counts = self.lock();
        counts.released += 1;
        counts.held_for += held;
        counts.longest_hold = counts.longest_hold.max(held);
    }

    pub(super) fn lost(&self) {
        self.lock().lost += 1;
    }

    pub(super) fn fenced(&self) {
        self.lock().fenced_writes += 1;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, PathMetrics> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn held_is_acquired_less_released() {
        let metrics = Metrics::default();
        let counters = metrics.of("a");
        counters.acquired(Duration::from_millis(3));
        counters.acquired(Duration::from_millis(1));
        counters.released(Duration::from_secs(1));
        metrics.of("a").fenced();
        let a = metrics.snapshot()["a"];
        assert_eq!((a.acquired, a.released, a.held(), a.fenced_writes), (2, 1, 1, 1));
        assert_eq!((a.waited, a.longest_wait), (Duration::from_millis(4), Duration::from_millis(3)));
        assert_eq!(a.held_for, Duration::from_secs(1));
    }
}
