//! Names of pages and items: what a listing alone tells. Pure.
//!
//! A page is `<priority>.<start>.<number>`. Pages with start 0 hold what is ready from the beginning;
//! others hold what is due, or came, at `start` or later, in milliseconds of the server's clock. An item is
//! `<id>-<due>-<sequence>`: its id is a GUID and stays, wherever it moves; the sequence is the page's.

/// Lower goes first; so many fit into the listing of pages.
pub const PRIORITIES: std::ops::RangeInclusive<i32> = -999..=999;

/// The shortest stretch of time that shares a page, in milliseconds.
const FINEST: i64 = 1024;

/// Pages that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stream {
    /// Lower goes first.
    pub priority: i32,
    /// 0, or when the first of its items may be due, or came.
    pub start: i64,
}

impl Stream {
    /// Where an item goes that is ready at once.
    #[must_use]
    pub fn ready(priority: i32) -> Self {
        Self { priority, start: 0 }
    }

    /// Where an item goes that is due at `due`, `delay` from now.
    ///
    /// Long delays share longer stretches of time, so that there are some hundred pages at most whatever the delays.
    #[must_use]
    pub fn delayed(priority: i32, due: i64, delay: i64) -> Self {
        // Beyond a century of milliseconds the widths would overflow, and nobody waits.
        let width = u64::try_from(delay / 8).unwrap_or(0).min(1 << 42).next_power_of_two();
        let width = i64::try_from(width).unwrap_or(FINEST).max(FINEST);
        Self { priority, start: (due - due.rem_euclid(width)).max(1) }
    }

    /// One of its pages.
    #[must_use]
    pub fn page(self, number: u64) -> Page {
        Page { stream: self, number }
    }
}

/// A node with some hundred items below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Which stream it belongs to.
    pub stream: Stream,
    /// Its place in the stream.
    pub number: u64,
}

impl Page {
    /// The page of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let mut parts = name.splitn(3, '.');
        let priority = parts.next()?.parse().ok()?;
        let start = parts.next()?.parse().ok()?;
        Some(Stream { priority, start }.page(parts.next()?.parse().ok()?))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}.{}.{}", self.stream.priority, self.stream.start, self.number)
    }
}

/// An item's place, as its page and its name tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// The page that lists it.
    pub page: Page,
    /// The node's name.
    pub name: String,
    /// When it may be delivered, in milliseconds of the server's clock; 0 at once.
    pub due: i64,
    pub(super) sequence: i64,
}

impl Spot {
    /// The item of that name on `page`.
    #[must_use]
    pub fn parse(page: Page, name: &str) -> Option<Self> {
        let mut parts = name.splitn(3, '-');
        let _id = parts.next()?;
        let due = parts.next()?.parse().ok()?;
        let sequence = parts.next()?.parse().ok()?;
        Some(Self { page, name: name.to_owned(), due, sequence })
    }

    /// The item's id.
    #[must_use]
    pub fn id(&self) -> &str {
        id(&self.name)
    }
}

/// What stands before the sequence number in an item's name.
#[must_use]
pub fn stem(id: &str, due: i64) -> String {
    format!("{id}-{due}-")
}

/// The id in an item's name.
#[must_use]
pub fn id(name: &str) -> &str {
    name.split('-').next().unwrap_or(name)
}

/// The sequence number at the end of a path.
#[must_use]
pub fn sequence(path: &str) -> i64 {
    path.rsplit('-').next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}
