//! The `guard=` of a write: whatever must still stand for it to land.

use std::sync::Arc;

use pyo3::exceptions::PyTypeError;
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
use pyo3::type_hint_union;

use super::claim::Claim;
use super::errors::raise;
use super::held::Held;
use super::permits::Permits;
use super::queue_item::QueueItem;
use super::term::Term;
use crate::session::Grant;

/// Something held.
pub(super) enum Guard<'py> {
    /// A lock, or several.
    Lock(Bound<'py, Held>),
    /// Permits of a semaphore.
    Permits(Bound<'py, Permits>),
    /// A leadership.
    Term(Bound<'py, Term>),
    /// A partition.
    Claim(Bound<'py, Claim>),
    /// A queue's item.
    Item(Bound<'py, QueueItem>),
}

impl<'py> FromPyObject<'_, 'py> for Guard<'py> {
    type Error = PyErr;

    const INPUT_TYPE: PyStaticExpr = type_hint_union!(
        Bound::<'py, Held>::INPUT_TYPE,
        Bound::<'py, Permits>::INPUT_TYPE,
        Bound::<'py, Term>::INPUT_TYPE,
        Bound::<'py, Claim>::INPUT_TYPE,
        Bound::<'py, QueueItem>::INPUT_TYPE
    );

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(held) = object.cast::<Held>() {
            // The grant may stand all the same, for another acquisition of the same holder.
            if held.get().is_released() {
                held.get().standing().map_err(|error| raise(object.py(), &error))?;
            }
            return Ok(Self::Lock(held.to_owned()));
        }
        if let Ok(permits) = object.cast::<Permits>() {
            return Ok(Self::Permits(permits.to_owned()));
        }
        if let Ok(term) = object.cast::<Term>() {
            return Ok(Self::Term(term.to_owned()));
        }
        if let Ok(claim) = object.cast::<Claim>() {
            return Ok(Self::Claim(claim.to_owned()));
        }
        if let Ok(item) = object.cast::<QueueItem>() {
            return Ok(Self::Item(item.to_owned()));
        }
        let given = object.get_type().name()?;
        Err(PyTypeError::new_err(format!(
            "guard: give what acquire(), campaign(), claims() or get() returned, not a {given}"
        )))
    }
}

impl Guard<'_> {
    fn grant(&self) -> &Arc<Grant> {
        match self {
            Self::Lock(held) => held.get().grant(),
            Self::Permits(permits) => permits.get().grant(),
            Self::Term(term) => term.get().grant(),
            Self::Claim(claim) => claim.get().grant(),
            Self::Item(item) => item.get().grant(),
        }
    }
}

/// The grants behind a `guard=` argument.
pub(super) fn grants(guard: Option<&Guard<'_>>) -> Vec<Arc<Grant>> {
    guard.map(|guard| guard.grant().clone()).into_iter().collect()
}
