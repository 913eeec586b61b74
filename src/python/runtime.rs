//! Where Rust futures run on behalf of Python, and the one way to wait for them.
//!
//! The runtime's threads never take Python's lock, so code that holds it for long delays no heartbeat: what waits
//! polls its own future, and an event loop fetches what has ended (see [`super::inbox`]).

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use tokio::runtime::{Builder, Runtime};

use super::errors::raise;
use super::exit;
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
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("sparkeeper").enable_all().build();
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
/// The calling thread polls the future itself, which saves two thread switches a call over handing it to a worker.
///
/// # Errors
/// The future's, as a Python exception; `KeyboardInterrupt`.
pub(super) fn block_on<T: Send>(py: Python<'_>, future: impl Future<Output = Result<T>> + Send) -> PyResult<T> {
    // On the heap: the state of an acquire is some kilobytes, and would be copied on its way here.
    drive(py, Box::pin(future))
}

/// Compiled once for a type of result, not for each of the calls.
fn drive<T: Send>(py: Python<'_>, mut future: Pin<Box<dyn Future<Output = Result<T>> + Send + '_>>) -> PyResult<T> {
    let core = core().map_err(|error| raise(py, &error))?;
    // Signals reach the main thread alone; and that one is never ended in the midst of us.
    let main = is_main_thread(py)?;
    let (result, _stay) = py.detach(|| {
        let _timers_and_tasks = core.enter();
        let wake = Arc::new(Unpark { thread: thread::current(), woken: AtomicBool::new(false) });
        let waker = Waker::from(wake.clone());
        let mut context = Context::from_waker(&waker);
        let mut next_check = Instant::now() + SIGNAL_CHECK;
        loop {
            if let Poll::Ready(result) = future.as_mut().poll(&mut context) {
                return (Ok(result), (!main).then(exit::stay));
            }
            while !wake.woken.swap(false, Ordering::AcqRel) {
                if !main {
                    thread::park();
                    continue;
                }
                thread::park_timeout(next_check.saturating_duration_since(Instant::now()));
                if Instant::now() >= next_check {
                    if let Err(signal) = interrupted() {
                        return (Err(signal), None);
                    }
                    next_check = Instant::now() + SIGNAL_CHECK;
                }
            }
        }
    });
    result.and_then(|result| result.map_err(|error| raise(py, &error)))
}

/// # Errors
/// Where Python's `threading` is gone.
fn is_main_thread(py: Python<'_>) -> PyResult<bool> {
    thread_local!(static KNOWN: Cell<Option<bool>> = const { Cell::new(None) });
    if let Some(known) = KNOWN.get() {
        return Ok(known);
    }
    let threading = py.import("threading")?;
    let main = threading.call_method0("main_thread")?.getattr("ident")?.eq(threading.call_method0("get_ident")?)?;
    KNOWN.set(Some(main));
    Ok(main)
}

/// Wakes the thread that waits.
struct Unpark {
    thread: Thread,
    woken: AtomicBool,
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// # Errors
/// What a signal handler raised: `KeyboardInterrupt`.
#[expect(clippy::redundant_closure_for_method_calls, reason = "the method alone is bound to one lifetime")]
fn interrupted() -> PyResult<()> {
    Python::attach(|py| py.check_signals())
}
