//! An item at work.

use std::sync::Arc;

use pyo3::exceptions::{PyException, PyTypeError};
use pyo3::prelude::*;

use super::arrival::Arrival;
use super::awaitable::{Awaitable, Nothing, awaitable, awaitable_end, present};
use super::callbacks;
use super::errors::raise;
use super::runtime::{block_on, core};
use super::seconds::Seconds;
use super::text::Text;
use super::znodes::Bytes;
use crate::error::Result;
use crate::recipes::queue;
use crate::session::{Grant, GrantState};

/// An item that `Queue.get` delivered. Leaving its `with` normally acknowledges it, an exception gives it back.
///
/// Dropping the object does neither: the item is delivered again when its lease ends, or its session does.
#[pyclass(frozen, module = "sparkeeper._sparkeeper")]
pub(super) struct QueueItem {
    item: queue::Item,
    arrival: Arrival,
}

impl Drop for QueueItem {
    fn drop(&mut self) {
        if self.arrival.pending() {
            self.item.return_unseen();
        }
    }
}

/// How a `with` ended.
enum Exit {
    Done,
    /// An exception: the work failed.
    Failed(String),
    /// Ctrl-C, a cancelled task, the end of the process: nothing is wrong with the item.
    Interrupted,
}

impl Exit {
    fn of(error: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let Some(error) = error.filter(|error| !error.is_none()) else { return Ok(Self::Done) };
        if !error.is_instance_of::<PyException>() {
            return Ok(Self::Interrupted);
        }
        let (kind, text) = (error.get_type().name()?, error.str().map(|text| text.to_string()).unwrap_or_default());
        Ok(Self::Failed(if text.is_empty() { kind.to_string() } else { format!("{kind}: {text}") }))
    }
}

async fn ack(item: queue::Item) -> Result<Nothing> {
    item.ack().await?;
    Ok(Nothing)
}

async fn give_back(item: queue::Item, error: Option<Text>, delay: Option<std::time::Duration>) -> Result<Nothing> {
    item.give_back(error.as_deref(), delay).await?;
    Ok(Nothing)
}

async fn extend(item: queue::Item, lease: std::time::Duration) -> Result<Nothing> {
    item.extend(lease).await?;
    Ok(Nothing)
}

async fn leave(item: queue::Item, exit: Exit) -> Result<Nothing> {
    if item.is_settled() {
        return Ok(Nothing);
    }
    let left = match &exit {
        Exit::Done => item.ack().await,
        Exit::Failed(error) => item.give_back(Some(error), None).await,
        Exit::Interrupted => item.put_back().await,
    };
    match (exit, left) {
        (Exit::Done, left) => left?,
        // The exception under way says more; the lease gives back what we could not.
        (Exit::Failed(_) | Exit::Interrupted, Err(why)) => {
            tracing::warn!(item = item.id(), %why, "not given back; its lease ends it");
        }
        (Exit::Failed(_) | Exit::Interrupted, Ok(())) => {}
    }
    Ok(Nothing)
}

impl QueueItem {
    pub(super) fn new(item: queue::Item) -> Self {
        Self { item, arrival: Arrival::default() }
    }

    pub(super) fn arrived(self) -> Self {
        self.arrival.arrive();
        self
    }

    pub(super) fn grant(&self) -> &Arc<Grant> {
        self.item.grant()
    }

    fn state_name(&self) -> &'static str {
        match self.grant().state() {
            _ if self.item.is_settled() => "SETTLED",
            GrantState::Held => "HELD",
            GrantState::AtRisk => "AT_RISK",
            GrantState::Lost => "LOST",
        }
    }
}

#[pymethods]
impl QueueItem {
    /// What was put.
    #[getter]
    fn data(&self) -> Bytes {
        Bytes(self.item.payload().to_vec())
    }

    /// Its id, the same in every attempt.
    #[getter]
    fn id(&self) -> &str {
        self.item.id()
    }

    /// How many times it was delivered, this one included.
    #[getter]
    fn attempt(&self) -> u32 {
        self.item.attempt()
    }

    /// Its priority; lower goes first.
    #[getter]
    fn priority(&self) -> i32 {
        self.item.priority()
    }

    /// What the last attempt that was given back reported, or None.
    #[getter]
    fn error(&self) -> Option<&str> {
        self.item.error()
    }

    /// The fencing token: it grows with every claim.
    #[getter]
    fn token(&self) -> i64 {
        self.grant().token()
    }

