//! An instance of a service, as everybody sees it.

use pyo3::prelude::*;

use super::errors::raise;
use crate::error::Error;
use crate::recipes;

/// Any JSON value, as Python's `json` writes it.
pub(super) fn json(py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<serde_json::Value> {
    let text: String = py.import("json")?.call_method1("dumps", (value,))?.extract()?;
    let read = serde_json::from_str(&text).map_err(|error| Error::config(format!("metadata is no JSON: {error}")));
    read.map_err(|error| raise(py, &error))
}

fn python<'py>(py: Python<'py>, value: &serde_json::Value) -> PyResult<Bound<'py, PyAny>> {
    py.import("json")?.call_method1("loads", (value.to_string(),))
}

/// What an instance is made of, in its constructor's order.
type InstanceFields<'py> = (&'py str, &'py str, u32, Option<&'py str>, Bound<'py, PyAny>, i64, i64);

/// An instance of a service.
#[pyclass(frozen, eq, skip_from_py_object, module = "sparkeeper._sparkeeper")]
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Instance(pub(super) recipes::Instance);

#[pymethods]
impl Instance {
    #[new]
    #[expect(clippy::too_many_arguments, reason = "a pickle gives the constructor every field")]
    fn new(
        py: Python<'_>,
        id: String,
        address: String,
        weight: u32,
        zone: Option<String>,
        metadata: &Bound<'_, PyAny>,
        since: i64,
        session_id: i64,
    ) -> PyResult<Self> {
        let metadata = json(py, metadata)?;
        Ok(Self(recipes::Instance { id, address, weight, zone, metadata, since, session_id }))
    }

    fn __getnewargs__<'py>(&'py self, py: Python<'py>) -> PyResult<InstanceFields<'py>> {
        let metadata = self.metadata(py)?;
        Ok((self.id(), self.address(), self.weight(), self.zone(), metadata, self.since(), self.session_id()))
    }

    /// Unique in its service.
    #[getter]
    fn id(&self) -> &str {
        &self.0.id
    }

    /// Where it is reached.
    #[getter]
    fn address(&self) -> &str {
        &self.0.address
    }

    /// Its share of the load, relative to the others'.
    #[getter]
    fn weight(&self) -> u32 {
        self.0.weight
    }

    /// Where it is.
    #[getter]
    fn zone(&self) -> Option<&str> {
        self.0.zone.as_deref()
    }

    /// Whatever else it says.
    #[getter]
    fn metadata<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        python(py, &self.0.metadata)
    }

    /// When it registered, in milliseconds since 1970 on the server's clock.
    #[getter]
    fn since(&self) -> i64 {
        self.0.since
    }

    /// Its session.
    #[getter]
    fn session_id(&self) -> i64 {
        self.0.session_id
    }

    fn __repr__(&self) -> String {
        let recipes::Instance { id, address, weight, zone, since, session_id, .. } = &self.0;
        let zone = zone.as_ref().map_or_else(|| "None".to_owned(), |zone| format!("'{zone}'"));
        format!(
            "Instance(id='{id}', address='{address}', weight={weight}, zone={zone}, since={since}, \
             session_id={session_id:#x})"
        )
    }
}
