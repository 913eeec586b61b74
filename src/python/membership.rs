//! Our own membership in a group.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

use super::arrival::Arrival;
use super::awaitable::{Awaitable, Nothing, awaitable, present};
use super::errors::raise;
use super::runtime::{block_on, core};
use crate::error::Result;
use crate::recipes::Joined;

async fn update(joined: Joined, data: PyBackedBytes) -> Result<Nothing> {
    joined.update(data.to_vec()).await?;
    Ok(Nothing)
}

async fn left(joined: Joined, wait: bool) -> Result<Nothing> {
    if wait {
        joined.gone().await;
    }
    Ok(Nothing)
}

/// Our own membership in a group: what `join` returns. It stands until it is left or the coordinator is closed.
#[pyclass(frozen, module = "sparkeeper._sparkeeper")]
pub(super) struct Membership {
    joined: Joined,
    arrival: Arrival,
}

impl Membership {
    pub(super) fn new(joined: Joined) -> Self {
        Self { joined, arrival: Arrival::default() }
    }

    pub(super) fn arrived(self) -> Self {
        self.arrival.arrive();
        self
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        if self.arrival.pending() {
            self.joined.leave();
        }
    }
}

#[pymethods]
impl Membership {
    /// Who we are in the group.
    #[getter]
    fn id(&self) -> &str {
        self.joined.id()
    }

    /// The group's path, as it was given.
    #[getter]
    fn path(&self) -> &str {
        self.joined.group()
    }

    /// Our incarnation, which grows each time this id joins again; None while the group may not have us.
    #[getter]
    fn incarnation(&self) -> Option<i64> {
        self.joined.incarnation()
    }

    /// "JOINED", "AT_RISK" (nobody can confirm it now), "ABSENT" (lost; it joins again by itself), "LEFT" (for good).
    #[getter]
    fn state(&self, py: Python<'_>) -> PyResult<&'static str> {
        core().map_err(|error| raise(py, &error))?;
        Ok(self.joined.presence().name())
    }

    /// Changes what we say, and returns once a server has it; without a connection it waits for one. No view changes.
    ///
    /// An interrupted or cancelled update is made all the same.
    ///
    /// Raises:
    ///     NotOwner: We left.
    ///     PayloadTooLarge: Nothing was sent.
    fn update(&self, py: Python<'_>, data: PyBackedBytes) -> PyResult<Nothing> {
        block_on(py, update(self.joined.clone(), data))
    }

    /// As `update`, to be awaited.
    fn update_async<'py>(&self, py: Python<'py>, data: PyBackedBytes) -> PyResult<Awaitable<'py, Nothing>> {
        awaitable(py, update(self.joined.clone(), data))
    }

    /// Leaves for good, connected or not: no later session joins again. Once more is a no-op.
    ///
    /// Args:
    ///     wait: Return only when the node is gone. Without it the request is on its way, and is repeated in the
    ///         background should the reply be lost.
    #[pyo3(signature = (wait=false))]
    fn leave(&self, py: Python<'_>, wait: bool) -> PyResult<Nothing> {
        core().map_err(|error| raise(py, &error))?;
        self.joined.leave();
        block_on(py, left(self.joined.clone(), wait))
    }

    /// As `leave`, to be awaited.
    #[pyo3(signature = (wait=false))]
    fn leave_async<'py>(&self, py: Python<'py>, wait: bool) -> PyResult<Awaitable<'py, Nothing>> {
        core().map_err(|error| raise(py, &error))?;
        self.joined.leave();
        if wait { awaitable(py, left(self.joined.clone(), wait)) } else { present(py, Nothing) }
    }

    /// The caller has it now.
    fn _arrive(&self) {
        self.arrival.arrive();
    }

    fn __enter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    #[pyo3(signature = (_kind=None, _error=None, _trace=None))]
    fn __exit__(
        &self,
        py: Python<'_>,
        _kind: Option<Bound<'_, PyAny>>,
        _error: Option<Bound<'_, PyAny>>,
        _trace: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Nothing> {
        self.leave(py, false)
    }

    fn __aenter__(slf: Py<Self>, py: Python<'_>) -> PyResult<Awaitable<'_, Py<Self>>> {
        present(py, slf)
    }

    #[pyo3(signature = (_kind=None, _error=None, _trace=None))]
    fn __aexit__<'py>(
        &self,
        py: Python<'py>,
        _kind: Option<Bound<'_, PyAny>>,
        _error: Option<Bound<'_, PyAny>>,
        _trace: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Awaitable<'py, Nothing>> {
        self.leave_async(py, false)
    }

    fn __reduce__(&self) -> PyResult<String> {
        Err(PyTypeError::new_err(format!(
            "a membership ('{}' in '{}') belongs to the session that joined and does not pickle; send the group, and \
             join there",
            self.joined.id(),
            self.joined.group()
        )))
    }

    fn __repr__(&self) -> String {
        let (id, group, state) = (self.joined.id(), self.joined.group(), self.joined.presence().name());
        let incarnation = self.joined.incarnation().map_or_else(|| "None".to_owned(), |number| number.to_string());
        format!("<Membership '{id}' in '{group}' {state} incarnation={incarnation}>")
    }
}
