//! Locks, alone or as a side of a read/write lock.

use std::time::Duration;

use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::awaitable::{Awaitable, Nothing, awaitable, awaitable_end, awaitable_grant};
use super::contender::Contender;
use super::coordinator::Coordinator;
use super::errors::raise;
use super::handle::Handle;
use super::held::{Held, side, state_name};
use super::notebook;
use super::read_write_lock::ReadWriteLock;
use super::runtime::block_on;
use super::seconds::{Seconds, timeout};
use super::task;
use super::text::{self, Text};
use super::whole::Whole;
use crate::error::Result;
use crate::recipes::{self, Holder, Mode};
use crate::session::Session;

/// A handle on the lock at one path; `Coordinator.lock` makes them, and the sides of a `ReadWriteLock`.
///
/// Reentrant per thread, and per task under asyncio: the one that makes the call counts, also where another awaits it,
/// as `asyncio.gather` and `asyncio.wait_for` do. What it asks for while it asks already waits for the outcome of that,
/// and is the same lock once more. Two handles on one path are two contenders.
/// It pickles as configuration and connects where it is used.
#[pyclass(frozen, module = "sparkeeper._sparkeeper")]
pub(super) struct Lock {
    source: Source,
    timeout: Option<Duration>,
    /// What it is a side of: the two must stay one pair in a pickle.
    pair: Option<Py<ReadWriteLock>>,
}

/// Where the recipe comes from; both are made from who we say we are.
#[derive(Clone)]
pub(super) enum Source {
    Alone(Handle<recipes::Lock, Option<String>>),
    Read(Handle<recipes::ReadWriteLock, Option<String>>),
    Write(Handle<recipes::ReadWriteLock, Option<String>>),
}

impl Source {
    fn path(&self) -> &str {
        match self {
            Self::Alone(handle) => handle.path(),
            Self::Read(handle) | Self::Write(handle) => handle.path(),
        }
    }

    fn mode(&self) -> Mode {
        match self {
            Self::Alone(_) => Mode::Exclusive,
            Self::Read(_) => Mode::Read,
            Self::Write(_) => Mode::Write,
        }
    }

    fn existing(&self) -> Option<&recipes::Lock> {
        match self {
            Self::Alone(handle) => handle.existing(),
            Self::Read(handle) => handle.existing().map(recipes::ReadWriteLock::read),
            Self::Write(handle) => handle.existing().map(recipes::ReadWriteLock::write),
        }
    }

    async fn recipe(&self) -> Result<&recipes::Lock> {
        match self {
            Self::Alone(handle) => handle.recipe().await,
            Self::Read(handle) => Ok(handle.recipe().await?.read()),
            Self::Write(handle) => Ok(handle.recipe().await?.write()),
        }
    }

    async fn recipe_within(&self, timeout: Option<Duration>) -> Result<(&recipes::Lock, Option<Duration>)> {
        let what = self.mode().what();
        match self {
            Self::Alone(handle) => handle.recipe_within(what, timeout).await,
            Self::Read(handle) => handle.recipe_within(what, timeout).await.map(|(lock, left)| (lock.read(), left)),
            Self::Write(handle) => handle.recipe_within(what, timeout).await.map(|(lock, left)| (lock.write(), left)),
        }
    }
}

impl Lock {
    /// One side of a pair.
    pub(super) fn side(source: Source, timeout: Option<Duration>, pair: Py<ReadWriteLock>) -> Self {
        Self { source, timeout, pair: Some(pair) }
    }
}

async fn acquire(source: Source, holder: Holder, timeout: Option<Duration>) -> Result<Held> {
    let (lock, left) = source.recipe_within(timeout).await?;
    Ok(Held::new(lock.acquire(holder, left).await?))
}

async fn try_acquire(source: Source, holder: Holder) -> Result<Option<Held>> {
    Ok(source.recipe().await?.try_acquire(holder).await?.map(Held::new))
}

async fn enter(source: Source, holder: Holder, timeout: Option<Duration>) -> Result<Held> {
    let (lock, left) = source.recipe_within(timeout).await?;
    Ok(Held::new(lock.acquire(holder, left).await?.enter()))
}

async fn leave(source: Source, holder: Holder) -> Result<Nothing> {
    // Seen through in the background.
    drop(source.recipe().await?.leave(holder));
    Ok(Nothing)
}

