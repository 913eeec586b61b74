//! The `guard=` of a write: whatever must still stand for it to land.

use std::sync::Arc;

use pyo3::prelude::*;

use super::held::Held;
use super::permits::Permits;
use super::queue_item::QueueItem;
use super::term::Term;
use crate::session::Grant;

/// Something held.
#[derive(FromPyObject)]
pub(super) enum Guard<'py> {
    /// A lock, or several.
    Lock(Bound<'py, Held>),
    /// Permits of a semaphore.
    Permits(Bound<'py, Permits>),
    /// A leadership.
    Term(Bound<'py, Term>),
    /// A queue's item.
    Item(Bound<'py, QueueItem>),
}

impl Guard<'_> {
    fn grant(&self) -> &Arc<Grant> {
        match self {
            Self::Lock(held) => held.get().grant(),
            Self::Permits(permits) => permits.get().grant(),
            Self::Term(term) => term.get().grant(),
            Self::Item(item) => item.get().grant(),
        }
    }
}

/// The grants behind a `guard=` argument.
pub(super) fn grants(guard: Option<&Guard<'_>>) -> Vec<Arc<Grant>> {
    guard.map(|guard| guard.grant().clone()).into_iter().collect()
}
