//! A worker of tasks, and a task that it has, in bytes.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

use super::awaitable::Nothing;
use super::runtime::block_on;
use super::seconds::{Seconds, timeout};
use super::text::Text;
use super::znodes::Bytes;
use crate::error::Result;
use crate::tasks::{Next, Task, Worker};

/// The native half of a worker: there until it is dropped.
#[pyclass(frozen, module = "sparkeeper._sparkeeper")]
pub(super) struct TaskWorker {
    /// Taken away when it leaves.
    worker: Mutex<Option<Arc<Worker>>>,
    over: std::sync::atomic::AtomicBool,
}

/// The native half of a task at work.
#[pyclass(frozen, module = "sparkeeper._sparkeeper")]
pub(super) struct TaskAtWork(Task);

impl TaskWorker {
    pub(super) fn new(worker: Worker) -> Self {
        Self { worker: Mutex::new(Some(Arc::new(worker))), over: std::sync::atomic::AtomicBool::new(false) }
    }

    fn worker(&self) -> std::sync::MutexGuard<'_, Option<Arc<Worker>>> {
        self.worker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn next(worker: Option<Arc<Worker>>, timeout: Option<std::time::Duration>) -> Result<Next> {
    match worker {
        Some(worker) => Box::pin(worker.next(timeout)).await,
        None => Ok(Next::Over),
    }
}

async fn complete(task: &Task, value: PyBackedBytes) -> Result<Nothing> {
    task.complete(value.to_vec()).await?;
    Ok(Nothing)
}

async fn fail(task: &Task, error: Text) -> Result<Nothing> {
    task.fail(&error).await?;
    Ok(Nothing)
}

async fn put_back(task: &Task) -> Result<Nothing> {
    task.put_back().await?;
    Ok(Nothing)
}

#[pymethods]
impl TaskWorker {
    /// Whether the run that it works for is over.
    #[getter]
    fn over(&self) -> bool {
        self.over.load(std::sync::atomic::Ordering::Acquire)
    }

    /// The next task; None where the run is over, or none came in time.
    #[pyo3(signature = (timeout))]
    fn next(&self, py: Python<'_>, timeout: Option<Seconds>) -> PyResult<Option<TaskAtWork>> {
        let (timeout, worker) = (self::timeout(py, timeout)?, self.worker().clone());
        let next = block_on(py, next(worker, timeout))?;
        self.over.store(matches!(next, Next::Over), std::sync::atomic::Ordering::Release);
        Ok(match next {
            Next::Task(task) => Some(TaskAtWork(task)),
            Next::Nothing | Next::Over => None,
        })
    }

    /// Takes no more tasks.
    fn leave(&self) {
        drop(self.worker().take());
    }

    #[expect(clippy::unused_self, reason = "Python calls it on the object")]
    fn __reduce__(&self) -> PyResult<String> {
        Err(PyTypeError::new_err("a worker belongs to its session and does not pickle; send the tasks, and work there"))
    }
}

#[pymethods]
impl TaskAtWork {
    /// What was submitted.
    #[getter]
    fn data(&self) -> Bytes {
        Bytes(self.0.item().payload().to_vec())
    }

    /// The task's id.
    #[getter]
    fn id(&self) -> &str {
        self.0.item().id()
    }

    /// Which attempt this is, from 1 on.
    #[getter]
    fn attempt(&self) -> u32 {
        self.0.item().attempt()
    }

    fn complete(&self, py: Python<'_>, value: PyBackedBytes) -> PyResult<Nothing> {
        block_on(py, complete(&self.0, value))
    }

    fn fail(&self, py: Python<'_>, error: Text) -> PyResult<Nothing> {
        block_on(py, fail(&self.0, error))
    }

    fn put_back(&self, py: Python<'_>) -> PyResult<Nothing> {
        block_on(py, put_back(&self.0))
    }

    fn __reduce__(&self) -> PyResult<String> {
        Err(PyTypeError::new_err(format!("task {} belongs to the session that took it and does not pickle", self.id())))
    }
}
