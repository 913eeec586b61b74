//! Keeps threads that run code of ours out of Python once the interpreter ends.
//!
//! A thread that waits for Python's lock then, or gives it up within a call and wants it back, is ended by the
//! interpreter in the midst of our code; what that code still has to put down, it puts down without the lock, and the
//! process dies of it. So before the end, while Python is whole, the gate is closed behind whoever is inside.

use std::process;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use pyo3::prelude::*;

/// How long the end waits for a callback of the user's that does not return.
const PATIENCE: Duration = Duration::from_secs(2);

struct Inside {
    threads: usize,
    closed: bool,
}

static GATE: Mutex<Inside> = Mutex::new(Inside { threads: 0, closed: false });
static LEFT: Condvar = Condvar::new();

/// Has [`close`] called at the end.
///
/// # Errors
/// Where Python's `atexit` cannot be imported.
pub(super) fn install(py: Python<'_>) -> PyResult<()> {
    let process = process::id();
    let close = pyo3::types::PyCFunction::new_closure(py, None, None, move |args, _| {
        // In a forked child these threads do not exist.
        if process == process::id() {
            close(args.py());
        }
    })?;
    py.import("atexit")?.call_method1("register", (close,))?;
    Ok(())
}

/// [`Python::try_attach`] on a thread of ours; `None` where the interpreter is ending.
pub(super) fn attach<R>(call: impl FnOnce(Python<'_>) -> R) -> Option<R> {
    let _inside = enter()?;
    Python::try_attach(call)
}

/// A thread of the user's is about to take Python's lock again, and stays inside until it has. Never returns where the
/// interpreter is ending, which would end a daemon thread there and then.
pub(super) fn stay() -> Stay {
    enter().unwrap_or_else(|| {
        loop {
            thread::park();
        }
    })
}

fn close(py: Python<'_>) {
    py.detach(|| {
        let mut inside = gate();
        inside.closed = true;
        let _ = LEFT.wait_timeout_while(inside, PATIENCE, |inside| inside.threads > 0);
    });
}

fn gate() -> MutexGuard<'static, Inside> {
    GATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A thread's stay; counted until dropped.
pub(super) struct Stay;

fn enter() -> Option<Stay> {
    let mut inside = gate();
    if inside.closed {
        return None;
    }
    inside.threads += 1;
    Some(Stay)
}

impl Drop for Stay {
    fn drop(&mut self) {
        gate().threads -= 1;
        LEFT.notify_all();
    }
}