    /// "HELD", "AT_RISK" (nobody can confirm it now), "LOST" (it is, or will be, delivered again), "SETTLED".
    #[getter]
    fn state(&self, py: Python<'_>) -> PyResult<&'static str> {
        here(py)?;
        Ok(self.state_name())
    }

    /// Seconds for which the item is provably ours from now on: within the lease and the session's.
    fn valid_for(&self, py: Python<'_>) -> PyResult<f64> {
        here(py)?;
        Ok(self.item.remaining().as_secs_f64())
    }

    /// Returns if the item is provably ours now.
    ///
    /// Raises:
    ///     ClaimLost: It is not; it is, or will be, delivered to another.
    fn check(&self, py: Python<'_>) -> PyResult<()> {
        here(py)?;
        self.grant().check().map_err(|error| raise(py, &error))
    }

    /// Calls `callback(error)` with the `ClaimLost` once the claim is lost; at once, where it is already.
    fn on_lost(&self, py: Python<'_>, callback: Py<PyAny>) -> PyResult<()> {
        let grant = self.grant().clone();
        callbacks::run(py, callback, |callback| async move {
            if let Some(error) = grant.lost().await {
                callback.call(move |py| Ok(raise(py, &error).into_value(py).into_any())).await;
            }
        })
    }

    /// The work is done: removes the item for good.
    ///
    /// Raises:
    ///     ClaimLost: The lease or the session ended before; nothing was removed.
    ///     NotOwner: It was acknowledged or given back before.
    fn ack(&self, py: Python<'_>) -> PyResult<Nothing> {
        block_on(py, ack(self.item.clone()))
    }

    /// As `ack`, to be awaited.
    fn ack_async<'py>(&self, py: Python<'py>) -> PyResult<Awaitable<'py, Nothing>> {
        awaitable(py, ack(self.item.clone()))
    }

    /// The work failed: it is delivered again later, or becomes a dead letter where its attempts are used up.
    ///
    /// Args:
    ///     error: What went wrong; kept with the item.
    ///     delay: Seconds or timedelta until then; a back-off that doubles with each attempt by default. 0 gives it
    ///         back to its place at once.
    ///
    /// Raises:
    ///     ClaimLost: The lease or the session ended before.
    ///     NotOwner: It was acknowledged or given back before.
    #[pyo3(signature = (error=None, delay=None))]
    fn give_back(&self, py: Python<'_>, error: Option<Text>, delay: Option<Seconds>) -> PyResult<Nothing> {
        let delay = delay.map(|delay| delay.duration(py, "delay")).transpose()?;
        block_on(py, give_back(self.item.clone(), error, delay))
    }

    /// As `give_back`, to be awaited.
    #[pyo3(signature = (error=None, delay=None))]
    fn give_back_async<'py>(
        &self,
        py: Python<'py>,
        error: Option<Text>,
        delay: Option<Seconds>,
    ) -> PyResult<Awaitable<'py, Nothing>> {
        let delay = delay.map(|delay| delay.duration(py, "delay")).transpose()?;
        awaitable(py, give_back(self.item.clone(), error, delay))
    }

    /// Keeps the item for `lease` seconds (or timedelta) from now on.
    ///
    /// Raises:
    ///     ClaimLost: The lease or the session ended before.
    fn extend(&self, py: Python<'_>, lease: Seconds) -> PyResult<Nothing> {
        let lease = lease.duration(py, "lease")?;
        block_on(py, extend(self.item.clone(), lease))
    }

    /// As `extend`, to be awaited.
    fn extend_async<'py>(&self, py: Python<'py>, lease: Seconds) -> PyResult<Awaitable<'py, Nothing>> {
        let lease = lease.duration(py, "lease")?;
        awaitable(py, extend(self.item.clone(), lease))
    }

    /// The caller has it now.
    fn _arrive(&self) {
        self.arrival.arrive();
    }

    fn __enter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    #[pyo3(signature = (_kind=None, error=None, _trace=None))]
    fn __exit__(
        &self,
        py: Python<'_>,
        _kind: Option<Bound<'_, PyAny>>,
        error: Option<Bound<'_, PyAny>>,
        _trace: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Nothing> {
        block_on(py, leave(self.item.clone(), Exit::of(error.as_ref())?))
    }

    fn __aenter__<'py>(slf: Bound<'py, Self>, py: Python<'py>) -> PyResult<Awaitable<'py, Py<Self>>> {
        let item = slf.unbind();
        present(py, item)
    }

    #[pyo3(signature = (_kind=None, error=None, _trace=None))]
    fn __aexit__<'py>(
        &self,
        py: Python<'py>,
        _kind: Option<Bound<'py, PyAny>>,
        error: Option<Bound<'py, PyAny>>,
        _trace: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Awaitable<'py, Nothing>> {
        awaitable_end(py, leave(self.item.clone(), Exit::of(error.as_ref())?))
    }

    fn __reduce__(&self) -> PyResult<String> {
        Err(PyTypeError::new_err(format!(
            "an item at work (of queue '{}') belongs to the session that claimed it and does not pickle; \
             send its data, or the queue, and get there",
            self.item.queue()
        )))
    }

    fn __repr__(&self) -> String {
        let (id, attempt, state) = (self.item.id(), self.item.attempt(), self.state_name());
        let left = self.item.remaining().as_secs_f64();
        format!("<QueueItem {id} of '{}' {state} attempt={attempt} valid_for={left:.1}s>", self.item.queue())
    }
}

/// # Errors
/// `ForkedProcessError`, where the session belongs to the parent.
fn here(py: Python<'_>) -> PyResult<()> {
    core().map(drop).map_err(|error| raise(py, &error))
}
