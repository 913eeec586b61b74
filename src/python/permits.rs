//! Permits of a semaphore that are held, and who holds some.

use std::sync::Arc;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

use super::arrival::Arrival;
use super::awaitable::{Awaitable, Nothing, awaitable, present};
use super::callbacks;
use super::errors::raise;
use super::held::{here, state_name};
use super::notebook;
use super::runtime::block_on;
use crate::recipes;
use crate::session::Grant;

/// Held permits: what `Semaphore.acquire` returns and `with` binds.
///
/// Their state comes from the lease clock: it needs no network and is never late.
#[pyclass(frozen, module = "sparkeeper._sparkeeper")]
pub(super) struct Permits {
    permits: recipes::Permits,
    arrival: Arrival,
}

impl Permits {
    pub(super) fn new(permits: recipes::Permits) -> Self {
        Self { permits, arrival: Arrival::default() }
    }

    pub(super) fn arrived(self) -> Self {
        self.arrival.arrive();
        self
    }

    pub(super) fn grant(&self) -> &Arc<Grant> {
        self.permits.grant()
    }
}

impl Drop for Permits {
    fn drop(&mut self) {
        if self.arrival.pending() {
            self.permits.abandon();
        }
    }
}

#[pymethods]
impl Permits {
    /// How many they are.
    #[getter]
    fn permits(&self) -> usize {
        self.permits.count()
    }

    /// The fencing token: it grows with every acquisition at this path.
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

    /// Who holds them, as the others see it.
    #[getter]
    fn owner(&self) -> &str {
        self.permits.owner()
    }

    /// The semaphore's path, as it was given.
    #[getter]
    fn path(&self) -> &str {
        self.permits.name()
    }

    /// Seconds for which the permits are provably ours from now on; 0.0 once they are lost or released.
    fn valid_for(&self, py: Python<'_>) -> PyResult<f64> {
        here(py)?;
        Ok(self.grant().valid_for().as_secs_f64())
    }

    /// Returns if the permits are provably ours now, all of them.
    ///
    /// Raises:
    ///     LockLost: They are not, and will not be again.
    fn check(&self, py: Python<'_>) -> PyResult<()> {
        here(py)?;
        self.grant().check().map_err(|error| raise(py, &error))
    }

    /// Calls `callback(error)` with the `LockLost` once the permits are lost; at once, where they are already.
    ///
    /// It runs on a thread of its own. It is not called for permits that are released.
    fn on_lost(&self, py: Python<'_>, callback: Py<PyAny>) -> PyResult<()> {
        let grant = self.grant().clone();
        callbacks::run(py, callback, |callback| async move {
            if let Some(error) = grant.lost().await {
                callback.call(move |py| Ok(raise(py, &error).into_value(py).into_any())).await;
            }
        })
    }

    /// Gives the permits of this acquisition back. Of lost ones it is a no-op: nobody else's are ever touched.
    ///
    /// Args:
    ///     wait: Return only when their nodes are gone. Without it the requests are on their way, and are
    ///         repeated in the background should a reply be lost.
    ///
    /// Raises:
    ///     NotOwner: They were released before.
    #[pyo3(signature = (wait=false))]
    fn release(&self, py: Python<'_>, wait: bool) -> PyResult<()> {
        here(py)?;
        let release = self.permits.release().map_err(|error| raise(py, &error))?;
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
        let release = self.permits.release().map_err(|error| raise(py, &error))?;
        if !wait {
            return present(py, Nothing);
        }
        awaitable(py, async move {
            release.done().await;
            Ok(Nothing)
        })
    }

    /// The caller has them now.
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
        if self.grant().released() { Ok(()) } else { self.release(py, false) }
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
        if self.grant().released() { present(py, Nothing) } else { self.release_async(py, false) }
    }

    fn __reduce__(&self) -> PyResult<String> {
        Err(PyTypeError::new_err(format!(
            "held permits ('{}') belong to the session that acquired them and do not pickle; \
             send their token, or the semaphore handle, and acquire there",
            self.permits.name()
        )))
    }

    fn _repr_html_(slf: &Bound<'_, Self>) -> PyResult<String> {
        notebook::card(slf, "held")
    }

    fn __repr__(&self) -> String {
        let grant = self.grant();
        let state = if grant.released() { "RELEASED" } else { state_name(grant.state()) };
        let valid = grant.valid_for().as_secs_f64();
        format!(
            "<Permits '{}' {state} permits={} token={} owner='{}' valid_for={valid:.1}s>",
            self.permits.name(),
            self.permits.count(),
            grant.token(),
            self.permits.owner()
        )
    }
}

/// Somebody who has permits of a semaphore.
#[pyclass(frozen, get_all, eq, new = "from_fields", skip_from_py_object, module = "sparkeeper._sparkeeper")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PermitHolder {
    /// Who it says it is.
    owner: String,
    /// How many it acquired in one step.
    permits: usize,
    /// Its fencing token.
    token: i64,
    /// Since when, in milliseconds since 1970 on the server's clock.
    since: i64,
    /// Its session.
    session_id: i64,
}

pickles!(PermitHolder { owner, permits, token, since, session_id });

impl From<recipes::PermitHolder> for PermitHolder {
    fn from(found: recipes::PermitHolder) -> Self {
        let recipes::PermitHolder { owner, permits, token, since, session_id } = found;
        Self { owner, permits, token, since, session_id }
    }
}

#[pymethods]
impl PermitHolder {
    fn __repr__(&self) -> String {
        let Self { owner, permits, token, since, session_id } = self;
        format!(
            "PermitHolder(owner='{owner}', permits={permits}, token={token}, since={since}, session_id={session_id:#x})"
        )
    }
}
