//! Read/write locks: a pair of locks at one path.

use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::coordinator::Coordinator;
use super::errors::raise;
use super::handle::{Handle, Rebuild};
use super::lock::{Lock, Source};
use super::notebook;
use super::seconds::{Seconds, timeout};
use super::text::{self, Text};
use crate::recipes;
use crate::session::Session;

/// Many readers or one writer, in order of arrival; `Coordinator.read_write_lock` makes them.
///
/// Readers that arrive after a waiting writer wait for it. A thread or task that holds the write lock may take the
/// read lock too, and keep it when it lets the write lock go. The other way round is `WouldDeadlock`, at once.
/// Sides of one `ReadWriteLock` know of each other; those of two are strangers.
#[pyclass(frozen, module = "sparkeeper._sparkeeper")]
pub(super) struct ReadWriteLock {
    handle: Handle<recipes::ReadWriteLock, Option<String>>,
    timeout: Option<Duration>,
}

#[pymethods]
impl Coordinator {
    /// A read/write lock at `path`.
    ///
    /// It does not exclude a plain lock at the same path, and is not excluded by one: use one kind per path.
    ///
    /// Args:
    ///     path: Where its contenders line up.
    ///     timeout: How long `with` and `acquire` wait: seconds or timedelta; None waits for ever.
    ///     owner: Who we say we are; the coordinator's owner by default.
    #[pyo3(signature = (path, *, timeout=None, owner=None))]
    fn read_write_lock(
        &self,
        py: Python<'_>,
        path: Text,
        timeout: Option<Seconds>,
        owner: Option<Text>,
    ) -> PyResult<ReadWriteLock> {
        let timeout = self::timeout(py, timeout)?;
        let open = |session: &Session, path: &str, owner: &Option<String>| {
            recipes::ReadWriteLock::new(session, path, owner.clone())
        };
        let handle =
            Handle::new(self.link().clone(), path, text::plain(owner), open).map_err(|error| raise(py, &error))?;
        Ok(ReadWriteLock { handle, timeout })
    }
}

#[pymethods]
impl ReadWriteLock {
    /// The path, as it was given.
    #[getter]
    fn path(&self) -> &str {
        self.handle.path()
    }

    /// The side that readers share.
    fn read(slf: &Bound<'_, Self>) -> Lock {
        let Self { handle, timeout } = slf.get();
        Lock::side(Source::Read(handle.clone()), *timeout, slf.clone().unbind())
    }

    /// The side that excludes everybody.
    fn write(slf: &Bound<'_, Self>) -> Lock {
        let Self { handle, timeout } = slf.get();
        Lock::side(Source::Write(handle.clone()), *timeout, slf.clone().unbind())
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Rebuild<'py>> {
        let keywords = PyDict::new(py);
        keywords.set_item("timeout", self.timeout.map(|timeout| timeout.as_secs_f64()))?;
        keywords.set_item("owner", self.handle.settings())?;
        self.handle.reduce(py, "read_write_lock", keywords)
    }

    fn _repr_html_(slf: &Bound<'_, Self>) -> PyResult<String> {
        notebook::card(slf, "read_write_lock")
    }

    fn __repr__(&self) -> String {
        let here = |held: Option<bool>, side| if held == Some(true) { side } else { "" };
        let pair = self.handle.existing();
        let read = here(pair.map(|pair| pair.read().held_here()), " read here");
        let write = here(pair.map(|pair| pair.write().held_here()), " written here");
        let idle = if read.is_empty() && write.is_empty() { " not held here" } else { "" };
        format!("<ReadWriteLock '{}'{read}{write}{idle}>", self.handle.path())
    }
}
