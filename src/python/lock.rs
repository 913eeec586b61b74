//! Locks.

use std::sync::Arc;
use std::time::Duration;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::arrival::Arrival;
use super::awaitable::{Awaitable, Nothing, awaitable, awaitable_grant};
use super::callbacks;
use super::contender::Contender;
use super::coordinator::Coordinator;
use super::errors::raise;
use super::handle::Rebuild;
use super::runtime::{block_on, core};
use super::seconds::{Seconds, timeout};
use super::task;
use crate::error::{Error, Result};
use crate::recipes::{self, Holder};
use crate::session::Session;

/// A handle on the lock at one path; `Coordinator.lock` makes them.
///
/// Reentrant per thread, and per task under asyncio. Two handles on one path are two contenders.
/// It pickles as configuration and connects where it is used.
#[pyclass(frozen, module = "sparkeeper._sparkeeper")]
pub(super) struct Lock {
    handle: Handle,
    timeout: Option<Duration>,
}

/// What a lock is made from: who we say we are.
type Handle = super::handle::Handle<recipes::Lock, Option<String>>;

async fn acquire(handle: Handle, holder: Holder, timeout: Option<Duration>) -> Result<Held> {
    let (lock, left) = handle.recipe_within("lock", timeout).await?;
    Ok(Held::new(lock.acquire(holder, left).await?))
}

async fn try_acquire(handle: Handle, holder: Holder) -> Result<Option<Held>> {
    Ok(handle.recipe().await?.try_acquire(holder).await?.map(Held::new))
}

async fn release(handle: Handle, holder: Holder) -> Result<Nothing> {
    match handle.recipe().await?.release(holder) {
        // The body of a `with` may have released it already.
        Ok(_) | Err(Error::NotOwner(_)) => Ok(Nothing),
        Err(error) => Err(error),
    }
}

async fn contenders(handle: Handle) -> Result<Vec<Contender>> {
    Ok(handle.recipe().await?.contenders().await?.into_iter().map(Contender::from).collect())
}

#[pymethods]
impl Coordinator {
    /// A lock at `path`.
    ///
    /// Args:
    ///     path: Where its contenders line up.
    ///     timeout: How long `with` and `acquire` wait: seconds or timedelta; None waits for ever.
    ///     owner: Who we say we are; the coordinator's owner by default.
    #[pyo3(signature = (path, *, timeout=None, owner=None))]
    fn lock(&self, py: Python<'_>, path: String, timeout: Option<Seconds>, owner: Option<String>) -> PyResult<Lock> {
        let timeout = self::timeout(py, timeout)?;
        let open =
            |session: &Session, path: &str, owner: &Option<String>| recipes::Lock::new(session, path, owner.clone());
        let handle = Handle::new(self.link().clone(), path, owner, open).map_err(|error| raise(py, &error))?;
        Ok(Lock { handle, timeout })
    }
}

#[pymethods]
impl Lock {
    /// The path, as it was given.
    #[getter]
    fn path(&self) -> &str {
        self.handle.path()
    }

    /// Waits for the lock.
    ///
    /// Args:
    ///     timeout: Seconds or timedelta, the total over everything, reconnects included; the handle's
    ///         by default. 0 tries once; without either it waits for ever.
    ///
    /// Returns:
    ///     The held lock. It stands until it is released or lost, also when this object is dropped.
    ///
    /// Raises:
    ///     AcquireTimeout: It took longer; the message names the holder.
    ///     Closed: The coordinator was closed meanwhile.
    #[pyo3(signature = (timeout=None))]
    fn acquire(&self, py: Python<'_>, timeout: Option<Seconds>) -> PyResult<Held> {
        let timeout = self::timeout(py, timeout)?.or(self.timeout);
        block_on(py, acquire(self.handle.clone(), task::thread(), timeout)).map(Held::arrived)
    }

