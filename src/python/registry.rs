//! The naming service.

use std::sync::Arc;
use std::time::Duration;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::arrival::Arrival;
use super::awaitable::{Awaitable, Nothing, awaitable, awaitable_grant};
use super::callbacks;
use super::coordinator::Coordinator;
use super::errors::raise;
use super::handle::{Handle, Rebuild};
use super::runtime::{block_on, core};
use super::seconds::{Seconds, timeout};
use crate::error::{Error, Result};
use crate::recipes::{self, Amendment, Offer, Pick};
use crate::session::Session;

/// A naming service at one path; `Coordinator.registry` makes them.
///
/// It pickles as configuration and connects where it is used.
#[pyclass(frozen, module = "sparkeeper._sparkeeper")]
pub(super) struct Registry(Recipe);

type Recipe = Handle<recipes::Registry, ()>;

async fn register(
    handle: Recipe,
    service: String,
    offer: Offer,
    id: Option<String>,
    timeout: Option<Duration>,
) -> Result<Registration> {
    let (registry, left) = handle.recipe_within("registry", timeout).await?;
    let registration = registry.register(&service, offer, id, left).await?;
    Ok(Registration { registration, arrival: Arrival::default() })
}

async fn discover(
    handle: Recipe,
    service: String,
    pick: String,
    zone: Option<String>,
    key: Option<String>,
) -> Result<Instance> {
    let registry = handle.recipe().await?;
    let how = Pick::parse(&pick, key.as_deref().unwrap_or(registry.owner()))?;
    registry.discover(&service, how, zone.as_deref()).await.map(Instance)
}

async fn instances(handle: Recipe, service: String) -> Result<Vec<Instance>> {
    Ok(listed(&handle.recipe().await?.instances(&service).await?))
}

async fn services(handle: Recipe) -> Result<Vec<String>> {
    handle.recipe().await?.services().await
}

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

fn listed(found: &Arc<Vec<recipes::Instance>>) -> Vec<Instance> {
    found.iter().cloned().map(Instance).collect()
}

/// Any JSON value, as Python's `json` writes it.
fn json(py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<serde_json::Value> {
    let text: String = py.import("json")?.call_method1("dumps", (value,))?.extract()?;
    let read = serde_json::from_str(&text).map_err(|error| Error::config(format!("metadata is no JSON: {error}")));
    read.map_err(|error| raise(py, &error))
}

fn python<'py>(py: Python<'py>, value: &serde_json::Value) -> PyResult<Bound<'py, PyAny>> {
    py.import("json")?.call_method1("loads", (value.to_string(),))
}

/// # Errors
/// `ConfigError` where it is negative or beyond 32 bits.
fn weight(py: Python<'_>, weight: i64) -> PyResult<u32> {
    u32::try_from(weight)
        .map_err(|_| raise(py, &Error::config(format!("weight={weight}: give a whole number from 0 to {}", u32::MAX))))
}

#[pymethods]
impl Coordinator {
    /// The naming service at `path`.
    fn registry(&self, py: Python<'_>, path: String) -> PyResult<Registry> {
        let open = |session: &Session, path: &str, (): &()| recipes::Registry::new(session, path);
        Ok(Registry(Handle::new(self.link().clone(), path, (), open).map_err(|error| raise(py, &error))?))
    }
}

#[pymethods]
impl Registry {
    /// The path, as it was given.
    #[getter]
    fn path(&self) -> &str {
        self.0.path()
    }

    /// Registers an instance of a service, and returns once a server says so. In `with`, it is unregistered at the end.
    ///
    /// It comes back by itself, under the same id, after a lost connection and after an expiry.
    ///
    /// Args:
    ///     service: Its name; no slashes.
    ///     address: Where the instance is reached, in whatever form its users understand.
    ///     weight: Its share of the load, relative to the others'; with 0 it is listed but never discovered.
    ///     zone: Where it is, for those who prefer somebody near.
    ///     metadata: Whatever else it says, as JSON can.
    ///     id: Unique in the service; a fresh one by default.
    ///     timeout: Seconds or timedelta, the total; 0 tries once. By default it waits for a server as long as it
    ///         takes. An id that another session has is waited for no longer than one and a half session timeouts:
    ///         then the session of a predecessor that was killed has ended.
    ///
    /// Raises:
    ///     NodeExists: Somebody else has the id.
    ///     AcquireTimeout: No server answered in time.
    #[pyo3(signature = (service, address, weight=1, zone=None, metadata=None, id=None, timeout=None))]
    #[expect(clippy::too_many_arguments, reason = "each has a default")]
    fn register(
        &self,
        py: Python<'_>,
        service: String,
        address: String,
        weight: i64,
        zone: Option<String>,
        metadata: Option<Bound<'_, PyAny>>,
        id: Option<String>,
        timeout: Option<Seconds>,
    ) -> PyResult<Registration> {
        let offer = offer(py, address, weight, zone, metadata)?;
        let timeout = self::timeout(py, timeout)?;
        block_on(py, register(self.0.clone(), service, offer, id, timeout)).map(Registration::arrived)
    }

