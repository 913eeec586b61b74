//! What a cache tells: a node, and what happened to it.

use std::sync::Arc;

use crate::session::Stat;

/// A znode's data and stat, read together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its value.
    pub data: Vec<u8>,
    /// As of the last read of the node; what it says of children and ACL may be older than those.
    pub stat: Stat,
}

/// What happened to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Gone.
    Deleted,
    /// New, with the data it was first read with.
    Created,
    /// Has other data, or had the same data written again.
    Changed,
}

/// A change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: Kind,
    /// Below the cache's path; the root is `""`.
    pub path: String,
    /// The change's. Of a deletion that the server did not date, the first at which the node was seen to be gone.
    pub zxid: i64,
    /// The node since then; of a deletion, as it was known last.
    pub node: Arc<Node>,
}

/// Sorts events.
pub(super) type Order = (i64, u8, i64, String);

impl Event {
    /// By zxid; within one, deletions from the leaves up, then what was made from the root down.
    #[must_use]
    pub fn order(&self) -> Order {
        let depth = if self.path.is_empty() { 0 } else { 1 + self.path.matches('/').count() };
        let depth = i64::try_from(depth).unwrap_or(i64::MAX);
        match self.kind {
            Kind::Deleted => (self.zxid, 0, -depth, self.path.clone()),
            Kind::Created | Kind::Changed => (self.zxid, 1, depth, self.path.clone()),
        }
    }
}
