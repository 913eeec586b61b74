//! The naming service.

use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::awaitable::{Awaitable, awaitable, awaitable_grant};
use super::callbacks;
use super::coordinator::Coordinator;
use super::errors::raise;
use super::handle::{Handle, Rebuild};
use super::instance::{Instance, json};
use super::registration::Registration;
use super::runtime::block_on;
use super::seconds::{Seconds, timeout};
use super::text::{self, Text};
use super::whole;
use crate::error::Result;
use crate::recipes::{self, Offer, Pick};
use crate::session::Session;

/// A naming service at one path; `Coordinator.registry` makes them.
///
/// It pickles as configuration and connects where it is used.
#[pyclass(frozen, module = "sparkeeper._sparkeeper")]
pub(super) struct Registry(Recipe);

type Recipe = Handle<recipes::Registry, ()>;

async fn register(
    handle: Recipe,
    service: Text,
    offer: Offer,
    id: Option<Text>,
    timeout: Option<Duration>,
) -> Result<Registration> {
    let (registry, left) = handle.recipe_within("registry", timeout).await?;
    let registration = registry.register(&service, offer, text::plain(id), left).await?;
    Ok(Registration::new(registration))
}

async fn discover(
    handle: Recipe,
    service: Text,
    pick: String,
    zone: Option<Text>,
    key: Option<Text>,
) -> Result<Instance> {
    let registry = handle.recipe().await?;
    let how = Pick::parse(&pick, key.as_deref().unwrap_or(registry.owner()))?;
    registry.discover(&service, how, zone.as_deref()).await.map(Instance)
}

async fn instances(handle: Recipe, service: Text) -> Result<Vec<Instance>> {
    Ok(listed(&handle.recipe().await?.instances(&service).await?))
}

async fn services(handle: Recipe) -> Result<Vec<String>> {
    handle.recipe().await?.services().await
}

fn listed(found: &Arc<Vec<recipes::Instance>>) -> Vec<Instance> {
    found.iter().cloned().map(Instance).collect()
}

#[pymethods]
impl Coordinator {
    /// The naming service at `path`.
    fn registry(&self, py: Python<'_>, path: Text) -> PyResult<Registry> {
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
    #[pyo3(signature = (service, address, weight: "int" = 1, zone=None, metadata=None, id=None, timeout=None))]
    #[expect(clippy::too_many_arguments, reason = "each has a default")]
    fn register(
        &self,
        py: Python<'_>,
        service: Text,
        address: Text,
        #[pyo3(from_py_with = whole::weight)] weight: u32,
        zone: Option<Text>,
        metadata: Option<Bound<'_, PyAny>>,
        id: Option<Text>,
        timeout: Option<Seconds>,
    ) -> PyResult<Registration> {
        let offer = offer(py, address, weight, zone, metadata)?;
        let timeout = self::timeout(py, timeout)?;
        block_on(py, register(self.0.clone(), service, offer, id, timeout)).map(Registration::arrived)
    }

    /// As `register`, to be awaited. Cancelling leaves nothing behind.
    #[pyo3(signature = (service, address, weight: "int" = 1, zone=None, metadata=None, id=None, timeout=None))]
    #[expect(clippy::too_many_arguments, reason = "each has a default")]
    fn register_async<'py>(
        &self,
        py: Python<'py>,
        service: Text,
        address: Text,
        #[pyo3(from_py_with = whole::weight)] weight: u32,
        zone: Option<Text>,
        metadata: Option<Bound<'_, PyAny>>,
        id: Option<Text>,
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
        service: Text,
        pick: String,
        zone: Option<Text>,
        key: Option<Text>,
    ) -> PyResult<Instance> {
        block_on(py, discover(self.0.clone(), service, pick, zone, key))
    }

    /// As `discover`, to be awaited.
    #[pyo3(signature = (service, pick="random".to_owned(), zone=None, key=None))]
    fn discover_async<'py>(
        &self,
        py: Python<'py>,
        service: Text,
        pick: String,
        zone: Option<Text>,
        key: Option<Text>,
    ) -> PyResult<Awaitable<'py, Instance>> {
        awaitable(py, discover(self.0.clone(), service, pick, zone, key))
    }

    /// All instances of a service by the local view, sorted by id.
    ///
    /// Raises:
    ///     ConnectionLost: Nothing is known of the service yet, and no server answered for a session timeout.
    fn instances(&self, py: Python<'_>, service: Text) -> PyResult<Vec<Instance>> {
        block_on(py, instances(self.0.clone(), service))
    }

    /// As `instances`, to be awaited.
    fn instances_async<'py>(&self, py: Python<'py>, service: Text) -> PyResult<Awaitable<'py, Vec<Instance>>> {
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
    fn on_change(&self, py: Python<'_>, service: Text, callback: Py<PyAny>) -> PyResult<()> {
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
        let known = self.0.existing().map(recipes::Registry::last).unwrap_or_default();
        let seen = |(service, count): (&String, &Option<usize>)| {
            count.map_or(format!("'{service}': not read yet"), |count| format!("'{service}': {count}"))
        };
        let state = if known.is_empty() {
            "no service asked for yet".to_owned()
        } else {
            format!("last seen instances: {}", known.iter().map(seen).collect::<Vec<_>>().join(", "))
        };
        format!("<Registry '{}' {state}>", self.0.path())
    }
}

fn offer(
    py: Python<'_>,
    address: Text,
    weight: u32,
    zone: Option<Text>,
    metadata: Option<Bound<'_, PyAny>>,
) -> PyResult<Offer> {
    let metadata = metadata.map(|value| json(py, &value)).transpose()?.unwrap_or_default();
    Ok(Offer { address: address.into(), weight, zone: text::plain(zone), metadata })
}
