//! What is held: by a lock, either side of a read/write lock, or a multi-lock.

use std::sync::Arc;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

use super::arrival::Arrival;
use super::awaitable::{Awaitable, Nothing, awaitable, present};
use super::callbacks;
use super::errors::raise;
use super::notebook;
use super::runtime::{block_on, core};
use crate::recipes::{self, Mode};
use crate::session::{Grant, GrantState};

/// A held lock: what `acquire` returns and `with` binds.
///
/// Its state comes from the lease clock: it needs no network and is never late.
#[pyclass(frozen, module = "sparkeeper._sparkeeper")]
pub(super) struct Held {
    held: recipes::Held,
    arrival: Arrival,
}

impl Held {
    pub(super) fn new(held: recipes::Held) -> Self {
        Self { held, arrival: Arrival::default() }
    }

    pub(super) fn arrived(self) -> Self {
        self.arrival.arrive();
        self
    }

    pub(super) fn grant(&self) -> &Arc<Grant> {
        self.held.grant()
    }

    /// This acquisition; the grant may stand for another one.
    pub(super) fn is_released(&self) -> bool {
        self.held.is_released()
    }

    /// # Errors
    /// `LockLost`, where it is not provably held, or released.
    pub(super) fn standing(&self) -> crate::error::Result<()> {
        self.held.check()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.arrival.pending() {
            self.held.retract();
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
        Ok(state_name(self.held.state()))
    }

    /// Who holds it, as the others see it.
    #[getter]
    fn owner(&self) -> &str {
        self.held.owner()
    }

    /// The lock's path, as it was given; of a multi-lock all of them, joined by commas.
    #[getter]
    fn path(&self) -> &str {
        self.held.name()
    }

    /// The path of each lock that is held: one, but for a multi-lock.
    #[getter]
    fn paths(&self) -> Vec<String> {
        self.held.paths().to_vec()
    }

    /// Why somebody asked the holder to let go, as far as this process heard; None where nobody did.
    #[getter]
    fn release_requested(&self, py: Python<'_>) -> PyResult<Option<String>> {
        here(py)?;
        Ok(self.grant().release_requests().borrow().last().map(|request| request.reason.clone()))
    }

    /// Seconds for which the lock is provably ours from now on; 0.0 once it is lost or released.
    fn valid_for(&self, py: Python<'_>) -> PyResult<f64> {
        here(py)?;
        Ok(self.held.valid_for().as_secs_f64())
    }

    /// Returns if the lock is provably ours now.
    ///
    /// Raises:
    ///     LockLost: It is not, and will not be again.
    fn check(&self, py: Python<'_>) -> PyResult<()> {
        here(py)?;
        self.standing().map_err(|error| raise(py, &error))
    }

    /// Calls `callback(error)` with the `LockLost` once the lock is lost; at once, where it is already.
    ///
    /// It runs on a thread of its own. It is not called for a lock that is released.
    fn on_lost(&self, py: Python<'_>, callback: Py<PyAny>) -> PyResult<()> {
        let lost = self.held.lost();
        callbacks::run(py, callback, |callback| async move {
            if let Some(error) = lost.await {
                callback.call(move |py| Ok(raise(py, &error).into_value(py).into_any())).await;
            }
        })
    }

    /// Calls `callback(reason)` whenever somebody asks the holder to let go, also for what was asked before.
    ///
    /// It runs on a thread of its own, once for each request, until the lock is released or lost. Whether to
    /// release is the holder's decision. A request of Curator's `Revoker` has no reason: an empty string.
    fn on_release_requested(&self, py: Python<'_>, callback: Py<PyAny>) -> PyResult<()> {
        here(py)?;
        let grant = self.grant().clone();
        let mut requests = grant.release_requests();
        callbacks::run(py, callback, |callback| async move {
            let mut heard = 0;
            while let Some(request) = grant.next_request(&mut requests, heard).await {
                heard += 1;
                callback.call(move |py| Ok(request.reason.into_pyobject(py)?.into_any().unbind())).await;
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
        if !wait {
            return present(py, Nothing);
        }
        awaitable(py, async move {
            release.done().await;
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
        if self.held.is_released() { present(py, Nothing) } else { self.release_async(py, false) }
    }

    fn __reduce__(&self) -> PyResult<String> {
        Err(PyTypeError::new_err(format!(
            "a held lock ('{}') belongs to the session that acquired it and does not pickle; \
             send its token, or the lock handle, and acquire there",
            self.held.name()
        )))
    }

    fn _repr_html_(slf: &Bound<'_, Self>) -> PyResult<String> {
        notebook::card(slf, "held")
    }

    fn __repr__(&self) -> String {
        let grant = self.grant();
        let over = grant.released() || self.held.is_released();
        let state = if over { "RELEASED" } else { state_name(grant.state()) };
        let valid = self.held.valid_for().as_secs_f64();
        format!(
            "<Held '{}'{} {state} token={} owner='{}' valid_for={valid:.1}s>",
            self.held.name(),
            side(self.held.mode()),
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

pub(super) fn state_name(state: GrantState) -> &'static str {
    match state {
        GrantState::Held => "HELD",
        GrantState::AtRisk => "AT_RISK",
        GrantState::Lost => "LOST",
    }
}

/// Which side of a read/write lock it is, where it is one.
pub(super) fn side(mode: Mode) -> &'static str {
    match mode {
        Mode::Read => " (read)",
        Mode::Write => " (write)",
        Mode::Exclusive | Mode::All => "",
    }
}
