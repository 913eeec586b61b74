//! Calls into Python from sessions: each on a thread of its own, so that a callback that raises,
//! blocks or calls the coordinator delays no heartbeat and no other callback.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::{PyBaseException, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyTuple};
use tokio::sync::oneshot;

use super::errors::raise;
use super::exit;
use super::runtime::core;

/// Runs `script` on the core runtime; it calls back through the [`Callback`] it is given.
///
/// # Errors
/// `TypeError` where it cannot be called; `ForkedProcessError`.
pub(super) fn run<F>(py: Python<'_>, callback: Py<PyAny>, script: impl FnOnce(Callback) -> F) -> PyResult<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    if !callback.bind(py).is_callable() {
        // Said here, where the mistake is, and not when it is called.
        return Err(PyTypeError::new_err(format!("{} is not callable; give a function", callback.bind(py).repr()?)));
    }
    let core = core().map_err(|error| raise(py, &error))?;
    core.spawn(script(Callback(Arc::new(callback))));
    Ok(())
}

/// A Python callable, called with Python's lock but off the runtime's workers.
#[derive(Clone)]
pub(super) struct Callback(Arc<Py<PyAny>>);

impl Callback {
    /// Calls it with one argument and waits for its end. What it raises goes to `sys.unraisablehook`, which logs it.
    pub(super) async fn call(&self, argument: impl FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send + 'static) {
        let (callable, (done, is_done)) = (self.0.clone(), oneshot::channel());
        let started = tokio::task::spawn_blocking(move || {
            // None where the interpreter is shutting down.
            exit::attach(|py| {
                let started = argument(py).and_then(|argument| start(py, &callable, argument, done));
                if let Err(error) = started {
                    error.write_unraisable(py, Some(callable.bind(py)));
                }
            });
        });
        // A panic in the glue was printed already; a thread that never ran, or was ended, says nothing.
        let _ = started.await;
        let _ = is_done.await;
    }
}

/// Starts a thread of Python's own. With frames of ours below the user's code, a call that outlives the interpreter
/// would be ended in the midst of them: see [`exit`].
fn start(py: Python<'_>, callable: &Arc<Py<PyAny>>, argument: Py<PyAny>, done: oneshot::Sender<()>) -> PyResult<()> {
    let (called, done) = (callable.clone(), Mutex::new(Some(done)));
    let ended = PyCFunction::new_closure(py, None, None, move |args: &Bound<'_, PyTuple>, _| {
        if let Ok(error) = args.get_item(0).and_then(|error| Ok(error.cast_into::<PyBaseException>()?)) {
            PyErr::from_value(error.into_any()).write_unraisable(args.py(), Some(called.bind(args.py())));
        }
        drop(done.lock().unwrap_or_else(PoisonError::into_inner).take());
    })?;
    py.import("sparkeeper._calling")?.call_method1("start", (callable.as_ref(), argument, ended)).map(drop)
}
