//! Where Rust futures run on behalf of Python: the one way to wait, and the one way to be awaited.
//!
//! Two runtimes, because of Python's lock. Sessions live on the core runtime, whose threads never
//! take the lock, so code that holds it for long delays no heartbeat. Results are handed to asyncio
//! on a runtime of their own, where waiting for the lock hurts nobody.

use std::future::Future;
use std::pin::pin;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyTuple};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use super::errors::raise;
use crate::error::{Error, Result};

/// How long a wait may go on before Ctrl-C is looked for.
const SIGNAL_CHECK: Duration = Duration::from_millis(100);

/// The process that started the runtime, and the runtime.
static CORE: OnceLock<(u32, std::io::Result<Runtime>)> = OnceLock::new();

/// The core runtime, started on first use.
///
/// # Errors
/// `ForkedProcess` in a child of the process that started it: its threads did not survive the fork.
pub(super) fn core() -> Result<&'static Runtime> {
    let process = std::process::id();
    let (owner, runtime) = CORE.get_or_init(|| {
        let mut completions = Builder::new_multi_thread();
        completions.worker_threads(1).thread_name("sparkeeper-asyncio").enable_all();
        pyo3_async_runtimes::tokio::init(completions);
        let runtime = Builder::new_multi_thread().worker_threads(2).thread_name("sparkeeper").enable_all().build();
        (process, runtime)
    });
    if *owner != process {
        return Err(Error::forked_process(format!(
            "process {process} was forked from {owner} after that had connected, and the connection's threads stayed \
             there; connect for the first time in the child, or start it with multiprocessing's \"spawn\""
        )));
    }
    runtime.as_ref().map_err(|error| Error::server(format!("cannot start the threads of a session: {error}")))
}

/// Runs a future with Python's lock released. Ctrl-C ends it within 200 ms and drops it.
///
/// # Errors
/// The future's, as a Python exception; `KeyboardInterrupt`.
pub(super) fn block_on<T: Send>(py: Python<'_>, future: impl Future<Output = Result<T>> + Send) -> PyResult<T> {
    let core = core().map_err(|error| raise(py, &error))?;
    py.detach(|| {
        core.block_on(async {
            let mut future = pin!(future);
            loop {
                tokio::select! {
                    biased;
                    result = &mut future => return result.map_err(|error| Python::attach(|py| raise(py, &error))),
                    () = tokio::time::sleep(SIGNAL_CHECK) => interrupted()?,
                }
            }
        })
    })
}

/// # Errors
/// What a signal handler raised: `KeyboardInterrupt`.
fn interrupted() -> PyResult<()> {
    Python::attach(|py| py.check_signals())
}

/// The asyncio sibling of [`block_on`]: a coroutine. Cancelling its task drops the future.
///
/// # Errors
/// `ForkedProcessError`.
pub(super) fn awaitable<'py, T>(
    py: Python<'py>,
    future: impl Future<Output = Result<T>> + Send + 'static,
) -> PyResult<Bound<'py, PyAny>>
where
    T: for<'a> IntoPyObject<'a> + Send + 'static,
{
    coroutine(py, "answer", future)
}

/// As [`awaitable`], for a future that grants something. The grant must give itself back where it is
/// dropped before `_arrive` is called on it: a task can be cancelled when its result is under way.
///
/// # Errors
/// `ForkedProcessError`.
pub(super) fn awaitable_grant<'py, T>(
    py: Python<'py>,
    future: impl Future<Output = Result<T>> + Send + 'static,
) -> PyResult<Bound<'py, PyAny>>
where
    T: for<'a> IntoPyObject<'a> + Send + 'static,
{
    coroutine(py, "grant", future)
}

fn coroutine<'py, T>(
    py: Python<'py>,
    function: &str,
    future: impl Future<Output = Result<T>> + Send + 'static,
) -> PyResult<Bound<'py, PyAny>>
where
    T: for<'a> IntoPyObject<'a> + Send + 'static,
{
    core().map_err(|error| raise(py, &error))?;
    let future = Mutex::new(Some(future));
    let start = move |args: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| {
        let future = future.lock().unwrap_or_else(PoisonError::into_inner).take();
        start(args.py(), async move {
            match future {
                Some(future) => future.await,
                None => Err(Error::closed("this call was awaited before; call again")),
            }
        })
    };
    let start = PyCFunction::new_closure(py, None, None, start)?;
    py.import("sparkeeper._awaiting")?.call_method1(function, (start,))
}

/// Starts a future on the core runtime and returns the `asyncio.Future` of its result.
fn start<T>(py: Python<'_>, future: impl Future<Output = Result<T>> + Send + 'static) -> PyResult<Py<PyAny>>
where
    T: for<'a> IntoPyObject<'a> + Send + 'static,
{
    let core = core().map_err(|error| raise(py, &error))?;
    let mut tasks = JoinSet::new();
    tasks.spawn_on(future, core.handle());
    let future = pyo3_async_runtimes::tokio::future_into_py(py, async move {
        // Dropping the set, as a cancelled asyncio task does, aborts the future.
        let result = match tasks.join_next().await {
            Some(Ok(result)) => result,
            Some(Err(error)) => Err(Error::server(format!("a task of the session failed: {error}"))),
            None => Err(Error::closed("the session's runtime is gone")),
        };
        result.map_err(|error| Python::attach(|py| raise(py, &error)))
    })?;
    Ok(future.unbind())
}
