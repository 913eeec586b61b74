//! Tasks, in bytes; `sparkeeper.Tasks` words them in Python's values.

use std::time::Duration;

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyDict;

use super::awaitable::{Awaitable, awaitable};
use super::coordinator::Coordinator;
use super::errors::raise;
use super::handle::Rebuild;
use super::queue_listing::DeadLetter;
use super::runtime::block_on;
use super::seconds::Seconds;
use super::task_worker::TaskWorker;
use super::text::Text;
use super::whole::{Whole, named};
use super::znodes::Bytes;
use crate::error::{Error, Result};
use crate::recipes::queue;
use crate::session::Session;
use crate::tasks::{self, Role, Settings, Strategy};

/// The native half of the tasks at one path; `sparkeeper.Tasks` adds Python's values, and Spark.
#[pyclass(frozen, subclass, module = "sparkeeper._sparkeeper")]
pub(super) struct Tasks(Handle);

type Handle = super::handle::Handle<tasks::Tasks, Settings>;

/// Of a result: id, ok, value, error, attempts, worker, capacity, path, zxid.
type Outcome = (String, bool, Bytes, Option<String>, u32, String, f64, String, i64);

async fn submit(
    handle: Handle,
    payloads: Vec<PyBackedBytes>,
    priority: i32,
    dedupe: Option<Vec<String>>,
) -> Result<Vec<String>> {
    handle.recipe().await?.submit(&payloads, priority, dedupe.as_deref()).await
}

async fn results(handle: Handle, done: Vec<String>, timeout: Duration) -> Result<Option<Vec<Outcome>>> {
    let found = handle.recipe().await?.queue().outcomes(&done, timeout).await?;
    Ok(found.map(|found| found.into_iter().map(outcome).collect()))
}

fn outcome(found: queue::Outcome) -> Outcome {
    let queue::Outcome { id, ok, attempts, worker, capacity, error, value, path, zxid } = found;
    (id, ok, Bytes(value), error, attempts, worker, capacity, path, zxid)
}

async fn forget(handle: Handle, done: Vec<String>) -> Result<()> {
    handle.recipe().await?.queue().forget(&done).await
}

async fn status(handle: Handle) -> Result<String> {
    let status = handle.recipe().await?.status().await?;
    serde_json::to_string(&status).map_err(|why| Error::server(format!("status: {why}")))
}

async fn dead_letters(handle: Handle, limit: Option<usize>) -> Result<Vec<DeadLetter>> {
    Ok(handle.recipe().await?.queue().dead_letters(limit).await?.into_iter().map(DeadLetter).collect())
}

async fn retry_dead(handle: Handle, id: Option<Text>) -> Result<usize> {
    handle.recipe().await?.queue().retry_dead(id.as_deref()).await
}

async fn purge_dead(handle: Handle, id: Option<Text>) -> Result<usize> {
    handle.recipe().await?.queue().purge_dead(id.as_deref()).await
}

async fn cancel(handle: Handle, ids: Option<Vec<String>>) -> Result<usize> {
    handle.recipe().await?.queue().cancel(ids.as_deref()).await
}

async fn worker(handle: Handle, role: Role) -> Result<TaskWorker> {
    Ok(TaskWorker::new(handle.recipe().await?.worker(role)?))
}

#[pymethods]
impl Tasks {
    #[new]
    #[pyo3(signature = (coordinator, path, strategy, max_attempts, lease, backoff, ageing, time_limit))]
    #[expect(clippy::too_many_arguments, reason = "each is a setting")]
    fn new(
        py: Python<'_>,
        coordinator: &Coordinator,
        path: Text,
        strategy: Text,
        max_attempts: Whole<u32>,
        lease: Seconds,
        backoff: Seconds,
        ageing: Seconds,
        time_limit: Option<Seconds>,
    ) -> PyResult<Self> {
        let settings = Settings {
            strategy: Strategy::named(&strategy).map_err(|error| raise(py, &error))?,
            max_attempts: max_attempts.named(py, "max_attempts")?,
            lease: lease.duration(py, "lease")?,
            backoff: backoff.duration(py, "backoff")?,
            ageing: ageing.duration(py, "ageing")?,
            time_limit: time_limit.map(|limit| limit.duration(py, "time_limit")).transpose()?,
        };
        settings.check().map_err(|error| raise(py, &error))?;
        let open =
            |session: &Session, path: &str, settings: &Settings| tasks::Tasks::new(session, path, settings.clone());
        Handle::new(coordinator.link().clone(), path, settings, open).map(Self).map_err(|error| raise(py, &error))
    }

    /// The path, as it was given.
    #[getter]
    fn path(&self) -> &str {
        self.0.path()
    }

