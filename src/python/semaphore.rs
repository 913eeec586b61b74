//! Semaphores.

use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::awaitable::{Awaitable, Nothing, awaitable, awaitable_end, awaitable_grant};
use super::contender::Contender;
use super::coordinator::Coordinator;
use super::errors::raise;
use super::handle::Rebuild;
use super::notebook;
use super::permits::{PermitHolder, Permits};
use super::runtime::block_on;
use super::seconds::{Seconds, timeout};
use super::task;
use super::text::{self, Text};
use super::whole::{self, Whole};
use crate::error::Result;
use crate::recipes::{self, Holder};
use crate::session::Session;

/// A handle on the semaphore at one path; `Coordinator.semaphore` makes them.
///
/// Permits are taken several at a time or not at all, in order of arrival. It is not reentrant: each acquisition
/// takes permits of its own, also in the thread that has some. It pickles as configuration and connects where it is used.
#[pyclass(frozen, module = "sparkeeper._sparkeeper")]
pub(super) struct Semaphore {
    handle: Handle,
    timeout: Option<Duration>,
}

/// What a semaphore is made from: its own number of permits, and who we say we are.
type Handle = super::handle::Handle<recipes::Semaphore, (i64, Option<String>)>;

async fn acquire(handle: Handle, n: i64, timeout: Option<Duration>, with: Option<Holder>) -> Result<Permits> {
    let (semaphore, left) = handle.recipe_within("semaphore", timeout).await?;
    Ok(Permits::new(semaphore.acquire(n, left, with).await?))
}

async fn try_acquire(handle: Handle, n: i64) -> Result<Option<Permits>> {
    Ok(handle.recipe().await?.try_acquire(n).await?.map(Permits::new))
}

async fn leave(handle: Handle, holder: Holder) -> Result<Nothing> {
    handle.recipe().await?.leave(holder);
    Ok(Nothing)
}

async fn permits(handle: Handle) -> Result<i32> {
    handle.recipe().await?.permits().await
}

async fn stored(handle: Handle) -> Result<Option<i32>> {
    handle.recipe().await?.stored().await
}

async fn set_permits(handle: Handle, permits: i64) -> Result<Nothing> {
    handle.recipe().await?.set_permits(permits).await?;
    Ok(Nothing)
}

async fn holders(handle: Handle) -> Result<Vec<PermitHolder>> {
    Ok(handle.recipe().await?.holders().await?.into_iter().map(PermitHolder::from).collect())
}

async fn contenders(handle: Handle) -> Result<Vec<Contender>> {
    Ok(handle.recipe().await?.contenders().await?.into_iter().map(Contender::from).collect())
}

#[pymethods]
impl Coordinator {
    /// A semaphore at `path`.
    ///
    /// Args:
    ///     path: Where its permits and its line are.
    ///     permits: How many there are, where nobody stored another number by setting `permits`.
    ///     timeout: How long `with` and `acquire` wait: seconds or timedelta; None waits for ever.
    ///     owner: Who we say we are; the coordinator's owner by default.
    ///
    /// Raises:
    ///     ConfigError: `permits` is below 1.
    #[pyo3(signature = (path, permits: "int" = 1, *, timeout=None, owner=None))]
    fn semaphore(
        &self,
        py: Python<'_>,
        path: Text,
        #[pyo3(from_py_with = whole::permits)] permits: i64,
        timeout: Option<Seconds>,
        owner: Option<Text>,
    ) -> PyResult<Semaphore> {
        let timeout = self::timeout(py, timeout)?;
        let open = |session: &Session, path: &str, (permits, owner): &(i64, Option<String>)| {
            recipes::Semaphore::new(session, path, *permits, owner.clone())
        };
        recipes::semaphore::checked(&path, permits).map_err(|error| raise(py, &error))?;
        let handle = Handle::new(self.link().clone(), path, (permits, text::plain(owner)), open)
            .map_err(|error| raise(py, &error))?;
        Ok(Semaphore { handle, timeout })
    }
}

#[pymethods]
impl Semaphore {
    /// The path, as it was given.
    #[getter]
    fn path(&self) -> &str {
        self.handle.path()
    }

    /// How many permits there are, asked of the server: the number that was stored, else this handle's own.
    ///
    /// Setting it changes it for everybody, for good. Raising it wakes waiters; lowering it takes from nobody.
    #[getter]
    fn permits(&self, py: Python<'_>) -> PyResult<i32> {
        block_on(py, permits(self.handle.clone()))
    }

    #[setter]
    fn set_permits(&self, py: Python<'_>, permits: Whole<i64>) -> PyResult<()> {
        block_on(py, set_permits(self.handle.clone(), permits.named(py, "permits")?)).map(drop)
    }

