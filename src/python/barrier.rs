//! Barriers.

use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::awaitable::{Awaitable, Nothing, awaitable};
use super::coordinator::Coordinator;
use super::errors::raise;
use super::handle::Rebuild;
use super::runtime::block_on;
use super::seconds::{Seconds, timeout};
use super::text::Text;
use crate::error::Result;
use crate::recipes;
use crate::session::Session;

/// A barrier: while it is closed, everybody who waits at it waits; `Coordinator.barrier` makes them.
///
/// It belongs to nobody: it stays closed when who closed it ends. It pickles as configuration.
#[pyclass(frozen, module = "sparkeeper._sparkeeper")]
pub(super) struct Barrier(Handle);

type Handle = super::handle::Handle<recipes::Barrier, ()>;

async fn close(handle: Handle) -> Result<bool> {
    handle.recipe().await?.close().await
}

async fn open(handle: Handle) -> Result<bool> {
    handle.recipe().await?.open().await
}

async fn is_open(handle: Handle) -> Result<bool> {
    handle.recipe().await?.is_open().await
}

async fn wait(handle: Handle, timeout: Option<Duration>) -> Result<Nothing> {
    let (barrier, left) = handle.recipe_within("barrier", timeout).await?;
    barrier.wait(left).await?;
    Ok(Nothing)
}

#[pymethods]
impl Coordinator {
    /// A barrier at `path`.
    fn barrier(&self, py: Python<'_>, path: Text) -> PyResult<Barrier> {
        let open = |session: &Session, path: &str, (): &()| recipes::Barrier::new(session, path);
        Ok(Barrier(Handle::new(self.link().clone(), path, (), open).map_err(|error| raise(py, &error))?))
    }
}

#[pymethods]
impl Barrier {
    /// The path, as it was given.
    #[getter]
    fn path(&self) -> &str {
        self.0.path()
    }

    /// Closes it.
    ///
    /// Returns:
    ///     True where it was open.
    fn close(&self, py: Python<'_>) -> PyResult<bool> {
        block_on(py, close(self.0.clone()))
    }

    /// As `close`, to be awaited.
    fn close_async<'py>(&self, py: Python<'py>) -> PyResult<Awaitable<'py, bool>> {
        awaitable(py, close(self.0.clone()))
    }

    /// Opens it: everybody who waits goes on.
    ///
    /// Returns:
    ///     True where it was closed.
    fn open(&self, py: Python<'_>) -> PyResult<bool> {
        block_on(py, open(self.0.clone()))
    }

    /// As `open`, to be awaited.
    fn open_async<'py>(&self, py: Python<'py>) -> PyResult<Awaitable<'py, bool>> {
        awaitable(py, open(self.0.clone()))
    }

    /// Whether nobody has to wait at it now.
    fn is_open(&self, py: Python<'_>) -> PyResult<bool> {
        block_on(py, is_open(self.0.clone()))
    }

    /// As `is_open`, to be awaited.
    fn is_open_async<'py>(&self, py: Python<'py>) -> PyResult<Awaitable<'py, bool>> {
        awaitable(py, is_open(self.0.clone()))
    }

    /// Returns once it is open.
    ///
    /// Args:
    ///     timeout: Seconds or timedelta, the total over everything, reconnects included. 0 looks once; None waits for ever.
    ///
    /// Raises:
    ///     AcquireTimeout: It took longer; the message names who closed it.
    ///     Closed: The coordinator was closed meanwhile.
    #[pyo3(signature = (timeout=None))]
    fn wait(&self, py: Python<'_>, timeout: Option<Seconds>) -> PyResult<Nothing> {
        let timeout = self::timeout(py, timeout)?;
        block_on(py, wait(self.0.clone(), timeout))
    }

    /// As `wait`, to be awaited. Cancelling leaves nothing behind.
    #[pyo3(signature = (timeout=None))]
    fn wait_async<'py>(&self, py: Python<'py>, timeout: Option<Seconds>) -> PyResult<Awaitable<'py, Nothing>> {
        let timeout = self::timeout(py, timeout)?;
        awaitable(py, wait(self.0.clone(), timeout))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Rebuild<'py>> {
        self.0.reduce(py, "barrier", PyDict::new(py))
    }

    fn __repr__(&self) -> String {
        let state = match self.0.existing().and_then(recipes::Barrier::last) {
            Some(Some(owner)) => format!("last seen closed by '{owner}'"),
            Some(None) => "last seen open".to_owned(),
            None => "not looked at yet".to_owned(),
        };
        format!("<Barrier '{}' {state}>", self.0.path())
    }
}