async fn contenders(source: Source) -> Result<Vec<Contender>> {
    Ok(source.recipe().await?.contenders().await?.into_iter().map(Contender::from).collect())
}

async fn request_release(source: Source, reason: Text) -> Result<Vec<Contender>> {
    Ok(source.recipe().await?.request_release(&reason).await?.into_iter().map(Contender::from).collect())
}

async fn break_hold(source: Source, token: i64) -> Result<Contender> {
    Ok(source.recipe().await?.break_hold(token).await?.into())
}

#[pymethods]
impl Coordinator {
    /// A lock at `path`.
    ///
    /// It does not exclude a read/write lock at the same path, and is not excluded by one: use one kind per path.
    ///
    /// Args:
    ///     path: Where its contenders line up.
    ///     timeout: How long `with` and `acquire` wait: seconds or timedelta; None waits for ever.
    ///     owner: Who we say we are; the coordinator's owner by default.
    #[pyo3(signature = (path, *, timeout=None, owner=None))]
    fn lock(&self, py: Python<'_>, path: Text, timeout: Option<Seconds>, owner: Option<Text>) -> PyResult<Lock> {
        let timeout = self::timeout(py, timeout)?;
        let open =
            |session: &Session, path: &str, owner: &Option<String>| recipes::Lock::new(session, path, owner.clone());
        let handle =
            Handle::new(self.link().clone(), path, text::plain(owner), open).map_err(|error| raise(py, &error))?;
        Ok(Lock { source: Source::Alone(handle), timeout, pair: None })
    }
}

#[pymethods]
impl Lock {
    /// The path, as it was given.
    #[getter]
    fn path(&self) -> &str {
        self.source.path()
    }

    /// Waits for the lock.
    ///
    /// Args:
    ///     timeout: Seconds or timedelta, the total over everything, reconnects included; the handle's
    ///         by default. 0 tries once; without either it waits for ever.
    ///
    /// Returns:
    ///     The held lock. It stands until it is released or lost, also when this object is dropped.
    ///
    /// Raises:
    ///     AcquireTimeout: It took longer; the message names the holder.
    ///     WouldDeadlock: A holder of the read lock asks for the write lock of the same pair.
    ///     Closed: The coordinator was closed meanwhile.
    #[pyo3(signature = (timeout=None))]
    fn acquire(&self, py: Python<'_>, timeout: Option<Seconds>) -> PyResult<Held> {
        let timeout = self::timeout(py, timeout)?.or(self.timeout);
        block_on(py, acquire(self.source.clone(), task::thread(), timeout)).map(Held::arrived)
    }

