//! Caches.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::awaitable::{Awaitable, Nothing, awaitable, awaitable_end};
use super::cache_events::{CacheEvent, CacheEvents};
use super::cache_snapshot::CacheSnapshot;
use super::callbacks;
use super::coordinator::Coordinator;
use super::errors::raise;
use super::handle::Rebuild;
use super::runtime::block_on;
use super::seconds::{Seconds, timeout};
use super::text::Text;
use super::znodes::Bytes;
use crate::error::{Error, Result};
use crate::recipes::cache as recipe;
use crate::session::Session;

/// A copy of the subtree at one path, in memory, that follows the server; `Coordinator.cache` makes them.
///
/// It is read on first use, and answers from memory from then on. It becomes equal to the server after every
/// change; while disconnected it answers with what it knew last; after a lost connection, and after an expiry, it
/// compares itself with the server. The path need not exist; what is below it may come and go.
///
/// It maps paths below its own, without a leading slash, to data; its own is "". A node whose ACL forbids reading
/// it is not in it; where that is its own path, every call raises `NotAuthorized`, until it may be read. A node with so
/// many children that their names fill 1 MiB cannot be listed, by nobody.
/// It pickles as configuration and reads where it is used.
#[pyclass(frozen, module = "sparkeeper._sparkeeper")]
pub(super) struct Cache {
    handle: Handle,
    closed: Arc<AtomicBool>,
}

/// What a cache is made from: whether it asks for a persistent watch.
type Handle = super::handle::Handle<recipe::Cache, bool>;

async fn cache(handle: &Handle, closed: &AtomicBool) -> Result<recipe::Cache> {
    if closed.load(Ordering::Acquire) {
        return Err(Error::closed(format!("cache '{}': it was closed; make another", handle.path())));
    }
    Ok(handle.recipe().await?.clone())
}

async fn wait_ready(handle: Handle, closed: Arc<AtomicBool>, timeout: Option<Duration>) -> Result<Nothing> {
    cache(&handle, &closed).await?.ready(timeout).await.map(|()| Nothing)
}

async fn snapshot(handle: Handle, closed: Arc<AtomicBool>) -> Result<CacheSnapshot> {
    Ok(CacheSnapshot::new(handle.path().to_owned(), cache(&handle, &closed).await?.snapshot().await?))
}

async fn get(handle: Handle, closed: Arc<AtomicBool>, path: Text) -> Result<Option<Bytes>> {
    Ok(snapshot(handle, closed).await?.node(&path).map(|node| Bytes(node.data.clone())))
}

async fn children(handle: Handle, closed: Arc<AtomicBool>, path: Text) -> Result<Vec<String>> {
    snapshot(handle, closed).await?.names(&path)
}

async fn events(handle: Handle, closed: Arc<AtomicBool>, patience: Option<Duration>) -> Result<CacheEvents> {
    Ok(CacheEvents::new(cache(&handle, &closed).await?.events().await?, patience))
}

async fn close(handle: Handle, closed: Arc<AtomicBool>) -> Result<Nothing> {
    closed.store(true, Ordering::Release);
    if let Some(cache) = handle.existing() {
        cache.close().await;
    }
    Ok(Nothing)
}

#[pymethods]
impl Coordinator {
    /// A cache of the subtree at `path`.
    ///
    /// Args:
    ///     path: Its root.
    ///     persistent: Stand on one persistent recursive watch. Servers before 3.6 know none: with them the cache
    ///         falls back by itself to two plain watches for each node, at the price of one reconnect, which False
    ///         saves. Plain watches suit trees of up to some ten thousand nodes.
    #[pyo3(signature = (path, *, persistent=true))]
    fn cache(&self, py: Python<'_>, path: Text, persistent: bool) -> PyResult<Cache> {
        let open = |session: &Session, path: &str, persistent: &bool| recipe::Cache::new(session, path, *persistent);
        let handle = Handle::new(self.link().clone(), path, persistent, open).map_err(|error| raise(py, &error))?;
        Ok(Cache { handle, closed: Arc::default() })
    }
}