    /// As `acquire`, to be awaited. Cancelling leaves nothing behind.
    #[pyo3(signature = (timeout=None))]
    fn acquire_async<'py>(&self, py: Python<'py>, timeout: Option<Seconds>) -> PyResult<Awaitable<'py, Held>> {
        let timeout = self::timeout(py, timeout)?.or(self.timeout);
        awaitable_grant(py, acquire(self.handle.clone(), task::task(py)?, timeout))
    }

    /// Takes the lock if nobody has it.
    ///
    /// Returns:
    ///     The held lock, or None when somebody else has it.
    fn try_acquire(&self, py: Python<'_>) -> PyResult<Option<Held>> {
        Ok(block_on(py, try_acquire(self.handle.clone(), task::thread()))?.map(Held::arrived))
    }

    /// As `try_acquire`, to be awaited.
    fn try_acquire_async<'py>(&self, py: Python<'py>) -> PyResult<Awaitable<'py, Option<Held>>> {
        awaitable_grant(py, try_acquire(self.handle.clone(), task::task(py)?))
    }

    /// Everybody in line: the holder first, then who waits, in order of arrival.
    fn contenders(&self, py: Python<'_>) -> PyResult<Vec<Contender>> {
        block_on(py, contenders(self.handle.clone()))
    }

    /// As `contenders`, to be awaited.
    fn contenders_async<'py>(&self, py: Python<'py>) -> PyResult<Awaitable<'py, Vec<Contender>>> {
        awaitable(py, contenders(self.handle.clone()))
    }

    fn __enter__(&self, py: Python<'_>) -> PyResult<Held> {
        block_on(py, acquire(self.handle.clone(), task::thread(), self.timeout)).map(Held::arrived)
    }

    #[pyo3(signature = (_kind=None, _error=None, _trace=None))]
    fn __exit__(
        &self,
        py: Python<'_>,
        _kind: Option<Bound<'_, PyAny>>,
        _error: Option<Bound<'_, PyAny>>,
        _trace: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Nothing> {
        block_on(py, release(self.handle.clone(), task::thread()))
    }

    fn __aenter__<'py>(&self, py: Python<'py>) -> PyResult<Awaitable<'py, Held>> {
        awaitable_grant(py, acquire(self.handle.clone(), task::task(py)?, self.timeout))
    }

    #[pyo3(signature = (_kind=None, _error=None, _trace=None))]
    fn __aexit__<'py>(
        &self,
        py: Python<'py>,
        _kind: Option<Bound<'_, PyAny>>,
        _error: Option<Bound<'_, PyAny>>,
        _trace: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Awaitable<'py, Nothing>> {
        awaitable(py, release(self.handle.clone(), task::task(py)?))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Rebuild<'py>> {
        let keywords = PyDict::new(py);
        keywords.set_item("timeout", self.timeout.map(|timeout| timeout.as_secs_f64()))?;
        keywords.set_item("owner", self.handle.settings())?;
        self.handle.reduce(py, "lock", keywords)
    }

    fn __repr__(&self) -> String {
        let held = self.handle.existing().and_then(|lock| lock.state(task::thread()));
        let state = held.map_or("not held by this thread", state_name);
        format!("<Lock '{}' {state}>", self.handle.path())
    }
}

/// A held lock: what `acquire` returns and `with` binds.
///
/// Its state comes from the lease clock: it needs no network and is never late.
#[pyclass(frozen, module = "sparkeeper._sparkeeper")]
pub(super) struct Held {
    held: recipes::Held,
    arrival: Arrival,
}

impl Held {
    fn new(held: recipes::Held) -> Self {
        Self { held, arrival: Arrival::default() }
    }

    fn arrived(self) -> Self {
        self.arrival.arrive();
        self
    }

    pub(super) fn grant(&self) -> &Arc<crate::session::Grant> {
        self.held.grant()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.arrival.pending() {
            drop(self.held.release());
        }
    }
}

#[pymethods]
impl Held {
    /// The fencing token: it grows with every holder of this path.
    #[getter]
    fn token(&self) -> i64 {
        self.grant().token()
    }

