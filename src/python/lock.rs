//! Locks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use tokio::sync::OnceCell;

use super::awaitable::{Awaitable, Nothing, awaitable, awaitable_grant};
use super::callbacks;
use super::contender::Contender;
use super::errors::raise;
use super::link::Link;
use super::runtime::{block_on, core};
use super::seconds::{Seconds, timeout};
use super::settings;
use super::task;
use crate::error::{Error, Result};
use crate::recipes::{self, Holder};
use crate::retry::Deadline;

/// A handle on the lock at one path; `Coordinator.lock` makes them.
///
/// Reentrant per thread, and per task under asyncio. Two handles on one path are two contenders.
/// It pickles as configuration and connects where it is used.
#[pyclass(frozen, module = "sparkeeper._sparkeeper")]
pub(super) struct Lock {
    handle: Handle,
    timeout: Option<Duration>,
}

#[derive(Clone)]
struct Handle {
    link: Link,
    path: String,
    owner: Option<String>,
    lock: Arc<OnceCell<recipes::Lock>>,
}

impl Handle {
    async fn lock(&self) -> Result<&recipes::Lock> {
        let open = || async { recipes::Lock::new(self.link.session().await?, &self.path, self.owner.clone()) };
        self.lock.get_or_try_init(open).await
    }

    async fn acquire(self, holder: Holder, timeout: Option<Duration>) -> Result<Held> {
        if self.link.existing().is_some() {
            return Ok(Held::new(self.lock().await?.acquire(holder, timeout).await?));
        }
        // A handle from another process: the total includes its connecting. Zero still tries once.
        let started = Instant::now();
        let connecting = Deadline::after(timeout.filter(|timeout| !timeout.is_zero())).bound(self.lock()).await;
        let lock = connecting.unwrap_or_else(|| Err(self.not_connected(timeout)))?;
        let left = timeout.map(|timeout| timeout.saturating_sub(started.elapsed()));
        Ok(Held::new(lock.acquire(holder, left).await?))
    }

    async fn try_acquire(self, holder: Holder) -> Result<Option<Held>> {
        Ok(self.lock().await?.try_acquire(holder).await?.map(Held::new))
    }

    fn not_connected(&self, timeout: Option<Duration>) -> Error {
        let (path, after, hosts) = (&self.path, timeout.unwrap_or_default(), &self.link.config().hosts);
        Error::acquire_timeout(format!(
            "lock '{path}': not acquired within {after:?}: no server of {hosts} answered; check that the ensemble runs"
        ))
    }

    async fn release(self, holder: Holder) -> Result<Nothing> {
        match self.lock().await?.release(holder) {
            // The body of a `with` may have released it already.
            Ok(_) | Err(Error::NotOwner(_)) => Ok(Nothing),
            Err(error) => Err(error),
        }
    }

    async fn contenders(self) -> Result<Vec<Contender>> {
        Ok(self.lock().await?.contenders().await?.into_iter().map(Contender::from).collect())
    }
}

impl Lock {
    pub(super) fn new(link: Link, path: String, timeout: Option<Duration>, owner: Option<String>) -> Result<Self> {
        link.config().prefix()?.absolute(&path)?;
        Ok(Self { handle: Handle { link, path, owner, lock: Arc::default() }, timeout })
    }
}

#[pymethods]
impl Lock {
    /// The path, as it was given.
    #[getter]
    fn path(&self) -> &str {
        &self.handle.path
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
        block_on(py, self.handle.clone().acquire(task::thread(), timeout)).map(Held::arrived)
    }

