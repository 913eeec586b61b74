//! Counters per path.
#![expect(clippy::too_many_arguments, reason = "a pickle gives the constructor every field")]

use std::collections::BTreeMap;

use pyo3::prelude::*;

use super::coordinator::Coordinator;
use crate::session;

/// What happened to one path through this coordinator, expiries of its session included.
#[pyclass(frozen, get_all, eq, new = "from_fields", skip_from_py_object, module = "sparkeeper._sparkeeper")]
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PathMetrics {
    /// Grants so far.
    acquired: u64,
    /// Grants that ended, by a release or by a loss.
    released: u64,
    /// Grants that stand now: acquired less released.
    held: u64,
    /// Grants that ended by a loss.
    lost: u64,
    /// Writes refused because the grant that guarded them stood no more.
    fenced_writes: u64,
    /// Seconds between asking and the grant, over all grants.
    wait_seconds: f64,
    /// The longest of these.
    longest_wait_seconds: f64,
    /// Seconds between the grant and its end, over all that ended.
    hold_seconds: f64,
    /// The longest of these.
    longest_hold_seconds: f64,
}

pickles!(PathMetrics {
    acquired,
    released,
    held,
    lost,
    fenced_writes,
    wait_seconds,
    longest_wait_seconds,
    hold_seconds,
    longest_hold_seconds
});

impl From<session::PathMetrics> for PathMetrics {
    fn from(found: session::PathMetrics) -> Self {
        Self {
            acquired: found.acquired,
            released: found.released,
            held: found.held(),
            lost: found.lost,
            fenced_writes: found.fenced_writes,
            wait_seconds: found.waited.as_secs_f64(),
            longest_wait_seconds: found.longest_wait.as_secs_f64(),
            hold_seconds: found.held_for.as_secs_f64(),
            longest_hold_seconds: found.longest_hold.as_secs_f64(),
        }
    }
}

#[pymethods]
impl PathMetrics {
    fn __repr__(&self) -> String {
        let Self { acquired, released, held, lost, fenced_writes, wait_seconds, hold_seconds, .. } = self;
        format!(
            "PathMetrics(acquired={acquired}, released={released}, held={held}, lost={lost}, \
             fenced_writes={fenced_writes}, wait_seconds={wait_seconds:.3}, hold_seconds={hold_seconds:.3})"
        )
    }
}

#[pymethods]
impl Coordinator {
    /// Counters of every path that something was acquired at through this coordinator, sorted by path.
    fn metrics(&self) -> BTreeMap<String, PathMetrics> {
        let snapshot = self.link().existing().map(|session| session.metrics().snapshot()).unwrap_or_default();
        snapshot.into_iter().map(|(path, metrics)| (path, metrics.into())).collect()
    }
}