    /// "HELD" (connected, in the lease), "AT_RISK" (in the lease, but nobody can confirm it), "LOST" (for good).
    #[getter]
    fn state(&self, py: Python<'_>) -> PyResult<&'static str> {
        here(py)?;
        Ok(state_name(self.grant().state()))
    }

    /// Who holds it, as the others see it.
    #[getter]
    fn owner(&self) -> &str {
        self.held.owner()
    }

    /// The lock's path, as it was given.
    #[getter]
    fn path(&self) -> &str {
        self.held.name()
    }

    /// Seconds for which the lock is provably ours from now on; 0.0 once it is lost or released.
    fn valid_for(&self, py: Python<'_>) -> PyResult<f64> {
        here(py)?;
        Ok(self.grant().valid_for().as_secs_f64())
    }

    /// Returns if the lock is provably ours now.
    ///
    /// Raises:
    ///     LockLost: It is not, and will not be again.
    fn check(&self, py: Python<'_>) -> PyResult<()> {
        here(py)?;
        self.grant().check().map_err(|error| raise(py, &error))
    }

    /// Calls `callback(error)` with the `LockLost` once the lock is lost; at once, where it is already.
    ///
    /// It runs on a thread of its own. It is not called for a lock that is released.
    fn on_lost(&self, py: Python<'_>, callback: Py<PyAny>) -> PyResult<()> {
        let grant = self.grant().clone();
        callbacks::run(py, callback, |callback| async move {
            if let Some(error) = grant.lost().await {
                callback.call(move |py| Ok(raise(py, &error).into_value(py).into_any())).await;
            }
        })
    }

    /// Gives the lock back. Of a lost lock it is a no-op: the next holder's node is never touched.
    ///
    /// Args:
    ///     wait: Return only when the node is gone. Without it the request is on its way, and is
    ///         repeated in the background should the reply be lost.
    ///
    /// Raises:
    ///     NotOwner: This acquisition was released before.
    #[pyo3(signature = (wait=false))]
    fn release(&self, py: Python<'_>, wait: bool) -> PyResult<()> {
        here(py)?;
        let release = self.held.release().map_err(|error| raise(py, &error))?;
        if !wait {
            return Ok(());
        }
        block_on(py, async {
            release.done().await;
            Ok(())
        })
    }

    /// As `release`, to be awaited.
    #[pyo3(signature = (wait=false))]
    fn release_async<'py>(&self, py: Python<'py>, wait: bool) -> PyResult<Awaitable<'py, Nothing>> {
        here(py)?;
        let release = self.held.release().map_err(|error| raise(py, &error))?;
        awaitable(py, async move {
            if wait {
                release.done().await;
            }
            Ok(Nothing)
        })
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
    ) -> PyResult<()> {
        if self.held.is_released() { Ok(()) } else { self.release(py, false) }
    }

    fn __reduce__(&self) -> PyResult<String> {
        Err(PyTypeError::new_err(format!(
            "a held lock ('{}') belongs to the session that acquired it and does not pickle; \
             send its token, or the lock handle, and acquire there",
            self.held.name()
        )))
    }

    fn __repr__(&self) -> String {
        let grant = self.grant();
        let state = if grant.released() { "RELEASED" } else { state_name(grant.state()) };
        let valid = grant.valid_for().as_secs_f64();
        format!(
            "<Held '{}' {state} token={} owner='{}' valid_for={valid:.1}s>",
            self.held.name(),
            grant.token(),
            self.owner()
        )
    }
}

/// # Errors
/// `ForkedProcessError`, where the session belongs to the parent.
pub(super) fn here(py: Python<'_>) -> PyResult<()> {
    core().map(drop).map_err(|error| raise(py, &error))
}

pub(super) fn state_name(state: crate::session::GrantState) -> &'static str {
    use crate::session::GrantState;
    match state {
        GrantState::Held => "HELD",
        GrantState::AtRisk => "AT_RISK",
        GrantState::Lost => "LOST",
    }
}