    /// As `acquire`, to be awaited. Cancelling leaves nothing behind.
    #[pyo3(signature = (timeout=None))]
    fn acquire_async<'py>(&self, py: Python<'py>, timeout: Option<Seconds>) -> PyResult<Awaitable<'py, Held>> {
        let timeout = self::timeout(py, timeout)?.or(self.timeout);
        awaitable_grant(py, self.handle.clone().acquire(task::task(py)?, timeout))
    }

    /// Takes the lock if nobody has it.
    ///
    /// Returns:
    ///     The held lock, or None when somebody else has it.
    fn try_acquire(&self, py: Python<'_>) -> PyResult<Option<Held>> {
        Ok(block_on(py, self.handle.clone().try_acquire(task::thread()))?.map(Held::arrived))
    }

    /// As `try_acquire`, to be awaited.
    fn try_acquire_async<'py>(&self, py: Python<'py>) -> PyResult<Awaitable<'py, Option<Held>>> {
        awaitable_grant(py, self.handle.clone().try_acquire(task::task(py)?))
    }

    /// Everybody in line: the holder first, then who waits, in order of arrival.
    fn contenders(&self, py: Python<'_>) -> PyResult<Vec<Contender>> {
        block_on(py, self.handle.clone().contenders())
    }

    /// As `contenders`, to be awaited.
    fn contenders_async<'py>(&self, py: Python<'py>) -> PyResult<Awaitable<'py, Vec<Contender>>> {
        awaitable(py, self.handle.clone().contenders())
    }

    fn __enter__(&self, py: Python<'_>) -> PyResult<Held> {
        block_on(py, self.handle.clone().acquire(task::thread(), self.timeout)).map(Held::arrived)
    }

    #[pyo3(signature = (_kind=None, _error=None, _trace=None))]
    fn __exit__(
        &self,
        py: Python<'_>,
        _kind: Option<Bound<'_, PyAny>>,
        _error: Option<Bound<'_, PyAny>>,
        _trace: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Nothing> {
        block_on(py, self.handle.clone().release(task::thread()))
    }

    fn __aenter__<'py>(&self, py: Python<'py>) -> PyResult<Awaitable<'py, Held>> {
        awaitable_grant(py, self.handle.clone().acquire(task::task(py)?, self.timeout))
    }

    #[pyo3(signature = (_kind=None, _error=None, _trace=None))]
    fn __aexit__<'py>(
        &self,
        py: Python<'py>,
        _kind: Option<Bound<'_, PyAny>>,
        _error: Option<Bound<'_, PyAny>>,
        _trace: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Awaitable<'py, Nothing>> {
        awaitable(py, self.handle.clone().release(task::task(py)?))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Rebuild<'py>> {
        let rebuild = py.import("sparkeeper._rebuild")?.getattr("lock")?;
        let Handle { link, path, owner, .. } = &self.handle;
        let settings = settings::portable(py, link.config())?;
        let timeout = self.timeout.map(|timeout| timeout.as_secs_f64());
        Ok((rebuild, (settings, path.clone(), timeout, owner.clone())))
    }

    fn __repr__(&self) -> String {
        let held = self.handle.lock.get().and_then(|lock| lock.state(task::thread()));
        let state = held.map_or("not held by this thread", state_name);
        format!("<Lock '{}' {state}>", self.handle.path)
    }
}

/// The function that makes an equal handle, and its arguments.
type Rebuild<'py> = (Bound<'py, PyAny>, (Bound<'py, PyAny>, String, Option<f64>, Option<String>));

/// A held lock: what `acquire` returns and `with` binds.
///
/// Its state comes from the lease clock: it needs no network and is never late.
#[pyclass(frozen, module = "sparkeeper._sparkeeper")]
pub(super) struct Held {
    held: recipes::Held,
    /// Whether the caller has it. What never arrives, as when its task was cancelled meanwhile, gives itself back.
    arrived: AtomicBool,
}

impl Held {
    fn new(held: recipes::Held) -> Self {
        Self { held, arrived: AtomicBool::new(false) }
    }

    fn arrived(mut self) -> Self {
        *self.arrived.get_mut() = true;
        self
    }

    pub(super) fn grant(&self) -> &Arc<crate::session::Grant> {
        self.held.grant()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !*self.arrived.get_mut() {
            // Nobody had it, so nobody can have released it.
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
        self.arrived.store(true, Ordering::Release);
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
fn here(py: Python<'_>) -> PyResult<()> {
    core().map(drop).map_err(|error| raise(py, &error))
}

fn state_name(state: crate::session::GrantState) -> &'static str {
    use crate::session::GrantState;
    match state {
        GrantState::Held => "HELD",
        GrantState::AtRisk => "AT_RISK",
        GrantState::Lost => "LOST",
    }
}
