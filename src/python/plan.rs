//! What partition plans need of the assignment: lists of whole weights, with the owners that stand now.

use pyo3::prelude::*;

use super::assign::Certificate;
use super::errors::raise;
use crate::assign::{self, Member, NONE, Problem, Strategy};
use crate::error::Result;

/// Assigns weighted items to equal partitions, near the current owners.
///
/// Args:
///     weights: One for each item.
///     partitions: How many there are.
///     current: The partition of each item now; None for an item that has none.
///
/// Returns:
///     The partition of every item, and the certificate.
///
/// Raises:
///     ConfigError: There are no partitions, or the lists are of different lengths.
#[pyfunction]
#[pyo3(signature = (weights, partitions, current=None))]
pub(super) fn _plan_assign(
    py: Python<'_>,
    weights: Vec<u64>,
    partitions: u32,
    current: Option<Vec<Option<u32>>>,
) -> PyResult<(Vec<u32>, Certificate)> {
    let found =
        py.detach(|| on_problem(&weights, partitions, current, assign::assign)).map_err(|error| raise(py, &error))?;
    Ok((found.owners, found.certificate.into()))
}

/// The certificate of an assignment that was made elsewhere; the arguments are those of `_plan_assign`.
#[pyfunction]
#[pyo3(signature = (weights, partitions, owners, current=None))]
pub(super) fn _plan_certificate(
    py: Python<'_>,
    weights: Vec<u64>,
    partitions: u32,
    owners: Vec<u32>,
    current: Option<Vec<Option<u32>>>,
) -> PyResult<Certificate> {
    certificate(&weights, partitions, &owners, current).map(Into::into).map_err(|error| raise(py, &error))
}

/// Works a certificate out again.
///
/// Raises:
///     ConfigError: It does not belong to this assignment; the text names what differs.
#[pyfunction]
#[pyo3(signature = (claimed, weights, partitions, owners, current=None))]
pub(super) fn _plan_verify(
    py: Python<'_>,
    claimed: &Certificate,
    weights: Vec<u64>,
    partitions: u32,
    owners: Vec<u32>,
    current: Option<Vec<Option<u32>>>,
) -> PyResult<()> {
    certificate(&weights, partitions, &owners, current)
        .and_then(|found| claimed.inner().compare(&found))
        .map_err(|error| raise(py, &error))
}

fn certificate(
    weights: &[u64],
    partitions: u32,
    owners: &[u32],
    current: Option<Vec<Option<u32>>>,
) -> Result<assign::Certificate> {
    on_problem(weights, partitions, current, |problem| assign::Certificate::of(problem, owners))
}

fn on_problem<T>(
    weights: &[u64],
    partitions: u32,
    current: Option<Vec<Option<u32>>>,
    work: impl FnOnce(&Problem<'_>) -> Result<T>,
) -> Result<T> {
    let members = vec![Member::default(); partitions as usize];
    let current = current.map(|owners| owners.into_iter().map(|owner| owner.unwrap_or(NONE)).collect::<Vec<_>>());
    work(&Problem {
        strategy: Strategy::Weighted,
        members: &members,
        items: weights.len(),
        weights: Some(weights),
        current: current.as_deref(),
        ..Problem::default()
    })
}