    /// As `register`, to be awaited. Cancelling leaves nothing behind.
    #[pyo3(signature = (service, address, weight=1, zone=None, metadata=None, id=None, timeout=None))]
    #[expect(clippy::too_many_arguments, reason = "each has a default")]
    fn register_async<'py>(
        &self,
        py: Python<'py>,
        service: String,
        address: String,
        weight: i64,
        zone: Option<String>,
        metadata: Option<Bound<'_, PyAny>>,
        id: Option<String>,
        timeout: Option<Seconds>,
    ) -> PyResult<Awaitable<'py, Registration>> {
        let offer = offer(py, address, weight, zone, metadata)?;
        let timeout = self::timeout(py, timeout)?;
        awaitable_grant(py, register(self.0.clone(), service, offer, id, timeout))
    }

    /// One instance of a service, from a local view that watches keep: it costs no request once the service was asked
    /// for, and goes on with what was last known while no server can be reached.
    ///
    /// Args:
    ///     service: Its name.
    ///     pick: "random", by chance; "round_robin", in turn; "sticky", always the same for one key, and every process
    ///         agrees. All of them in proportion to weight.
    ///     zone: Prefer instances of this zone; others are chosen where it has none.
    ///     key: What sticks; the coordinator's owner by default.
    ///
    /// Raises:
    ///     NoNode: There is none.
    ///     ConnectionLost: Nothing is known of the service yet, and no server answered for a session timeout.
    #[pyo3(signature = (service, pick="random".to_owned(), zone=None, key=None))]
    fn discover(
        &self,
        py: Python<'_>,
        service: String,
        pick: String,
        zone: Option<String>,
        key: Option<String>,
    ) -> PyResult<Instance> {
        block_on(py, discover(self.0.clone(), service, pick, zone, key))
    }

    /// As `discover`, to be awaited.
    #[pyo3(signature = (service, pick="random".to_owned(), zone=None, key=None))]
    fn discover_async<'py>(
        &self,
        py: Python<'py>,
        service: String,
        pick: String,
        zone: Option<String>,
        key: Option<String>,
    ) -> PyResult<Awaitable<'py, Instance>> {
        awaitable(py, discover(self.0.clone(), service, pick, zone, key))
    }

    /// All instances of a service by the local view, sorted by id.
    ///
    /// Raises:
    ///     ConnectionLost: Nothing is known of the service yet, and no server answered for a session timeout.
    fn instances(&self, py: Python<'_>, service: String) -> PyResult<Vec<Instance>> {
        block_on(py, instances(self.0.clone(), service))
    }

    /// As `instances`, to be awaited.
    fn instances_async<'py>(&self, py: Python<'py>, service: String) -> PyResult<Awaitable<'py, Vec<Instance>>> {
        awaitable(py, instances(self.0.clone(), service))
    }

    /// The names of the services that have instances, sorted.
    fn services(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        block_on(py, services(self.0.clone()))
    }

    /// As `services`, to be awaited.
    fn services_async<'py>(&self, py: Python<'py>) -> PyResult<Awaitable<'py, Vec<String>>> {
        awaitable(py, services(self.0.clone()))
    }

    /// Calls `callback(instances)` with the list as it is and then at every change, in order, on a thread of its own.
    ///
    /// Changes that follow each other closely may be told as one. It ends with the coordinator: keep that,
    /// this handle, or something held through either.
    fn on_change(&self, py: Python<'_>, service: String, callback: Py<PyAny>) -> PyResult<()> {
        let mut changes = block_on(py, async { self.0.recipe().await?.changes(&service) })?;
        callbacks::run(py, callback, |callback| async move {
            while let Ok(found) = changes.next().await {
                let found = listed(&found);
                callback.call(move |py| Ok(found.into_pyobject(py)?.unbind())).await;
            }
        })
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Rebuild<'py>> {
        self.0.reduce(py, "registry", PyDict::new(py))
    }

    fn __repr__(&self) -> String {
        format!("<Registry '{}'>", self.0.path())
    }
}

fn offer(
    py: Python<'_>,
    address: String,
    weight: i64,
    zone: Option<String>,
    metadata: Option<Bound<'_, PyAny>>,
) -> PyResult<Offer> {
    let metadata = metadata.map(|value| json(py, &value)).transpose()?.unwrap_or_default();
    Ok(Offer { address, weight: self::weight(py, weight)?, zone, metadata })
}

/// A registered instance: what `register` returns. It stands until it is unregistered or the coordinator is closed.
#[pyclass(frozen, module = "sparkeeper._sparkeeper")]
pub(super) struct Registration {
    registration: recipes::Registration,
    arrival: Arrival,
}

impl Registration {
    fn arrived(self) -> Self {
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
    address: Option<String>,
    weight: Option<i64>,
    zone: Option<String>,
    metadata: Option<Bound<'_, PyAny>>,
) -> PyResult<Amendment> {
    let weight = weight.map(|weight| self::weight(py, weight)).transpose()?;
    let metadata = metadata.map(|value| json(py, &value)).transpose()?;
    Ok(Amendment { address, weight, zone, metadata })
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
        address: Option<String>,
        weight: Option<i64>,
        zone: Option<String>,
        metadata: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Nothing> {
        block_on(py, update(self.registration.clone(), amendment(py, address, weight, zone, metadata)?))
    }

    /// As `update`, to be awaited.
    #[pyo3(signature = (address=None, weight=None, zone=None, metadata=None))]
    fn update_async<'py>(
        &self,
        py: Python<'py>,
        address: Option<String>,
        weight: Option<i64>,
        zone: Option<String>,
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
        awaitable(py, gone(self.registration.clone(), wait))
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
        awaitable(py, async move { Ok(slf) })
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

/// What an instance is made of, in its constructor's order.
type InstanceFields<'py> = (&'py str, &'py str, u32, Option<&'py str>, Bound<'py, PyAny>, i64, i64);

/// An instance of a service.
#[pyclass(frozen, eq, skip_from_py_object, module = "sparkeeper._sparkeeper")]
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Instance(recipes::Instance);

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
