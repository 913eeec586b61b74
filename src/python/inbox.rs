//! How an event loop learns which of its calls have ended, with no thread of ours inside Python.
//!
//! A call runs on the core runtime. When it ends, its number goes into the inbox of the loop that awaits it, and a byte
//! on a socket, which the loop watches as any other, wakes that loop. Its own thread then fetches the results.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;

/// The calls of one event loop that have ended.
#[pyclass(frozen, module = "sparkeeper._sparkeeper")]
pub(super) struct Inbox {
    ended: Ended,
    wakes: UnixStream,
}

/// Where a call says that it has ended.
#[derive(Clone, Debug)]
pub(super) struct Ended(Arc<Posted>);

#[derive(Debug)]
struct Posted {
    numbers: Mutex<Vec<u64>>,
    wake: UnixStream,
}

impl Ended {
    pub(super) fn post(&self, number: u64) {
        let first = {
            let mut numbers = self.0.numbers.lock().unwrap_or_else(PoisonError::into_inner);
            numbers.push(number);
            numbers.len() == 1
        };
        if first {
            // It fails where the loop is gone, which nobody awaits anything in; two bytes at most are under way.
            let _ = (&self.0.wake).write(&[0]);
        }
    }
}

impl Inbox {
    pub(super) fn ended(&self) -> Ended {
        self.ended.clone()
    }
}

#[pymethods]
impl Inbox {
    /// Makes an empty one.
    #[new]
    fn new() -> PyResult<Self> {
        let (wake, wakes) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        wakes.set_nonblocking(true)?;
        Ok(Self { ended: Ended(Arc::new(Posted { numbers: Mutex::default(), wake })), wakes })
    }

    /// The descriptor that becomes readable when a call has ended.
    fn fileno(&self) -> i32 {
        self.wakes.as_raw_fd()
    }

    /// Takes the numbers of the calls that have ended.
    fn take(&self) -> PyResult<Vec<u64>> {
        // The bytes first: what is posted behind them wakes the loop again.
        match (&self.wakes).read(&mut [0; 16]) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error.into()),
            _ => {}
        }
        Ok(std::mem::take(&mut *self.ended.0.numbers.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}
