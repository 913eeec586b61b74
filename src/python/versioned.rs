//! Versioned values, which `sparkeeper.config` puts schemas on.

use std::sync::Arc;

use pyo3::prelude::*;
use tokio::sync::watch;

use super::awaitable::{Awaitable, awaitable};
use super::callbacks;
use super::coordinator::Coordinator;
use super::errors::raise;
use super::guard::{Guard, grants};
use super::runtime::block_on;
use super::text::Text;
use super::whole::{Whole, named};
use crate::error::{Error, Result};
use crate::recipes::versioned as recipe;
use crate::session::{Grant, Session};

/// JSON text in versions at one path: what a `sparkeeper.config.Config` stands on.
#[pyclass(frozen, module = "sparkeeper._sparkeeper")]
pub(super) struct Versioned {
    handle: Handle,
    /// True once callbacks are to end; dropped, it ends nothing.
    closed: Arc<watch::Sender<bool>>,
}

/// How many versions are kept.
type Handle = super::handle::Handle<recipe::Versioned, u64>;

async fn current(handle: Handle) -> Result<Option<Version>> {
    Ok(handle.recipe().await?.current().await?.map(Version))
}

async fn set(handle: Handle, value: Text, expect: Option<u64>, guard: Vec<Arc<Grant>>) -> Result<u64> {
    let guards: Vec<&Grant> = guard.iter().map(Arc::as_ref).collect();
    handle.recipe().await?.set(&value, expect, &guards).await
}

async fn rollback(handle: Handle, version: u64, expect: Option<u64>, guard: Vec<Arc<Grant>>) -> Result<u64> {
    let guards: Vec<&Grant> = guard.iter().map(Arc::as_ref).collect();
    handle.recipe().await?.rollback(version, expect, &guards).await
}

async fn kept(handle: Handle, version: u64) -> Result<Version> {
    handle.recipe().await?.version(version).await.map(Version)
}

async fn history(handle: Handle) -> Result<Vec<Version>> {
    Ok(handle.recipe().await?.history().await?.into_iter().map(Version).collect())
}

#[pymethods]
impl Coordinator {
    /// JSON text in versions at `path`; `config` puts a schema on it.
    fn _versioned(&self, py: Python<'_>, path: Text, keep: Whole<u64>) -> PyResult<Versioned> {
        let keep = recipe::checked(&path, keep.named(py, "keep")?).map_err(|error| raise(py, &error))?;
        let open = |session: &Session, path: &str, keep: &u64| recipe::Versioned::new(session, path, *keep);
        let handle = Handle::new(self.link().clone(), path, keep, open).map_err(|error| raise(py, &error))?;
        Ok(Versioned { handle, closed: Arc::default() })
    }
}

#[pymethods]
impl Versioned {
    /// The path, as it was given.
    #[getter]
    fn path(&self) -> &str {
        self.handle.path()
    }

    /// The newest version; None where none was written.
    fn current(&self, py: Python<'_>) -> PyResult<Option<Version>> {
        block_on(py, current(self.handle.clone()))
    }

