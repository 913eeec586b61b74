//! A claim on one item of a group.

use std::sync::Arc;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use super::arrival::Arrival;
use super::awaitable::{Awaitable, Nothing, awaitable, present};
use super::callbacks;
use super::errors::raise;
use super::held::{here, state_name};
use super::runtime::block_on;
use super::term::json;
use crate::assign::group;
use crate::error::Result;
use crate::session::Grant;

/// A claim on one partition: it is ours, and nobody else's, while this stands.
///
/// Its state comes from the lease clock: it needs no network and is never late.
#[pyclass(frozen, module = "sparkeeper._sparkeeper")]
pub(super) struct Claim {
    claim: group::Claim,
    arrival: Arrival,
}

impl Claim {
    pub(super) fn new(claim: group::Claim) -> Self {
        Self { claim, arrival: Arrival::default() }
    }

    pub(super) fn arrived(self) -> Self {
        self.arrival.arrive();
        self
    }

    pub(super) fn grant(&self) -> &Arc<Grant> {
        self.claim.grant()
    }

    fn state_name(&self) -> &'static str {
        match self.grant() {
            _ if self.claim.is_done() => "DONE",
            grant if grant.released() => "RELEASED",
            grant => state_name(grant.state()),
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.arrival.pending() {
            self.claim.return_unseen();
        }
    }
}

async fn checkpoint(claim: group::Claim, value: String) -> Result<Nothing> {
    claim.checkpoint(value).await.map(|()| Nothing)
}

async fn done(claim: group::Claim, value: String) -> Result<Nothing> {
    claim.done(&value).await.map(|()| Nothing)
}

async fn released(claim: group::Claim, wait: bool) -> Result<Nothing> {
    if wait {
        claim.ended().await;
    }
    Ok(Nothing)
}

/// JSON text as Python's values; lists become tuples where `frozen`, as what can be a key must be.
fn loads<'py>(py: Python<'py>, text: &str, frozen: bool) -> PyResult<Bound<'py, PyAny>> {
    let value = py.import("json")?.call_method1("loads", (text,))?;
    if frozen { freeze(value) } else { Ok(value) }
}

