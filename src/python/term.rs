//! Terms: what `campaign` returns.

use std::sync::Arc;
use std::time::Duration;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use tokio::sync::watch;

use super::arrival::Arrival;
use super::awaitable::{Awaitable, Nothing, awaitable, present};
use super::callbacks;
use super::errors::raise;
use super::held::{here, state_name};
use super::notebook;
use super::runtime::block_on;
use super::seconds::{Seconds, timeout};
use crate::error::Result;
use crate::recipes;
use crate::retry::Deadline;
use crate::session::{Grant, GrantState};

/// A leadership: what `campaign` returns, and what the callable of `run` is called with.
///
/// Its state comes from the lease clock: it needs no network and is never late.
#[pyclass(frozen, module = "sparkeeper._sparkeeper")]
pub(super) struct Term {
    won: Arc<recipes::Term>,
    /// Whether the handle was told to stop.
    stop: watch::Receiver<bool>,
    arrival: Arrival,
}

impl Term {
    pub(super) fn new(won: recipes::Term, stop: watch::Receiver<bool>) -> Self {
        Self { won: Arc::new(won), stop, arrival: Arrival::default() }
    }

    pub(super) fn arrived(self) -> Self {
        self.arrival.arrive();
        self
    }

    pub(super) fn grant(&self) -> &Arc<Grant> {
        self.won.grant()
    }
}

impl Drop for Term {
    fn drop(&mut self) {
        if self.arrival.pending() {
            drop(self.won.step_down());
        }
    }
}

async fn checkpoint(term: Arc<recipes::Term>, state: String) -> Result<Nothing> {
    term.checkpoint(state.as_bytes()).await.map(|()| Nothing)
}

async fn restore(term: Arc<recipes::Term>) -> Result<State> {
    Ok(State(term.restore().await?))
}

/// A checkpoint on its way to Python: JSON, or `None` where nothing was saved.
struct State(Option<Vec<u8>>);

impl<'py> IntoPyObject<'py> for State {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        match self.0 {
            Some(data) => py.import("json")?.call_method1("loads", (data,)),
            None => Ok(py.None().into_bound(py)),
        }
    }
}

/// # Errors
/// `TypeError` and `ValueError` where it is not JSON.
pub(super) fn json(state: &Bound<'_, PyAny>) -> PyResult<String> {
    let keywords = pyo3::types::PyDict::new(state.py());
    keywords.set_item("allow_nan", false)?;
    keywords.set_item("ensure_ascii", false)?;
    let py = state.py();
    let dumped = py.import("json")?.call_method("dumps", (state,), Some(&keywords));
    dumped.map_err(|why| advised(py, why))?.extract()
}

fn advised(py: Python<'_>, why: PyErr) -> PyErr {
    if !why.is_instance_of::<PyTypeError>(py) {
        return why;
    }
    let advised = PyTypeError::new_err(format!(
        "{}: give what JSON can say (dicts with text as keys, lists, text, numbers, True, False, None), such as a list \
         for a set",
        why.value(py)
    ));
    advised.set_cause(py, Some(why));
    advised
}

#[pymethods]
impl Term {
    /// The fencing token: it grows with every term of this election.
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

    /// Who leads, as the others see it.
    #[getter]
    fn id(&self) -> &str {
        self.won.id()
    }

    /// The election's path, as it was given.
    #[getter]
    fn path(&self) -> &str {
        self.won.name()
    }

    /// Set when it is time to stop leading: the term is lost or given up, or `Election.stop` was called.
    #[getter]
    fn lost(&self) -> Loss {
        Loss { grant: self.grant().clone(), stop: self.stop.clone() }
    }

    /// Seconds for which the term is provably ours from now on; 0.0 once it is lost or given up.
    fn valid_for(&self, py: Python<'_>) -> PyResult<f64> {
        here(py)?;
        Ok(self.grant().valid_for().as_secs_f64())
    }

    /// Returns if we provably lead now.
    ///
    /// Raises:
    ///     TermLost: We do not, and will not again in this term.
    fn check(&self, py: Python<'_>) -> PyResult<()> {
        here(py)?;
        self.grant().check().map_err(|error| raise(py, &error))
    }

    /// Calls `callback(error)` with the `TermLost` once the term is lost; at once, where it is already.
    ///
    /// It runs on a thread of its own. It is not called for a term that is given up.
    fn on_lost(&self, py: Python<'_>, callback: Py<PyAny>) -> PyResult<()> {
        let grant = self.grant().clone();
        callbacks::run(py, callback, |callback| async move {
            if let Some(error) = grant.lost().await {
                callback.call(move |py| Ok(raise(py, &error).into_value(py).into_any())).await;
            }
        })
    }

