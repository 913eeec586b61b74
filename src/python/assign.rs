//! `placement_keys` and `Certificate` for Python.

use pyo3::prelude::*;
use pyo3::types::PyType;

use super::errors::raise;
use crate::assign::{self, murmur3};

/// For each partition, the smallest int that `df.repartition(partitions, int)` of Spark sends there.
///
/// Raises:
///     ConfigError: There is less than 1 partition, or more than the hash of an int can reach.
#[pyfunction]
pub(super) fn placement_keys(py: Python<'_>, partitions: i32) -> PyResult<Vec<i32>> {
    murmur3::placement_keys(partitions).map_err(|error| raise(py, &error))
}

/// What an assignment achieved, next to bounds that no assignment of the same input can beat.
#[pyclass(frozen, eq, module = "sparkeeper._sparkeeper")]
#[derive(PartialEq)]
pub(super) struct Certificate(assign::Certificate);

impl Certificate {
    pub(super) fn inner(&self) -> &assign::Certificate {
        &self.0
    }
}

impl From<assign::Certificate> for Certificate {
    fn from(certificate: assign::Certificate) -> Self {
        Self(certificate)
    }
}

/// A load as Python's own number.
#[derive(IntoPyObject)]
enum Load {
    Whole(u64),
    Ratio(f64),
}

impl From<assign::Load> for Load {
    fn from(load: assign::Load) -> Self {
        match load {
            assign::Load::Whole(load) => Self::Whole(load),
            assign::Load::Ratio(load) => Self::Ratio(load),
        }
    }
}

#[pymethods]
impl Certificate {
    /// What each member owns, by its position: partitions, or their weight where they have weights.
    #[getter]
    fn loads(&self) -> Vec<u64> {
        self.0.loads.clone()
    }

    /// How full the fullest member is: load over capacity, an int where every capacity is 1.0.
    #[getter]
    fn max_load(&self) -> Load {
        self.0.max_load.into()
    }

    /// How full the fullest member must be at least, whatever the assignment.
    #[getter]
    fn lower_bound(&self) -> Load {
        self.0.lower_bound.into()
    }

    /// `max_load / lower_bound - 1`: 0.0 is proven optimal.
    #[getter]
    fn gap(&self) -> f64 {
        self.0.gap
    }

    /// Items that changed hands; an item that nobody owned before counts as one.
    #[getter]
    fn moves(&self) -> u64 {
        self.0.moves
    }

    /// No assignment that is at least as even, with as few partitions outside their zone, needs fewer moves.
    #[getter]
    fn moves_lower_bound(&self) -> u64 {
        self.0.moves_lower_bound
    }

    /// Partitions outside the zone that they asked for.
    #[getter]
    fn out_of_zone(&self) -> u64 {
        self.0.out_of_zone
    }

    /// How the owners were chosen.
    #[getter]
    fn strategy(&self) -> &'static str {
        self.0.strategy.name()
    }

    /// SHA-256, in hex, of the whole input: which one this speaks about.
    #[getter]
    fn digest(&self) -> &str {
        &self.0.digest
    }

    /// The certificate as JSON text, as it stands in a published plan.
    fn to_json(&self, py: Python<'_>) -> PyResult<String> {
        self.0.to_json().map_err(|error| raise(py, &error))
    }

    /// Read what `to_json` wrote.
    ///
    /// Raises:
    ///     ConfigError: The text is not a certificate.
    #[classmethod]
    fn from_json(cls: &Bound<'_, PyType>, text: &str) -> PyResult<Self> {
        assign::Certificate::from_json(text).map(Self).map_err(|error| raise(cls.py(), &error))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (String,))> {
        Ok((slf.get_type().getattr("from_json")?, (slf.get().to_json(slf.py())?,)))
    }

    fn __repr__(&self) -> String {
        self.0.to_string()
    }
}