impl Cache {
    fn both(&self) -> (Handle, Arc<AtomicBool>) {
        (self.handle.clone(), self.closed.clone())
    }

    fn now(&self, py: Python<'_>) -> PyResult<CacheSnapshot> {
        let (handle, closed) = self.both();
        block_on(py, snapshot(handle, closed))
    }
}

#[pymethods]
impl Cache {
    /// The path, as it was given.
    #[getter]
    fn path(&self) -> &str {
        self.handle.path()
    }

    /// Waits until the subtree was read once. Every other call does that too, without a time limit.
    ///
    /// Args:
    ///     timeout: Seconds or timedelta; None waits for ever.
    ///
    /// Raises:
    ///     AcquireTimeout: It took longer.
    #[pyo3(signature = (timeout=None))]
    fn wait_ready(&self, py: Python<'_>, timeout: Option<Seconds>) -> PyResult<Nothing> {
        let timeout = self::timeout(py, timeout)?;
        let (handle, closed) = self.both();
        block_on(py, wait_ready(handle, closed, timeout))
    }

    /// As `wait_ready`, to be awaited.
    #[pyo3(signature = (timeout=None))]
    fn wait_ready_async<'py>(&self, py: Python<'py>, timeout: Option<Seconds>) -> PyResult<Awaitable<'py, Nothing>> {
        let timeout = self::timeout(py, timeout)?;
        let (handle, closed) = self.both();
        awaitable(py, wait_ready(handle, closed, timeout))
    }

    /// The data at a path below the cache's, or None where there is no such node.
    fn get(&self, py: Python<'_>, path: Text) -> PyResult<Option<Bytes>> {
        let (handle, closed) = self.both();
        block_on(py, get(handle, closed, path))
    }

    /// As `get`, to be awaited.
    fn get_async<'py>(&self, py: Python<'py>, path: Text) -> PyResult<Awaitable<'py, Option<Bytes>>> {
        let (handle, closed) = self.both();
        awaitable(py, get(handle, closed, path))
    }

    /// The names of a node's children, sorted.
    ///
    /// Raises:
    ///     NoNode: There is no such node.
    #[pyo3(signature = (path=""))]
    fn children(&self, py: Python<'_>, path: &str) -> PyResult<Vec<String>> {
        let (handle, closed) = self.both();
        block_on(py, children(handle, closed, path.into()))
    }

    /// As `children`, to be awaited.
    #[pyo3(signature = (path=""))]
    fn children_async<'py>(&self, py: Python<'py>, path: &str) -> PyResult<Awaitable<'py, Vec<String>>> {
        let (handle, closed) = self.both();
        awaitable(py, children(handle, closed, path.into()))
    }

    /// The whole copy at one moment.
    fn snapshot(&self, py: Python<'_>) -> PyResult<CacheSnapshot> {
        self.now(py)
    }

    /// As `snapshot`, to be awaited.
    fn snapshot_async<'py>(&self, py: Python<'py>) -> PyResult<Awaitable<'py, CacheSnapshot>> {
        let (handle, closed) = self.both();
        awaitable(py, snapshot(handle, closed))
    }

    /// Every change from this call on: an iterator of `CacheEvent`, for `for` and for `async for`.
    ///
    /// They come in the order of their zxids, and none is invented: each is a change that was made. Changes that
    /// follow each other faster than they can be read may come as one, with the last data: so may those made
    /// while the link was down, and those that a reader leaves unread by the ten thousands. Nothing else is left
    /// out: a reader's copy, to which it applies every event, becomes equal to the cache.
    ///
    /// To begin with the whole, call `events()` first and `snapshot()` then; pass over events whose zxid is not
    /// above the snapshot's.
    ///
    /// Args:
    ///     timeout: Ends the loop when nothing happened for so long: seconds or timedelta; None waits for ever.
    #[pyo3(signature = (timeout=None))]
    fn events(&self, py: Python<'_>, timeout: Option<Seconds>) -> PyResult<CacheEvents> {
        let timeout = self::timeout(py, timeout)?;
        let (handle, closed) = self.both();
        block_on(py, events(handle, closed, timeout))
    }

    /// As `events`, to be awaited: `async for event in await cache.events_async()`.
    #[pyo3(signature = (timeout=None))]
    fn events_async<'py>(&self, py: Python<'py>, timeout: Option<Seconds>) -> PyResult<Awaitable<'py, CacheEvents>> {
        let timeout = self::timeout(py, timeout)?;
        let (handle, closed) = self.both();
        awaitable(py, events(handle, closed, timeout))
    }

    /// Calls `callback(event)` for every change from this call on, in order, on a thread of its own, until the
    /// cache is closed. See `events`.
    fn on_change(&self, py: Python<'_>, callback: Py<PyAny>) -> PyResult<()> {
        let (handle, closed) = self.both();
        let events = block_on(py, async move { cache(&handle, &closed).await?.events().await })?;
        callbacks::run(py, callback, |callback| async move {
            // An error is the session's end, of which `on_state` tells.
            while let Ok(Some(event)) = events.next().await {
                callback.call(move |py| Ok(Py::new(py, CacheEvent::from(event))?.into_any())).await;
            }
        })
    }

    /// Stops following, and takes the watches off the server. Loops over `events()` end.
    fn close(&self, py: Python<'_>) -> PyResult<Nothing> {
        let (handle, closed) = self.both();
        block_on(py, close(handle, closed))
    }

    /// As `close`, to be awaited.
    fn close_async<'py>(&self, py: Python<'py>) -> PyResult<Awaitable<'py, Nothing>> {
        let (handle, closed) = self.both();
        awaitable_end(py, close(handle, closed))
    }

    fn __getitem__(&self, py: Python<'_>, path: Text) -> PyResult<Bytes> {
        let found = self.now(py)?;
        let node = found.find(&path).map_err(|error| raise(py, &error))?;
        Ok(Bytes(node.data.clone()))
    }

    fn __contains__(&self, py: Python<'_>, path: Text) -> PyResult<bool> {
        Ok(self.now(py)?.__contains__(path))
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.now(py)?.__len__())
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.now(py)?.__iter__(py)
    }

    fn __enter__<'py>(slf: PyRef<'py, Self>, py: Python<'py>) -> PyResult<PyRef<'py, Self>> {
        let (handle, closed) = slf.both();
        block_on(py, wait_ready(handle, closed, None))?;
        Ok(slf)
    }

    #[pyo3(signature = (_kind=None, _error=None, _trace=None))]
    fn __exit__(
        &self,
        py: Python<'_>,
        _kind: Option<Bound<'_, PyAny>>,
        _error: Option<Bound<'_, PyAny>>,
        _trace: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Nothing> {
        self.close(py)
    }

    fn __aenter__(slf: Bound<'_, Self>) -> PyResult<Awaitable<'_, Py<Self>>> {
        let (py, (handle, closed), this) = (slf.py(), slf.get().both(), slf.clone().unbind());
        awaitable(py, async move { wait_ready(handle, closed, None).await.map(|_| this) })
    }

    #[pyo3(signature = (_kind=None, _error=None, _trace=None))]
    fn __aexit__<'py>(
        &self,
        py: Python<'py>,
        _kind: Option<Bound<'_, PyAny>>,
        _error: Option<Bound<'_, PyAny>>,
        _trace: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Awaitable<'py, Nothing>> {
        self.close_async(py)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Rebuild<'py>> {
        let keywords = PyDict::new(py);
        keywords.set_item("persistent", self.handle.settings())?;
        self.handle.reduce(py, "cache", keywords)
    }

    fn __repr__(&self) -> String {
        let existing = self.handle.existing();
        let state = match existing.and_then(recipe::Cache::known) {
            _ if self.closed.load(Ordering::Acquire) => "CLOSED".to_owned(),
            Some(known) => format!("READY nodes={} zxid={}", known.nodes.len(), known.zxid),
            None if existing.is_some_and(recipe::Cache::is_closed) => "CLOSED".to_owned(),
            None => "not read yet".to_owned(),
        };
        format!("<Cache '{}' {state}>", self.handle.path())
    }
}
