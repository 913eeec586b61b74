//! Calls into Python from sessions: each on a thread of its own, so that a callback that raises,
//! blocks or calls the coordinator delays no heartbeat and no other callback.

use std::future::Future;
use std::sync::Arc;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

use super::errors::raise;
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
        let callable = self.0.clone();
        let called = tokio::task::spawn_blocking(move || {
            // None where the interpreter is shutting down.
            Python::try_attach(|py| {
                if let Err(error) = argument(py).and_then(|argument| callable.call1(py, (argument,))) {
                    error.write_unraisable(py, Some(callable.bind(py)));
                }
            });
        });
        // A panic in the glue was printed already.
        let _ = called.await;
    }
}