    /// "average" or "priority".
    #[getter]
    fn strategy(&self) -> &'static str {
        self.0.settings().strategy.name()
    }

    #[pyo3(signature = (payloads, priority, dedupe))]
    fn _submit(
        &self,
        py: Python<'_>,
        payloads: Vec<PyBackedBytes>,
        priority: Whole<i32>,
        dedupe: Option<Vec<String>>,
    ) -> PyResult<Vec<String>> {
        block_on(py, submit(self.0.clone(), payloads, priority.named(py, "priority")?, dedupe))
    }

    #[pyo3(signature = (payloads, priority, dedupe))]
    fn _submit_async<'py>(
        &self,
        py: Python<'py>,
        payloads: Vec<PyBackedBytes>,
        priority: Whole<i32>,
        dedupe: Option<Vec<String>>,
    ) -> PyResult<Awaitable<'py, Vec<String>>> {
        awaitable(py, submit(self.0.clone(), payloads, priority.named(py, "priority")?, dedupe))
    }

    /// Forgets the results at `done`, and waits for others; None where no task is open and no result is left.
    fn _results(&self, py: Python<'_>, done: Vec<String>, timeout: Seconds) -> PyResult<Option<Vec<Outcome>>> {
        let timeout = timeout.duration(py, "timeout")?;
        block_on(py, results(self.0.clone(), done, timeout))
    }

    fn _forget(&self, py: Python<'_>, done: Vec<String>) -> PyResult<()> {
        block_on(py, forget(self.0.clone(), done))
    }

    fn _status(&self, py: Python<'_>) -> PyResult<String> {
        block_on(py, status(self.0.clone()))
    }

    fn _status_async<'py>(&self, py: Python<'py>) -> PyResult<Awaitable<'py, String>> {
        awaitable(py, status(self.0.clone()))
    }

    #[pyo3(signature = (limit))]
    fn _dead_letters(&self, py: Python<'_>, limit: Option<Whole<usize>>) -> PyResult<Vec<DeadLetter>> {
        block_on(py, dead_letters(self.0.clone(), named(limit, py, "limit")?))
    }

    #[pyo3(signature = (limit))]
    fn _dead_letters_async<'py>(
        &self,
        py: Python<'py>,
        limit: Option<Whole<usize>>,
    ) -> PyResult<Awaitable<'py, Vec<DeadLetter>>> {
        awaitable(py, dead_letters(self.0.clone(), named(limit, py, "limit")?))
    }

    /// Gives dead tasks all their attempts again.
    ///
    /// Args:
    ///     id: Which; all by default.
    ///
    /// Returns:
    ///     How many.
    #[pyo3(signature = (id=None))]
    fn retry_dead(&self, py: Python<'_>, id: Option<Text>) -> PyResult<usize> {
        block_on(py, retry_dead(self.0.clone(), id))
    }

    /// As `retry_dead`, to be awaited.
    #[pyo3(signature = (id=None))]
    fn retry_dead_async<'py>(&self, py: Python<'py>, id: Option<Text>) -> PyResult<Awaitable<'py, usize>> {
        awaitable(py, retry_dead(self.0.clone(), id))
    }

    #[pyo3(signature = (id))]
    fn _purge_dead(&self, py: Python<'_>, id: Option<Text>) -> PyResult<usize> {
        block_on(py, purge_dead(self.0.clone(), id))
    }

    #[pyo3(signature = (id))]
    fn _purge_dead_async<'py>(&self, py: Python<'py>, id: Option<Text>) -> PyResult<Awaitable<'py, usize>> {
        awaitable(py, purge_dead(self.0.clone(), id))
    }

    #[pyo3(signature = (ids))]
    fn _cancel(&self, py: Python<'_>, ids: Option<Vec<String>>) -> PyResult<usize> {
        block_on(py, cancel(self.0.clone(), ids))
    }

    #[pyo3(signature = (ids))]
    fn _cancel_async<'py>(&self, py: Python<'py>, ids: Option<Vec<String>>) -> PyResult<Awaitable<'py, usize>> {
        awaitable(py, cancel(self.0.clone(), ids))
    }

    #[pyo3(signature = (name, capacity, expected, run))]
    fn _worker(
        &self,
        py: Python<'_>,
        name: String,
        capacity: f64,
        expected: usize,
        run: Option<String>,
    ) -> PyResult<TaskWorker> {
        block_on(py, worker(self.0.clone(), Role { name, capacity, expected, run }))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Rebuild<'py>> {
        let Settings { strategy, max_attempts, lease, backoff, ageing, time_limit } = self.0.settings();
        let keywords = PyDict::new(py);
        keywords.set_item("strategy", strategy.name())?;
        keywords.set_item("max_attempts", max_attempts)?;
        keywords.set_item("lease", lease.as_secs_f64())?;
        keywords.set_item("backoff", backoff.as_secs_f64())?;
        keywords.set_item("ageing", ageing.as_secs_f64())?;
        keywords.set_item("time_limit", time_limit.map(|limit| limit.as_secs_f64()))?;
        self.0.reduce(py, "tasks", keywords)
    }

    fn __repr__(&self) -> String {
        let state = self.0.existing().map_or("not used yet by this process".to_owned(), |tasks| {
            let (at_work, got) = tasks.queue().local();
            format!("{at_work} at work here, {got} taken so far")
        });
        let Settings { strategy, max_attempts, .. } = self.0.settings();
        format!("<Tasks '{}' {state}, strategy='{}', max_attempts={max_attempts}>", self.0.path(), strategy.name())
    }
}