    /// As `current`, to be awaited.
    fn current_async<'py>(&self, py: Python<'py>) -> PyResult<Awaitable<'py, Option<Version>>> {
        awaitable(py, current(self.handle.clone()))
    }

    /// Writes JSON text as the next version and returns its number; at `expect` only, where that is given.
    #[pyo3(signature = (value, expect=None, *, guard=None))]
    fn set(&self, py: Python<'_>, value: Text, expect: Option<Whole<u64>>, guard: Option<Guard<'_>>) -> PyResult<u64> {
        block_on(py, set(self.handle.clone(), value, named(expect, py, "expect")?, grants(guard.as_ref())))
    }

    /// As `set`, to be awaited.
    #[pyo3(signature = (value, expect=None, *, guard=None))]
    fn set_async<'py>(
        &self,
        py: Python<'py>,
        value: Text,
        expect: Option<Whole<u64>>,
        guard: Option<Guard<'_>>,
    ) -> PyResult<Awaitable<'py, u64>> {
        awaitable(py, set(self.handle.clone(), value, named(expect, py, "expect")?, grants(guard.as_ref())))
    }

    /// A version that is kept.
    fn kept(&self, py: Python<'_>, version: Whole<u64>) -> PyResult<Version> {
        let version = version.named(py, "version")?;
        block_on(py, kept(self.handle.clone(), version))
    }

    /// As `kept`, to be awaited.
    fn kept_async<'py>(&self, py: Python<'py>, version: Whole<u64>) -> PyResult<Awaitable<'py, Version>> {
        let version = version.named(py, "version")?;
        awaitable(py, kept(self.handle.clone(), version))
    }

    /// Writes the value of a version that is kept as the next one.
    #[pyo3(signature = (version, expect=None, *, guard=None))]
    fn rollback(
        &self,
        py: Python<'_>,
        version: Whole<u64>,
        expect: Option<Whole<u64>>,
        guard: Option<Guard<'_>>,
    ) -> PyResult<u64> {
        let version = version.named(py, "version")?;
        block_on(py, rollback(self.handle.clone(), version, named(expect, py, "expect")?, grants(guard.as_ref())))
    }

    /// As `rollback`, to be awaited.
    #[pyo3(signature = (version, expect=None, *, guard=None))]
    fn rollback_async<'py>(
        &self,
        py: Python<'py>,
        version: Whole<u64>,
        expect: Option<Whole<u64>>,
        guard: Option<Guard<'_>>,
    ) -> PyResult<Awaitable<'py, u64>> {
        let version = version.named(py, "version")?;
        awaitable(py, rollback(self.handle.clone(), version, named(expect, py, "expect")?, grants(guard.as_ref())))
    }

    /// The versions that are kept, the oldest first.
    fn history(&self, py: Python<'_>) -> PyResult<Vec<Version>> {
        block_on(py, history(self.handle.clone()))
    }

    /// As `history`, to be awaited.
    fn history_async<'py>(&self, py: Python<'py>) -> PyResult<Awaitable<'py, Vec<Version>>> {
        awaitable(py, history(self.handle.clone()))
    }

    /// Calls `callback` with every newest version from now on, or with the error that says why it is none.
    fn on_change(&self, py: Python<'_>, callback: Py<PyAny>) -> PyResult<()> {
        let handle = self.handle.clone();
        let mut changes = block_on(py, async move { handle.recipe().await?.changes().await })?;
        let mut closed = self.closed.subscribe();
        callbacks::run(py, callback, |callback| async move {
            loop {
                let next = tokio::select! {
                    next = changes.next() => next,
                    Ok(_) = closed.wait_for(|closed| *closed) => return,
                };
                match next {
                    Ok(version) => callback.call(move |py| Ok(Py::new(py, Version(version))?.into_any())).await,
                    Err(error @ Error::Config(_)) => {
                        callback.call(move |py| Ok(raise(py, &error).into_value(py).into_any())).await;
                    }
                    // The session's end, of which `on_state` tells.
                    Err(_) => return,
                }
            }
        })
    }

    /// Ends the callbacks, and takes their watches off the server.
    fn close(&self) {
        self.closed.send_replace(true);
    }

    /// The newest version that this handle saw, in words, without asking the server.
    #[getter]
    fn last(&self) -> String {
        match self.handle.existing().and_then(recipe::Versioned::last) {
            Some(Some((number, by))) => format!("last seen version {number} by '{by}'"),
            Some(None) => "last seen without a version".to_owned(),
            None => "not read yet".to_owned(),
        }
    }

    fn __repr__(&self) -> String {
        format!("<Versioned '{}' {}>", self.handle.path(), self.last())
    }
}

/// One version.
#[pyclass(frozen, module = "sparkeeper._sparkeeper")]
pub(super) struct Version(recipe::Version);

#[pymethods]
impl Version {
    /// From 1 on.
    #[getter]
    fn number(&self) -> u64 {
        self.0.number
    }

    /// JSON text.
    #[getter]
    fn value(&self) -> &str {
        self.0.value()
    }

    /// Who wrote it.
    #[getter]
    fn by(&self) -> &str {
        &self.0.by
    }

    /// When, in milliseconds since 1970 on the server's clock.
    #[getter]
    fn at(&self) -> i64 {
        self.0.at
    }

    /// The version whose value it restored; None where it was no rollback.
    #[getter]
    fn restored(&self) -> Option<u64> {
        self.0.restored
    }

    fn __repr__(&self) -> String {
        format!("Version({} by='{}' at={})", self.0.number, self.0.by, self.0.at)
    }
}
