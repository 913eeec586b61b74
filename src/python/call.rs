//! A call that an event loop awaits: it runs on the core runtime, and its result waits here for the loop's thread.

use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use pyo3::prelude::*;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use super::errors::raise;
use super::inbox::Ended;
use crate::error::Error;

/// Made into a Python object by the thread that asks for it.
pub(super) type Outcome = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;

/// What a call does: of one type, or each of a hundred calls would be compiled with its own copy of the runtime's code.
pub(super) type Work = Pin<Box<dyn Future<Output = Outcome> + Send>>;

enum Progress {
    Running,
    Ended(Outcome),
    /// Its result was fetched, or nobody wants it.
    Over,
}

/// What becomes of a call whose task is cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cancelled {
    /// It has taken its first step, and is dropped.
    Dropped,
    /// It goes on to its end, which nobody hears of.
    SeenThrough,
}

/// One call under way.
#[pyclass(frozen, module = "sparkeeper._sparkeeper")]
pub(super) struct Call {
    number: u64,
    progress: Arc<Mutex<Progress>>,
    /// Dropped when it is closed.
    wanted: Mutex<Option<oneshot::Sender<Infallible>>>,
}

static NUMBERS: AtomicU64 = AtomicU64::new(0);

impl Call {
    /// Starts a future whose end is posted to `ended`.
    pub(super) fn start(core: &Runtime, ended: Ended, cancelled: Cancelled, work: Work) -> Self {
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let progress = Arc::new(Mutex::new(Progress::Running));
        let (wanted, closed) = oneshot::channel();
        let mine = progress.clone();
        core.spawn(async move {
            let work = AssertUnwindSafe(work).catch_unwind();
            let outcome = match cancelled {
                Cancelled::SeenThrough => work.await,
                Cancelled::Dropped => tokio::select! {
                    // First, so that whoever begins a call has it begun, as one that blocks and is interrupted has.
                    biased;
                    outcome = work => outcome,
                    _ = closed => return,
                },
            };
            finish(&mine, outcome.unwrap_or_else(|_| Box::new(panicked)));
            ended.post(number);
        });
        Self { number, progress, wanted: Mutex::new(Some(wanted)) }
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

fn panicked(py: Python<'_>) -> PyResult<Py<PyAny>> {
    Err(raise(py, &Error::server("a task of the session panicked; standard error says where")))
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

    /// Its task waits for it no longer. A result that nobody fetched is dropped.
    fn close(&self) {
        drop(self.wanted.lock().unwrap_or_else(PoisonError::into_inner).take());
        drop(self.end());
    }
}
