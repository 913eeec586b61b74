//! Multi-locks: several locks, all or none.

use std::collections::BTreeMap;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::awaitable::{Awaitable, Nothing, awaitable, awaitable_end, awaitable_grant};
use super::contender::Contender;
use super::coordinator::Coordinator;
use super::errors::raise;
use super::held::{Held, state_name};
use super::notebook;
use super::runtime::block_on;
use super::seconds::{Seconds, timeout};
use super::task;
use super::text::{self, Text};
use super::whole::Whole;
use crate::error::Result;
use crate::recipes::{self, Holder, Mode};
use crate::session::Session;

/// The locks at several paths, all or none; `Coordinator.multi_lock` makes them.
///
/// No two multi-locks wait for each other, whatever order their paths were given in. Each path also excludes
/// `Coordinator.lock` and Curator's `InterProcessMutex` on it. Reentrant per thread, and per task under asyncio, as
/// `Lock` is.
/// It pickles as configuration and connects where it is used.
#[pyclass(frozen, module = "sparkeeper._sparkeeper")]
pub(super) struct MultiLock {
    handle: Handle,
    timeout: Option<Duration>,
}

/// What it is made from: the paths, and who we say we are.
type Handle = super::handle::Handle<recipes::MultiLock, (Vec<String>, Option<String>)>;

