//! In which order items are delivered: strictly by priority, or with what waits long gaining on what is more urgent. Pure.

use std::time::Duration;

use super::name::{Page, Spot, Stream};
use crate::error::{Error, Result};

/// The shortest time in which an item may gain a level: stamps of clients a moment apart share one.
const FINEST: Duration = Duration::from_secs(1);

/// How long before now an item is said to have come, so that no client's clock takes it for one of the future.
const SLACK: i64 = 1_000;

/// Who goes before whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Priority, then what waited for its time (in order of that), then arrival.
    #[default]
    Strict,
    /// The same among items that came within this time; one that came earlier gains a level for each such time.
    Ageing(Duration),
}

impl Order {
    /// # Errors
    /// `Config` where levels would follow each other faster than clients' notions of the time agree.
    pub fn check(self) -> Result<()> {
        match self {
            Self::Ageing(every) if every < FINEST => Err(Error::config(format!(
                "ageing={every:?}: give {FINEST:?} or more, after which a waiting task gains a level"
            ))),
            _ => Ok(()),
        }
    }

    /// Where an item goes that is ready at `now`, in milliseconds of the server's clock.
    #[must_use]
    pub fn stream(self, priority: i32, now: i64) -> Stream {
        match self {
            Self::Strict => Stream::ready(priority),
            Self::Ageing(every) => {
                let (every, since) = (level(every), now - SLACK);
                Stream { priority, start: (since - since.rem_euclid(every)).max(1) }
            }
        }
    }

    /// What a stream's items are compared by first: lower goes first.
    ///
    /// An item of priority `p` that has waited for `w` is due before one of priority `q` that has waited for `v` where
    /// `p - w / every < q - v / every`. The time that passes is on both sides, so that comparing
    /// `p + came / every` does it: the order of two items never changes, and of all that come later, only
    /// finitely many levels go before any item.
    #[must_use]
    pub fn rank(self, stream: Stream) -> (i64, i64) {
        let priority = i64::from(stream.priority);
        match self {
            // What waited for its time was put before what is ready at once.
            Self::Strict => (priority, i64::from(stream.start == 0)),
            Self::Ageing(every) => (priority + stream.start / level(every), priority),
        }
    }

    /// Sorts pages into delivery order.
    pub fn pages(self, pages: &mut [Page]) {
        pages.sort_unstable_by_key(|page| (self.rank(page.stream), page.stream.start, page.number));
    }

    /// Sorts items into delivery order: by rank, then due time, then arrival.
    pub fn spots(self, spots: &mut [Spot]) {
        spots.sort_unstable_by(|a, b| {
            let key = |spot: &Spot| (self.rank(spot.page.stream), spot.due, spot.page.number, spot.sequence);
            key(a).cmp(&key(b)).then_with(|| a.name.cmp(&b.name))
        });
    }
}

fn level(every: Duration) -> i64 {
    i64::try_from(every.max(FINEST).as_millis()).unwrap_or(i64::MAX)
}