    /// As `acquire`, to be awaited. Cancelling leaves nothing behind.
    #[pyo3(signature = (timeout=None))]
    fn acquire_async<'py>(&self, py: Python<'py>, timeout: Option<Seconds>) -> PyResult<Awaitable<'py, Held>> {
        let timeout = self::timeout(py, timeout)?.or(self.timeout);
        awaitable_grant(py, acquire(self.source.clone(), task::task(py)?, timeout))
    }

    /// Takes the lock if nobody has it.
    ///
    /// Returns:
    ///     The held lock, or None when somebody else has it.
    fn try_acquire(&self, py: Python<'_>) -> PyResult<Option<Held>> {
        Ok(block_on(py, try_acquire(self.source.clone(), task::thread()))?.map(Held::arrived))
    }

    /// As `try_acquire`, to be awaited.
    fn try_acquire_async<'py>(&self, py: Python<'py>) -> PyResult<Awaitable<'py, Option<Held>>> {
        awaitable_grant(py, try_acquire(self.source.clone(), task::task(py)?))
    }

    /// Everybody in line: the holder first, then who waits, in order of arrival. Readers that share have position 0.
    fn contenders(&self, py: Python<'_>) -> PyResult<Vec<Contender>> {
        block_on(py, contenders(self.source.clone()))
    }

    /// As `contenders`, to be awaited.
    fn contenders_async<'py>(&self, py: Python<'py>) -> PyResult<Awaitable<'py, Vec<Contender>>> {
        awaitable(py, contenders(self.source.clone()))
    }

    /// Asks whoever holds the lock now to let go: its `on_release_requested` is called with the reason.
    ///
    /// A Curator holder is told as Curator's `Revoker` tells it, without the reason.
    ///
    /// Returns:
    ///     Who was asked: nobody where the lock is free, all readers where they share it.
    ///
    /// Raises:
    ///     NotAuthorized: The holder's ACL forbids it.
    #[pyo3(signature = (reason=Text::default()))]
    fn request_release(&self, py: Python<'_>, reason: Text) -> PyResult<Vec<Contender>> {
        block_on(py, request_release(self.source.clone(), reason))
    }

    /// As `request_release`, to be awaited.
    #[pyo3(signature = (reason=Text::default()))]
    fn request_release_async<'py>(&self, py: Python<'py>, reason: Text) -> PyResult<Awaitable<'py, Vec<Contender>>> {
        awaitable(py, request_release(self.source.clone(), reason))
    }

    /// Takes the lock from its holder by force: the next in line is let in. Acquire to be in line yourself.
    ///
    /// The old holder's guarded writes are refused from now on, and it learns LOST. What it does without a
    /// guard until then is not prevented: ask with `request_release` first.
    ///
    /// Args:
    ///     token: The holder's, as `contenders` shows it. Nobody else is touched.
    ///
    /// Returns:
    ///     Who held it.
    ///
    /// Raises:
    ///     NotOwner: The token is not the holder's; the message names who holds it now.
    ///     NotAuthorized: The ACL forbids it.
    fn break_(&self, py: Python<'_>, token: Whole<i64>) -> PyResult<Contender> {
        let token = token.named(py, "token")?;
        block_on(py, break_hold(self.source.clone(), token))
    }

    /// As `break_`, to be awaited.
    fn break_async<'py>(&self, py: Python<'py>, token: Whole<i64>) -> PyResult<Awaitable<'py, Contender>> {
        let token = token.named(py, "token")?;
        awaitable(py, break_hold(self.source.clone(), token))
    }

    fn __enter__(&self, py: Python<'_>) -> PyResult<Held> {
        block_on(py, enter(self.source.clone(), task::thread(), self.timeout)).map(Held::arrived)
    }

    #[pyo3(signature = (_kind=None, _error=None, _trace=None))]
    fn __exit__(
        &self,
        py: Python<'_>,
        _kind: Option<Bound<'_, PyAny>>,
        _error: Option<Bound<'_, PyAny>>,
        _trace: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Nothing> {
        block_on(py, leave(self.source.clone(), task::thread()))
    }

    fn __aenter__<'py>(&self, py: Python<'py>) -> PyResult<Awaitable<'py, Held>> {
        awaitable_grant(py, enter(self.source.clone(), task::task(py)?, self.timeout))
    }

    #[pyo3(signature = (_kind=None, _error=None, _trace=None))]
    fn __aexit__<'py>(
        &self,
        py: Python<'py>,
        _kind: Option<Bound<'_, PyAny>>,
        _error: Option<Bound<'_, PyAny>>,
        _trace: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Awaitable<'py, Nothing>> {
        awaitable_end(py, leave(self.source.clone(), task::task(py)?))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let side = match &self.source {
            Source::Alone(handle) => return alone(py, handle, self.timeout),
            Source::Read(_) => "read",
            Source::Write(_) => "write",
        };
        (py.import("operator")?.call_method1("methodcaller", (side,))?, (&self.pair,)).into_bound_py_any(py)
    }

    fn _repr_html_(slf: &Bound<'_, Self>) -> PyResult<String> {
        notebook::card(slf, "lock")
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let me = task::task(py)?;
        let state = match self.source.existing() {
            Some(lock) => match lock.state(me) {
                Some(state) => format!("{} owner='{}'", state_name(state), lock.owner()),
                None if lock.held_here() => format!("held by another thread or task owner='{}'", lock.owner()),
                None => "not held by this thread".to_owned(),
            },
            None => "not held by this thread".to_owned(),
        };
        Ok(format!("<Lock '{}'{} {state}>", self.source.path(), side(self.source.mode())))
    }
}

/// How pickle makes an equal lock that is nobody's side.
fn alone<'py>(
    py: Python<'py>,
    handle: &Handle<recipes::Lock, Option<String>>,
    timeout: Option<Duration>,
) -> PyResult<Bound<'py, PyAny>> {
    let keywords = PyDict::new(py);
    keywords.set_item("timeout", timeout.map(|timeout| timeout.as_secs_f64()))?;
    keywords.set_item("owner", handle.settings())?;
    handle.reduce(py, "lock", keywords)?.into_bound_py_any(py)
}