/// The function that makes an equal handle, and its arguments: settings, factory, paths, keywords.
type Rebuild<'py> = (Bound<'py, PyAny>, (Bound<'py, PyAny>, &'static str, Vec<String>, Bound<'py, PyAny>));

async fn acquire(handle: Handle, holder: Holder, timeout: Option<Duration>) -> Result<Held> {
    let (lock, left) = handle.recipe_within(Mode::All.what(), timeout).await?;
    Ok(Held::new(lock.acquire(holder, left).await?))
}

async fn try_acquire(handle: Handle, holder: Holder) -> Result<Option<Held>> {
    Ok(handle.recipe().await?.try_acquire(holder).await?.map(Held::new))
}

async fn enter(handle: Handle, holder: Holder, timeout: Option<Duration>) -> Result<Held> {
    let (lock, left) = handle.recipe_within(Mode::All.what(), timeout).await?;
    Ok(Held::new(lock.acquire(holder, left).await?.enter()))
}

async fn leave(handle: Handle, holder: Holder) -> Result<Nothing> {
    // Seen through in the background.
    drop(handle.recipe().await?.leave(holder));
    Ok(Nothing)
}

async fn contenders(handle: Handle) -> Result<BTreeMap<String, Vec<Contender>>> {
    let lines = handle.recipe().await?.contenders().await?;
    Ok(lines.into_iter().map(|(path, line)| (path, line.into_iter().map(Contender::from).collect())).collect())
}

async fn request_release(handle: Handle, reason: Text) -> Result<Vec<Contender>> {
    Ok(handle.recipe().await?.request_release(&reason).await?.into_iter().map(Contender::from).collect())
}

async fn break_hold(handle: Handle, token: i64) -> Result<Contender> {
    Ok(handle.recipe().await?.break_hold(token).await?.into())
}

#[pymethods]
impl Coordinator {
    /// The locks at several paths, to be held all or none.
    ///
    /// Args:
    ///     paths: Where contenders line up; a path that is named twice counts once.
    ///     timeout: How long `with` and `acquire` wait: seconds or timedelta; None waits for ever.
    ///     owner: Who we say we are; the coordinator's owner by default.
    ///
    /// Raises:
    ///     ConfigError: There is no path.
    #[pyo3(signature = (paths, *, timeout=None, owner=None))]
    fn multi_lock(
        &self,
        py: Python<'_>,
        paths: Vec<Text>,
        timeout: Option<Seconds>,
        owner: Option<Text>,
    ) -> PyResult<MultiLock> {
        let timeout = self::timeout(py, timeout)?;
        let open = |session: &Session, _: &str, (paths, owner): &(Vec<String>, Option<String>)| {
            recipes::MultiLock::new(session, paths, owner.clone())
        };
        let (paths, owner): (Vec<String>, _) = (paths.into_iter().map(String::from).collect(), text::plain(owner));
        let prefix = self.link().config().prefix();
        let paths = prefix.and_then(|prefix| recipes::multi_lock::distinct(&prefix, &paths));
        let handle = paths.and_then(|paths| Handle::new(self.link().clone(), paths.join(", "), (paths, owner), open));
        Ok(MultiLock { handle: handle.map_err(|error| raise(py, &error))?, timeout })
    }
}

#[pymethods]
impl MultiLock {
    /// The paths as they were given, each once.
    #[getter]
    fn paths(&self) -> Vec<String> {
        self.handle.settings().0.clone()
    }

    /// Waits for all the locks.
    ///
    /// Args:
    ///     timeout: Seconds or timedelta, the total over everything, reconnects included; the handle's
    ///         by default. 0 tries once; without either it waits for ever.
    ///
    /// Returns:
    ///     The held locks, with one token. They stand until released or lost, all together.
    ///
    /// Raises:
    ///     AcquireTimeout: It took longer; the message names the holders.
    ///     Closed: The coordinator was closed meanwhile.
    #[pyo3(signature = (timeout=None))]
    fn acquire(&self, py: Python<'_>, timeout: Option<Seconds>) -> PyResult<Held> {
        let timeout = self::timeout(py, timeout)?.or(self.timeout);
        block_on(py, acquire(self.handle.clone(), task::thread(), timeout)).map(Held::arrived)
    }

    /// As `acquire`, to be awaited. Cancelling leaves nothing behind.
    #[pyo3(signature = (timeout=None))]
    fn acquire_async<'py>(&self, py: Python<'py>, timeout: Option<Seconds>) -> PyResult<Awaitable<'py, Held>> {
        let timeout = self::timeout(py, timeout)?.or(self.timeout);
        awaitable_grant(py, acquire(self.handle.clone(), task::task(py)?, timeout))
    }

    /// Takes all the locks if nobody has any.
    ///
    /// Returns:
    ///     The held locks, or None when somebody else has one.
    fn try_acquire(&self, py: Python<'_>) -> PyResult<Option<Held>> {
        Ok(block_on(py, try_acquire(self.handle.clone(), task::thread()))?.map(Held::arrived))
    }

    /// As `try_acquire`, to be awaited.
    fn try_acquire_async<'py>(&self, py: Python<'py>) -> PyResult<Awaitable<'py, Option<Held>>> {
        awaitable_grant(py, try_acquire(self.handle.clone(), task::task(py)?))
    }

    /// Everybody in line, by path: the holder first, then who waits, in order of arrival.
    fn contenders(&self, py: Python<'_>) -> PyResult<BTreeMap<String, Vec<Contender>>> {
        block_on(py, contenders(self.handle.clone()))
    }

    /// As `contenders`, to be awaited.
    fn contenders_async<'py>(&self, py: Python<'py>) -> PyResult<Awaitable<'py, BTreeMap<String, Vec<Contender>>>> {
        awaitable(py, contenders(self.handle.clone()))
    }

    /// Asks whoever holds any of the locks now to let go, as `Lock.request_release` does.
    ///
    /// Returns:
    ///     Who was asked: nobody where all are free.
    ///
    /// Raises:
    ///     NotAuthorized: A holder's ACL forbids it.
    #[pyo3(signature = (reason=Text::default()))]
    fn request_release(&self, py: Python<'_>, reason: Text) -> PyResult<Vec<Contender>> {
        block_on(py, request_release(self.handle.clone(), reason))
    }

    /// As `request_release`, to be awaited.
    #[pyo3(signature = (reason=Text::default()))]
    fn request_release_async<'py>(&self, py: Python<'py>, reason: Text) -> PyResult<Awaitable<'py, Vec<Contender>>> {
        awaitable(py, request_release(self.handle.clone(), reason))
    }

    /// Takes what one holder has of these paths by force, as `Lock.break_` does.
    ///
    /// Args:
    ///     token: The holder's, as `contenders` shows it. A multi-lock that loses one path loses all.
    ///
    /// Returns:
    ///     Who held it.
    ///
    /// Raises:
    ///     NotOwner: The token is not a holder's; the message names who holds the paths now.
    ///     NotAuthorized: The ACL forbids it.
    fn break_(&self, py: Python<'_>, token: Whole<i64>) -> PyResult<Contender> {
        let token = token.named(py, "token")?;
        block_on(py, break_hold(self.handle.clone(), token))
    }

    /// As `break_`, to be awaited.
    fn break_async<'py>(&self, py: Python<'py>, token: Whole<i64>) -> PyResult<Awaitable<'py, Contender>> {
        let token = token.named(py, "token")?;
        awaitable(py, break_hold(self.handle.clone(), token))
    }

    fn __enter__(&self, py: Python<'_>) -> PyResult<Held> {
        block_on(py, enter(self.handle.clone(), task::thread(), self.timeout)).map(Held::arrived)
    }

    #[pyo3(signature = (_kind=None, _error=None, _trace=None))]
    fn __exit__(
        &self,
        py: Python<'_>,
        _kind: Option<Bound<'_, PyAny>>,
        _error: Option<Bound<'_, PyAny>>,
        _trace: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Nothing> {
        block_on(py, leave(self.handle.clone(), task::thread()))
    }

    fn __aenter__<'py>(&self, py: Python<'py>) -> PyResult<Awaitable<'py, Held>> {
        awaitable_grant(py, enter(self.handle.clone(), task::task(py)?, self.timeout))
    }

    #[pyo3(signature = (_kind=None, _error=None, _trace=None))]
    fn __aexit__<'py>(
        &self,
        py: Python<'py>,
        _kind: Option<Bound<'_, PyAny>>,
        _error: Option<Bound<'_, PyAny>>,
        _trace: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Awaitable<'py, Nothing>> {
        awaitable_end(py, leave(self.handle.clone(), task::task(py)?))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Rebuild<'py>> {
        let (paths, owner) = self.handle.settings();
        let keywords = PyDict::new(py);
        keywords.set_item("timeout", self.timeout.map(|timeout| timeout.as_secs_f64()))?;
        keywords.set_item("owner", owner)?;
        let (rebuild, (settings, factory, _, keywords)) = self.handle.reduce(py, "multi_lock", keywords)?;
        Ok((rebuild, (settings, factory, paths.clone(), keywords)))
    }

    fn _repr_html_(slf: &Bound<'_, Self>) -> PyResult<String> {
        notebook::card(slf, "multi_lock")
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let me = task::task(py)?;
        let state = match self.handle.existing() {
            Some(lock) => match lock.state(me) {
                Some(state) => format!("{} owner='{}'", state_name(state), lock.owner()),
                None if lock.held_here() => format!("held by another thread or task owner='{}'", lock.owner()),
                None => "not held by this thread".to_owned(),
            },
            None => "not held by this thread".to_owned(),
        };
        Ok(format!("<MultiLock '{}' {state}>", self.handle.path()))
    }
}