fn freeze(value: Bound<'_, PyAny>) -> PyResult<Bound<'_, PyAny>> {
    match value.cast::<PyList>() {
        Ok(list) => {
            let parts = list.iter().map(freeze).collect::<PyResult<Vec<_>>>()?;
            Ok(PyTuple::new(value.py(), parts)?.into_any())
        }
        Err(_) => Ok(value),
    }
}

#[pymethods]
impl Claim {
    /// What is claimed: one of the group's items. What was a list or a tuple is a tuple.
    #[getter]
    fn partition<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        loads(py, self.claim.item(), true)
    }

    /// The group's path, as it was given.
    #[getter]
    fn path(&self) -> &str {
        self.claim.group()
    }

    /// The fencing token, the partition's epoch: it grows with every owner.
    #[getter]
    fn token(&self) -> i64 {
        self.grant().token()
    }

    /// "HELD", "AT_RISK" (ours, but nobody can confirm it now), "LOST" (for good), "DONE", "RELEASED".
    #[getter]
    fn state(&self, py: Python<'_>) -> PyResult<&'static str> {
        here(py)?;
        Ok(self.state_name())
    }

    /// Seconds for which it is provably ours from now on; 0.0 once it is over.
    fn valid_for(&self, py: Python<'_>) -> PyResult<f64> {
        here(py)?;
        Ok(self.grant().valid_for().as_secs_f64())
    }

    /// Returns if the partition is provably ours now.
    ///
    /// Raises:
    ///     ClaimLost: It is not, and this claim will not be again.
    fn check(&self, py: Python<'_>) -> PyResult<()> {
        here(py)?;
        self.grant().check().map_err(|error| raise(py, &error))
    }

    /// Calls `callback(error)` with the `ClaimLost` once the claim is lost; at once, where it is already.
    ///
    /// It runs on a thread of its own. It is not called for one that was finished or given up.
    fn on_lost(&self, py: Python<'_>, callback: Py<PyAny>) -> PyResult<()> {
        let grant = self.grant().clone();
        callbacks::run(py, callback, |callback| async move {
            if let Some(error) = grant.lost().await {
                callback.call(move |py| Ok(raise(py, &error).into_value(py).into_any())).await;
            }
        })
    }

    /// Whether the partition is wanted elsewhere. It stays ours until we let go of it.
    #[getter]
    fn release_requested(&self, py: Python<'_>) -> PyResult<bool> {
        here(py)?;
        Ok(self.claim.is_asked())
    }

    /// Calls `callback(partition)` once when the partition is wanted elsewhere; at once, where it is already.
    ///
    /// It runs on a thread of its own. Save a checkpoint there, say, and call `release`.
    fn on_release_requested(&self, py: Python<'_>, callback: Py<PyAny>) -> PyResult<()> {
        let (mut asked, grant, item) = (self.claim.asked(), self.grant().clone(), self.claim.item().to_owned());
        callbacks::run(py, callback, |callback| async move {
            tokio::select! {
                Ok(_) = asked.wait_for(|asked| *asked) => {}
                () = grant.over() => return,
            }
            callback.call(move |py| Ok(loads(py, &item, true)?.unbind())).await;
        })
    }

    /// What the last checkpoint saved, by us or by an owner before us, or None. It was read with the claim.
    fn restore<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        here(py)?;
        match self.claim.restore() {
            Some(text) => loads(py, &text, false),
            None => Ok(py.None().into_bound(py)),
        }
    }

    /// Saves a state for later owners. It lands only while this claim stands; a lost reply leaves no doubt.
    ///
    /// Args:
    ///     state: Anything that JSON can say, in 1 MiB.
    ///
    /// Raises:
    ///     ClaimLost: It is not ours any more. A write that was under way may have landed before that.
    ///     NotOwner: It was finished before.
    ///     PayloadTooLarge: It has more than 1 MiB; nothing was sent.
    ///     TypeError: JSON cannot say it.
    fn checkpoint(&self, py: Python<'_>, state: &Bound<'_, PyAny>) -> PyResult<Nothing> {
        block_on(py, checkpoint(self.claim.clone(), json(state)?))
    }

    /// As `checkpoint`, to be awaited.
    fn checkpoint_async<'py>(&self, py: Python<'py>, state: &Bound<'py, PyAny>) -> PyResult<Awaitable<'py, Nothing>> {
        awaitable(py, checkpoint(self.claim.clone(), json(state)?))
    }

    /// Finishes the partition for good, and ends the claim in the same step. A lost reply leaves no doubt.
    ///
    /// Args:
    ///     result: Anything that JSON can say, in 1 MiB; everybody reads it in `Partitions.progress`.
    ///
    /// Raises:
    ///     ClaimLost: It is not ours any more, and nothing was finished, unless in the session's last moment.
    ///     NotOwner: It was finished before.
    ///     PayloadTooLarge: It has more than 1 MiB; nothing was sent.
    ///     TypeError: JSON cannot say it.
    #[pyo3(signature = (result=None))]
    fn done(&self, py: Python<'_>, result: Option<Bound<'_, PyAny>>) -> PyResult<Nothing> {
        block_on(py, done(self.claim.clone(), text(py, result)?))
    }

    /// As `done`, to be awaited.
    #[pyo3(signature = (result=None))]
    fn done_async<'py>(&self, py: Python<'py>, result: Option<Bound<'py, PyAny>>) -> PyResult<Awaitable<'py, Nothing>> {
        awaitable(py, done(self.claim.clone(), text(py, result)?))
    }

    /// Gives it up: the partition goes to whom it is assigned, which may be us again. Of one that is over it is a no-op.
    ///
    /// Args:
    ///     wait: Return only when its nodes are gone. Without it the requests are on their way.
    #[pyo3(signature = (wait=false))]
    fn release(&self, py: Python<'_>, wait: bool) -> PyResult<Nothing> {
        here(py)?;
        self.claim.release();
        block_on(py, released(self.claim.clone(), wait))
    }

    /// As `release`, to be awaited.
    #[pyo3(signature = (wait=false))]
    fn release_async<'py>(&self, py: Python<'py>, wait: bool) -> PyResult<Awaitable<'py, Nothing>> {
        here(py)?;
        self.claim.release();
        if wait { awaitable(py, released(self.claim.clone(), wait)) } else { present(py, Nothing) }
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
        self.release(py, false)
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
        self.release_async(py, false)
    }

    fn __reduce__(&self) -> PyResult<String> {
        Err(PyTypeError::new_err(format!(
            "a claim (on {} of '{}') belongs to the session that made it and does not pickle; send its partition, or \
             join the group there",
            self.claim.item(),
            self.claim.group()
        )))
    }

    fn __repr__(&self) -> String {
        let (item, group, grant) = (self.claim.item(), self.claim.group(), self.grant());
        let wanted = if self.claim.is_asked() { " release requested" } else { "" };
        let (state, token, left) = (self.state_name(), grant.token(), grant.valid_for().as_secs_f64());
        format!("<Claim {item} of '{group}' {state}{wanted} token={token} valid_for={left:.1}s>")
    }
}

fn text(py: Python<'_>, value: Option<Bound<'_, PyAny>>) -> PyResult<String> {
    json(&value.unwrap_or_else(|| py.None().into_bound(py)))
}
