//! Who holds a lock from Python's side: the calling thread, or under asyncio the running task.

use std::sync::atomic::{AtomicU64, Ordering};

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::recipes::Holder;

static NEXT: AtomicU64 = AtomicU64::new(1);

fn fresh() -> u64 {
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The calling thread.
pub(super) fn thread() -> Holder {
    thread_local! { static ME: u64 = fresh(); }
    Holder(ME.with(|me| *me))
}

/// The running task, or the thread where no task runs. Numbers are never used twice, as
/// addresses of tasks are: a new task must not find itself in possession of an old one's lock.
///
/// # Errors
/// Where Python's `asyncio` or `weakref` fail.
pub(super) fn task(py: Python<'_>) -> PyResult<Holder> {
    static NUMBERS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let Ok(task) = py.import("asyncio")?.call_method0("current_task") else { return Ok(thread()) };
    if task.is_none() {
        return Ok(thread());
    }
    let numbers = NUMBERS
        .get_or_try_init(py, || PyResult::Ok(py.import("weakref")?.call_method0("WeakKeyDictionary")?.unbind()))?;
    let number = numbers.bind(py).call_method1("setdefault", (task, fresh()))?;
    Ok(Holder(number.extract()?))
}