    /// As reading `permits`, to be awaited.
    fn permits_async<'py>(&self, py: Python<'py>) -> PyResult<Awaitable<'py, i32>> {
        awaitable(py, permits(self.handle.clone()))
    }

    /// As setting `permits`, to be awaited.
    fn set_permits_async<'py>(&self, py: Python<'py>, permits: Whole<i64>) -> PyResult<Awaitable<'py, Nothing>> {
        awaitable(py, set_permits(self.handle.clone(), permits.named(py, "permits")?))
    }

    /// Waits for `n` permits: all or none.
    ///
    /// Args:
    ///     n: How many: 1 to 4096.
    ///     timeout: Seconds or timedelta, the total over everything, reconnects included; the handle's
    ///         by default. 0 tries once; without either it waits for ever.
    ///
    /// Returns:
    ///     The held permits. They stand until they are released or lost, also when this object is dropped.
    ///
    /// Raises:
    ///     AcquireTimeout: It took longer; the message names holders.
    ///     ConfigError: `n` is below 1, above 4096, or more than there are in all, also where that was lowered
    ///         during the wait.
    ///     Closed: The coordinator was closed meanwhile.
    #[pyo3(signature = (n: "int" = 1, timeout=None))]
    fn acquire(
        &self,
        py: Python<'_>,
        #[pyo3(from_py_with = whole::n)] n: i64,
        timeout: Option<Seconds>,
    ) -> PyResult<Permits> {
        let timeout = self::timeout(py, timeout)?.or(self.timeout);
        block_on(py, acquire(self.handle.clone(), n, timeout, None)).map(Permits::arrived)
    }

    /// As `acquire`, to be awaited. Cancelling leaves nothing behind.
    #[pyo3(signature = (n: "int" = 1, timeout=None))]
    fn acquire_async<'py>(
        &self,
        py: Python<'py>,
        #[pyo3(from_py_with = whole::n)] n: i64,
        timeout: Option<Seconds>,
    ) -> PyResult<Awaitable<'py, Permits>> {
        let timeout = self::timeout(py, timeout)?.or(self.timeout);
        awaitable_grant(py, acquire(self.handle.clone(), n, timeout, None))
    }

    /// Takes `n` permits if they are free and nobody waits for his.
    ///
    /// Returns:
    ///     The held permits, or None.
    ///
    /// Raises:
    ///     ConfigError: `n` is below 1, above 4096, or more than there are in all.
    #[pyo3(signature = (n: "int" = 1))]
    fn try_acquire(&self, py: Python<'_>, #[pyo3(from_py_with = whole::n)] n: i64) -> PyResult<Option<Permits>> {
        Ok(block_on(py, try_acquire(self.handle.clone(), n))?.map(Permits::arrived))
    }

    /// As `try_acquire`, to be awaited.
    #[pyo3(signature = (n: "int" = 1))]
    fn try_acquire_async<'py>(
        &self,
        py: Python<'py>,
        #[pyo3(from_py_with = whole::n)] n: i64,
    ) -> PyResult<Awaitable<'py, Option<Permits>>> {
        awaitable_grant(py, try_acquire(self.handle.clone(), n))
    }

    /// Everybody who has permits, the longest holder first.
    fn holders(&self, py: Python<'_>) -> PyResult<Vec<PermitHolder>> {
        block_on(py, holders(self.handle.clone()))
    }

    /// As `holders`, to be awaited.
    fn holders_async<'py>(&self, py: Python<'py>) -> PyResult<Awaitable<'py, Vec<PermitHolder>>> {
        awaitable(py, holders(self.handle.clone()))
    }

    /// Everybody in line for permits, in order of arrival; the first is served next.
    fn contenders(&self, py: Python<'_>) -> PyResult<Vec<Contender>> {
        block_on(py, contenders(self.handle.clone()))
    }

    /// As `contenders`, to be awaited.
    fn contenders_async<'py>(&self, py: Python<'py>) -> PyResult<Awaitable<'py, Vec<Contender>>> {
        awaitable(py, contenders(self.handle.clone()))
    }

    fn __enter__(&self, py: Python<'_>) -> PyResult<Permits> {
        block_on(py, acquire(self.handle.clone(), 1, self.timeout, Some(task::thread()))).map(Permits::arrived)
    }

    #[pyo3(signature = (_kind=None, _error=None, _trace=None))]
    fn __exit__(
        &self,
        py: Python<'_>,
        _kind: Option<Bound<'_, PyAny>>,
        _error: Option<Bound<'_, PyAny>>,
        _trace: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Nothing> {
        block_on(py, leave(self.handle.clone(), task::thread()))
    }

    fn __aenter__<'py>(&self, py: Python<'py>) -> PyResult<Awaitable<'py, Permits>> {
        awaitable_grant(py, acquire(self.handle.clone(), 1, self.timeout, Some(task::task(py)?)))
    }

    #[pyo3(signature = (_kind=None, _error=None, _trace=None))]
    fn __aexit__<'py>(
        &self,
        py: Python<'py>,
        _kind: Option<Bound<'_, PyAny>>,
        _error: Option<Bound<'_, PyAny>>,
        _trace: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Awaitable<'py, Nothing>> {
        awaitable_end(py, leave(self.handle.clone(), task::task(py)?))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Rebuild<'py>> {
        let (permits, owner) = self.handle.settings();
        let keywords = PyDict::new(py);
        keywords.set_item("permits", permits)?;
        keywords.set_item("timeout", self.timeout.map(|timeout| timeout.as_secs_f64()))?;
        keywords.set_item("owner", owner)?;
        self.handle.reduce(py, "semaphore", keywords)
    }

    /// The number that was stored for everybody, asked of the server; None where each handle goes by its own.
    fn _stored(&self, py: Python<'_>) -> PyResult<Option<i32>> {
        block_on(py, stored(self.handle.clone()))
    }

    fn _repr_html_(slf: &Bound<'_, Self>) -> PyResult<String> {
        notebook::card(slf, "semaphore")
    }

    fn __repr__(&self) -> String {
        let (permits, _) = self.handle.settings();
        let held = self.handle.existing().map_or(0, recipes::Semaphore::held_here);
        format!("<Semaphore '{}' permits={permits} by default, {held} held through this handle>", self.handle.path())
    }
}
