//! A call that an event loop awaits: it runs on the core runtime, and its result waits here for the loop's thread.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use tokio::runtime::Runtime;
use tokio::task::AbortHandle;

use super::errors::raise;
use super::inbox::Ended;
use crate::error::{Error, Result};

/// Made into a Python object by the thread that asks for it.
type Outcome = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;

enum Progress {
    Running,
    Ended(Outcome),
    /// Its result was fetched, or nobody wants it.
    Over,
}

/// One call under way.
#[pyclass(frozen, module = "sparkeeper._sparkeeper")]
pub(super) struct Call {
    number: u64,
    progress: Arc<Mutex<Progress>>,
    task: AbortHandle,
}

static NUMBERS: AtomicU64 = AtomicU64::new(0);

impl Call {
    /// Starts a future whose end is posted to `ended`.
    pub(super) fn start<T>(
        core: &Runtime,
        ended: Ended,
        future: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Self
    where
        T: for<'a> IntoPyObject<'a> + Send + 'static,
    {
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let progress = Arc::new(Mutex::new(Progress::Running));
        let mine = progress.clone();
        let task = core.spawn(async move {
            let result = AssertUnwindSafe(future).catch_unwind().await;
            let result = result
                .unwrap_or_else(|_| Err(Error::server("a task of the session panicked; standard error says where")));
            finish(&mine, Box::new(move |py| fetch(py, result)));
            ended.post(number);
        });
        Self { number, progress, task: task.abort_handle() }
    }

    fn end(&self) -> Progress {
        std::mem::replace(&mut *self.progress.lock().unwrap_or_else(PoisonError::into_inner), Progress::Over)
    }
}

fn finish(progress: &Mutex<Progress>, outcome: Outcome) {
    let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
    if matches!(*progress, Progress::Running) {
        *progress = Progress::Ended(outcome);
    }
    // Else nobody wants it: a grant gives itself back where it is dropped, once the lock is free.
    drop(progress);
}

fn fetch<T: for<'a> IntoPyObject<'a>>(py: Python<'_>, result: Result<T>) -> PyResult<Py<PyAny>> {
    match result {
        Ok(value) => value.into_py_any(py),
        Err(error) => Err(raise(py, &error)),
    }
}

#[pymethods]
impl Call {
    /// What its end is posted under.
    #[getter]
    fn number(&self) -> u64 {
        self.number
    }

    /// The result of a call that has ended; once.
    fn result(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match self.end() {
            Progress::Ended(outcome) => outcome(py),
            Progress::Running | Progress::Over => Err(raise(py, &Error::closed("this call has no result to fetch"))),
        }
    }

    /// Ends it, wherever it is. A result that nobody fetched is dropped.
    fn close(&self) {
        self.task.abort();
        drop(self.end());
    }
}
