//! Our own instance of a service.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

use super::arrival::Arrival;
use super::awaitable::{Awaitable, Nothing, awaitable, present};
use super::errors::raise;
use super::instance::json;
use super::runtime::{block_on, core};
use super::text::{self, Text};
use super::whole::{Whole, named};
use crate::error::Result;
use crate::recipes::{self, Amendment, Offer};

async fn update(registration: recipes::Registration, amendment: Amendment) -> Result<Nothing> {
    registration.update(amendment).await?;
    Ok(Nothing)
}

async fn gone(registration: recipes::Registration, wait: bool) -> Result<Nothing> {
    if wait {
        registration.gone().await;
    }
    Ok(Nothing)
}

/// A registered instance: what `register` returns. It stands until it is unregistered or the coordinator is closed.
#[pyclass(frozen, module = "sparkeeper._sparkeeper")]
pub(super) struct Registration {
    registration: recipes::Registration,
    arrival: Arrival,
}

impl Registration {
    pub(super) fn new(registration: recipes::Registration) -> Self {
        Self { registration, arrival: Arrival::default() }
    }

    pub(super) fn arrived(self) -> Self {
        self.arrival.arrive();
        self
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if self.arrival.pending() {
            self.registration.unregister();
        }
    }
}

fn amendment(
    py: Python<'_>,
    address: Option<Text>,
    weight: Option<Whole<u32>>,
    zone: Option<Text>,
    metadata: Option<Bound<'_, PyAny>>,
) -> PyResult<Amendment> {
    let weight = named(weight, py, "weight")?;
    let metadata = metadata.map(|value| json(py, &value)).transpose()?;
    Ok(Amendment { address: text::plain(address), weight, zone: text::plain(zone), metadata })
}

#[pymethods]
impl Registration {
    /// Its id in the service.
    #[getter]
    fn id(&self) -> &str {
        self.registration.id()
    }

    /// The service that it is an instance of.
    #[getter]
    fn service(&self) -> &str {
        self.registration.service()
    }

    /// "JOINED", "AT_RISK" (nobody can confirm it now), "ABSENT" (lost; it comes back by itself), "LEFT" (for good).
    #[getter]
    fn state(&self, py: Python<'_>) -> PyResult<&'static str> {
        core().map_err(|error| raise(py, &error))?;
        Ok(self.registration.presence().name())
    }

    /// Changes what it offers, and returns once a server has it; without a connection it waits for one.
    ///
    /// What is not given stays. An empty zone or empty metadata take the old one away. An interrupted or cancelled
    /// update is made all the same.
    ///
    /// Raises:
    ///     NotOwner: It was unregistered.
    ///     PayloadTooLarge: Nothing was changed.
    #[pyo3(signature = (address=None, weight=None, zone=None, metadata=None))]
    fn update(
        &self,
        py: Python<'_>,
        address: Option<Text>,
        weight: Option<Whole<u32>>,
        zone: Option<Text>,
        metadata: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Nothing> {
        block_on(py, update(self.registration.clone(), amendment(py, address, weight, zone, metadata)?))
    }

    /// As `update`, to be awaited.
    #[pyo3(signature = (address=None, weight=None, zone=None, metadata=None))]
    fn update_async<'py>(
        &self,
        py: Python<'py>,
        address: Option<Text>,
        weight: Option<Whole<u32>>,
        zone: Option<Text>,
        metadata: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Awaitable<'py, Nothing>> {
        awaitable(py, update(self.registration.clone(), amendment(py, address, weight, zone, metadata)?))
    }

    /// Unregisters it for good, connected or not: no later session registers it again. Once more is a no-op.
    ///
    /// Args:
    ///     wait: Return only when the node is gone. Without it the request is on its way, and is repeated in the
    ///         background should the reply be lost.
    #[pyo3(signature = (wait=false))]
    fn unregister(&self, py: Python<'_>, wait: bool) -> PyResult<Nothing> {
        core().map_err(|error| raise(py, &error))?;
        self.registration.unregister();
        block_on(py, gone(self.registration.clone(), wait))
    }

    /// As `unregister`, to be awaited.
    #[pyo3(signature = (wait=false))]
    fn unregister_async<'py>(&self, py: Python<'py>, wait: bool) -> PyResult<Awaitable<'py, Nothing>> {
        core().map_err(|error| raise(py, &error))?;
        self.registration.unregister();
        if wait { awaitable(py, gone(self.registration.clone(), wait)) } else { present(py, Nothing) }
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
        self.unregister(py, false)
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
        self.unregister_async(py, false)
    }

    fn __reduce__(&self) -> PyResult<String> {
        Err(PyTypeError::new_err(format!(
            "a registration ('{}' of '{}') belongs to the session that registered and does not pickle; send the \
             registry, and register there",
            self.registration.id(),
            self.registration.service()
        )))
    }

    fn __repr__(&self) -> String {
        let Offer { address, weight, zone, .. } = self.registration.offer();
        let (id, service) = (self.registration.id(), self.registration.service());
        let state = self.registration.presence().name();
        let zone = zone.map(|zone| format!(" zone='{zone}'")).unwrap_or_default();
        format!("<Registration '{id}' of '{service}' {state} address='{address}' weight={weight}{zone}>")
    }
}
