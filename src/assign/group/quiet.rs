//! When to balance anew: a short while after the last coming or going, and never much later than the first. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// How many quiet periods a change waits at most, however many follow it.
const PATIENCE: u32 = 10;

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Somebody came, went, or says something else: others may follow.
    Members,
    /// The items, or which of them are done.
    Items,
}

/// Collects changes until they are due.
#[derive(Debug, Default)]
pub(super) struct Quiet {
    first: Option<Instant>,
    last: Option<Instant>,
}

impl Quiet {
    /// Something changed.
    pub(super) fn note(&mut self, change: Change, now: Instant) {
        self.first.get_or_insert(now);
        if change == Change::Members || self.last.is_none() {
            self.last = Some(now);
        }
    }

    /// When to balance; `None` while nothing changed. Never twice in one `period`.
    pub(super) fn due(&self, period: Duration) -> Option<Instant> {
        let (first, last) = (self.first?, self.last?);
        Some((last + period).min(first + period * PATIENCE))
    }

    /// It was done.
    pub(super) fn over(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_millis(300);

    #[test]
    fn waits_for_quiet_and_not_for_ever() {
        let start = Instant::now();
        let mut quiet = Quiet::default();
        assert_eq!(quiet.due(PERIOD), None);
        for tick in 0..100 {
            quiet.note(Change::Members, start + PERIOD * tick / 2);
        }
        assert_eq!(quiet.due(PERIOD), Some(start + PERIOD * PATIENCE));
        quiet.over();
        quiet.note(Change::Members, start);
        quiet.note(Change::Members, start + PERIOD / 2);
        assert_eq!(quiet.due(PERIOD), Some(start + PERIOD / 2 + PERIOD));
    }

    #[test]
    fn finished_items_do_not_put_it_off() {
        let start = Instant::now();
        let mut quiet = Quiet::default();
        for tick in 0..100 {
            quiet.note(Change::Items, start + PERIOD * tick / 2);
        }
        assert_eq!(quiet.due(PERIOD), Some(start + PERIOD));
    }
}