    /// Saves a state for the next leader. It lands only while this term stands; a lost reply does not
    /// leave it in doubt.
    ///
    /// Args:
    ///     state: Anything that JSON can say, in 1 MiB.
    ///
    /// Raises:
    ///     TermLost: We do not lead any more. A write that was under way may have landed before the term's end.
    ///     PayloadTooLarge: It has more than 1 MiB; nothing was sent.
    ///     TypeError: JSON cannot say it.
    fn checkpoint(&self, py: Python<'_>, state: &Bound<'_, PyAny>) -> PyResult<Nothing> {
        block_on(py, checkpoint(self.won.clone(), json(state)?))
    }

    /// As `checkpoint`, to be awaited.
    fn checkpoint_async<'py>(&self, py: Python<'py>, state: &Bound<'py, PyAny>) -> PyResult<Awaitable<'py, Nothing>> {
        awaitable(py, checkpoint(self.won.clone(), json(state)?))
    }

    /// What the last leader saved, or None. It is not deleted with the election's own node.
    fn restore<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        block_on(py, restore(self.won.clone()))?.into_pyobject(py)
    }

    /// As `restore`, to be awaited.
    fn restore_async<'py>(&self, py: Python<'py>) -> PyResult<Awaitable<'py, State>> {
        awaitable(py, restore(self.won.clone()))
    }

    /// Gives the term up, so that the next candidate leads. Of a lost term it is a no-op.
    ///
    /// Args:
    ///     wait: Return only when the node is gone. Without it the request is on its way, and is
    ///         repeated in the background should the reply be lost.
    #[pyo3(signature = (wait=false))]
    fn step_down(&self, py: Python<'_>, wait: bool) -> PyResult<()> {
        here(py)?;
        let release = self.won.step_down();
        if !wait {
            return Ok(());
        }
        block_on(py, async {
            release.done().await;
            Ok(())
        })
    }

    /// As `step_down`, to be awaited.
    #[pyo3(signature = (wait=false))]
    fn step_down_async<'py>(&self, py: Python<'py>, wait: bool) -> PyResult<Awaitable<'py, Nothing>> {
        here(py)?;
        let release = self.won.step_down();
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
        self.step_down(py, false)
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
        self.step_down_async(py, false)
    }

    fn __reduce__(&self) -> PyResult<String> {
        Err(PyTypeError::new_err(format!(
            "a term ('{}') belongs to the session that won it and does not pickle; \
             send its token, or the election handle, and campaign there",
            self.won.name()
        )))
    }

    fn _repr_html_(slf: &Bound<'_, Self>) -> PyResult<String> {
        notebook::card(slf, "held")
    }

    fn __repr__(&self) -> String {
        let grant = self.grant();
        let state = if grant.released() { "OVER" } else { state_name(grant.state()) };
        format!(
            "<Term of '{}' {state} token={} id='{}' valid_for={:.1}s>",
            self.won.name(),
            grant.token(),
            self.won.id(),
            grant.valid_for().as_secs_f64()
        )
    }
}

/// When to stop leading, in the manner of `threading.Event`: set once, never cleared, true once it is set.
///
/// It is set when the term is lost or given up, and also when `Election.stop` asks a leader to come to its
/// end: the term stands then until the leader returns, so what it still saves lands.
#[pyclass(frozen, module = "sparkeeper._sparkeeper")]
pub(super) struct Loss {
    grant: Arc<Grant>,
    stop: watch::Receiver<bool>,
}

async fn wait(grant: Arc<Grant>, mut stop: watch::Receiver<bool>, timeout: Option<Duration>) -> Result<bool> {
    let set = async {
        tokio::select! {
            _ = grant.lost() => {}
            // The handle that could be told to stop may be gone.
            Ok(_) = stop.wait_for(|stop| *stop) => {}
        }
    };
    Ok(Deadline::after(timeout).bound(set).await.is_some())
}

#[pymethods]
impl Loss {
    /// Whether it is time to stop.
    fn is_set(&self, py: Python<'_>) -> PyResult<bool> {
        here(py)?;
        Ok(*self.stop.borrow() || self.grant.state() == GrantState::Lost)
    }

    /// Waits until it is time to stop.
    ///
    /// Args:
    ///     timeout: Seconds or timedelta; None waits for ever.
    ///
    /// Returns:
    ///     True, or False after the timeout.
    #[pyo3(signature = (timeout=None))]
    fn wait(&self, py: Python<'_>, timeout: Option<Seconds>) -> PyResult<bool> {
        block_on(py, wait(self.grant.clone(), self.stop.clone(), self::timeout(py, timeout)?))
    }

    /// As `wait`, to be awaited.
    #[pyo3(signature = (timeout=None))]
    fn wait_async<'py>(&self, py: Python<'py>, timeout: Option<Seconds>) -> PyResult<Awaitable<'py, bool>> {
        awaitable(py, wait(self.grant.clone(), self.stop.clone(), self::timeout(py, timeout)?))
    }

    fn __bool__(&self, py: Python<'_>) -> PyResult<bool> {
        self.is_set(py)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("<Loss {}>", if self.is_set(py)? { "set" } else { "unset" }))
    }
}
