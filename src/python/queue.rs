//! Queues.

use std::time::Duration;

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyDict;

use super::awaitable::{Awaitable, awaitable, awaitable_grant};
use super::coordinator::Coordinator;
use super::errors::raise;
use super::handle::Rebuild;
use super::queue_item::QueueItem;
use super::queue_listing::{DeadLetter, QueueDepth, QueueWorker};
use super::runtime::block_on;
use super::seconds::{Seconds, timeout};
use super::text::{self, Text};
use super::whole::{self, Whole, named};
use crate::error::Result;
use crate::recipes;
use crate::recipes::queue::{Put, Settings};
use crate::session::Session;

/// How long a consumer may work on an item unless told otherwise.
const LEASE: Duration = Duration::from_secs(60);

/// A queue that delivers each item at least once, by priority and then arrival; `Coordinator.queue` makes them.
///
/// It pickles as configuration and connects where it is used.
#[pyclass(frozen, module = "sparkeeper._sparkeeper")]
pub(super) struct Queue(Handle);

type Handle = super::handle::Handle<recipes::Queue, Settings>;

async fn put(handle: Handle, data: PyBackedBytes, how: Put) -> Result<String> {
    handle.recipe().await?.put(&data, &how).await
}

async fn put_many(handle: Handle, data: Vec<PyBackedBytes>, how: Put) -> Result<Vec<String>> {
    handle.recipe().await?.put_many(&data, &how).await
}

async fn get(handle: Handle, timeout: Option<Duration>, lease: Duration) -> Result<QueueItem> {
    let (queue, left) = handle.recipe_within("queue", timeout).await?;
    Ok(QueueItem::new(queue.get(left, lease).await?))
}

async fn try_get(handle: Handle, lease: Duration) -> Result<Option<QueueItem>> {
    Ok(handle.recipe().await?.try_get(lease).await?.map(QueueItem::new))
}

async fn len(handle: Handle) -> Result<usize> {
    handle.recipe().await?.len().await
}

async fn depth(handle: Handle) -> Result<QueueDepth> {
    Ok(handle.recipe().await?.depth().await?.into())
}

async fn workers(handle: Handle) -> Result<Vec<QueueWorker>> {
    Ok(handle.recipe().await?.workers().await?.into_iter().map(QueueWorker::from).collect())
}

async fn dead_letters(handle: Handle, limit: Option<usize>) -> Result<Vec<DeadLetter>> {
    Ok(handle.recipe().await?.dead_letters(limit).await?.into_iter().map(DeadLetter).collect())
}

async fn retry_dead(handle: Handle, id: Option<Text>) -> Result<usize> {
    handle.recipe().await?.retry_dead(id.as_deref()).await
}

async fn purge_dead(handle: Handle, id: Option<Text>) -> Result<usize> {
    handle.recipe().await?.purge_dead(id.as_deref()).await
}

fn how(py: Python<'_>, priority: i32, delay: Option<Seconds>, dedupe: Option<Text>) -> PyResult<Put> {
    let delay = delay.map(|delay| delay.duration(py, "delay")).transpose()?.unwrap_or_default();
    Ok(Put { priority, delay, dedupe: text::plain(dedupe) })
}

fn lease(py: Python<'_>, lease: Option<Seconds>) -> PyResult<Duration> {
    Ok(lease.map(|lease| lease.duration(py, "lease")).transpose()?.unwrap_or(LEASE))
}

#[pymethods]
impl Coordinator {
    /// A queue at `path`.
    ///
    /// Args:
    ///     path: Where its items live.
    ///     max_attempts: Deliveries before an item becomes a dead letter.
    ///     backoff: How long an item waits after its first failure: seconds or timedelta, 1 by default; doubled
    ///         with each failure, up to five minutes, less up to a half by chance.
    ///     dedupe_window: How long after its end a dedupe id still names the item that had it; 300 s by default.
    #[pyo3(signature = (path, *, max_attempts: "int" = 5, backoff=None, dedupe_window=None))]
    fn queue(
        &self,
        py: Python<'_>,
        path: Text,
        #[pyo3(from_py_with = whole::max_attempts)] max_attempts: u32,
        backoff: Option<Seconds>,
        dedupe_window: Option<Seconds>,
    ) -> PyResult<Queue> {
        let usual = Settings::default();
        let backoff = backoff.map(|backoff| backoff.duration(py, "backoff")).transpose()?.unwrap_or(usual.backoff);
        let window = dedupe_window.map(|window| window.duration(py, "dedupe_window")).transpose()?;
        let settings = Settings {
            max_attempts,
            backoff,
            longest_backoff: usual.longest_backoff.max(backoff),
            dedupe_window: window.unwrap_or(usual.dedupe_window),
            ..usual
        };
        settings.check().map_err(|error| raise(py, &error))?;
        let open =
            |session: &Session, path: &str, settings: &Settings| recipes::Queue::new(session, path, settings.clone());
        let handle = Handle::new(self.link().clone(), path, settings, open).map_err(|error| raise(py, &error))?;
        Ok(Queue(handle))
    }
}

#[pymethods]
impl Queue {
    /// The path, as it was given.
    #[getter]
    fn path(&self) -> &str {
        self.0.path()
    }

    /// Puts an item, exactly once also where the reply is lost.
    ///
    /// Args:
    ///     data: The payload, up to 1 MiB less some hundred bytes.
    ///     priority: -999 to 999; lower is delivered first.
    ///     delay: Seconds or timedelta before which it is not delivered.
    ///     dedupe: An id of your own: puts with one id are one item while it is queued or at work, and for the
    ///         `dedupe_window` after it was done, or became a dead letter. A dead letter's id is answered with its
    ///         own, and nothing is queued: `retry_dead` is the way back.
    ///
    /// Returns:
    ///     The item's id; that of the earlier item where this put repeats one.
    ///
    /// Raises:
    ///     PayloadTooLarge: Nothing was sent.
    ///     ConnectionLost: The ensemble stays away; or the reply and then the session were lost, and the item is not
    ///         in the queue: never put, or done meanwhile. With a dedupe id this is known.
    #[pyo3(signature = (data, priority: "int" = 0, delay=None, dedupe=None))]
    fn put(
        &self,
        py: Python<'_>,
        data: PyBackedBytes,
        #[pyo3(from_py_with = whole::priority)] priority: i32,
        delay: Option<Seconds>,
        dedupe: Option<Text>,
    ) -> PyResult<String> {
        let how = how(py, priority, delay, dedupe)?;
        block_on(py, put(self.0.clone(), data, how))
    }

    /// As `put`, to be awaited. What was sent before a cancel lands all the same.
    #[pyo3(signature = (data, priority: "int" = 0, delay=None, dedupe=None))]
    fn put_async<'py>(
        &self,
        py: Python<'py>,
        data: PyBackedBytes,
        #[pyo3(from_py_with = whole::priority)] priority: i32,
        delay: Option<Seconds>,
        dedupe: Option<Text>,
    ) -> PyResult<Awaitable<'py, String>> {
        let how = how(py, priority, delay, dedupe)?;
        awaitable(py, put(self.0.clone(), data, how))
    }

    /// Puts many items in order, two hundred in each request.
    ///
    /// Returns:
    ///     Their ids.
    ///
    /// Raises:
    ///     PayloadTooLarge: For one of them; those of earlier requests have landed.
    ///     ConnectionLost: As `put`; those of earlier requests have landed.
    #[pyo3(signature = (data, priority: "int" = 0, delay=None))]
    fn put_many(
        &self,
        py: Python<'_>,
        data: Vec<PyBackedBytes>,
        #[pyo3(from_py_with = whole::priority)] priority: i32,
        delay: Option<Seconds>,
    ) -> PyResult<Vec<String>> {
        let how = how(py, priority, delay, None)?;
        block_on(py, put_many(self.0.clone(), data, how))
    }

    /// As `put_many`, to be awaited.
    #[pyo3(signature = (data, priority: "int" = 0, delay=None))]
    fn put_many_async<'py>(
        &self,
        py: Python<'py>,
        data: Vec<PyBackedBytes>,
        #[pyo3(from_py_with = whole::priority)] priority: i32,
        delay: Option<Seconds>,
    ) -> PyResult<Awaitable<'py, Vec<String>>> {
        let how = how(py, priority, delay, None)?;
        awaitable(py, put_many(self.0.clone(), data, how))
    }

    /// Waits for the next item and claims it.
    ///
    /// Args:
    ///     timeout: Seconds or timedelta, the total over everything, reconnects included. 0 tries once; None waits for ever.
    ///     lease: How long the work may take, 60 s by default: then, or when our session ends, it is delivered again.
    ///
    /// Returns:
    ///     The item; use it in a `with`, or call its `ack` or `give_back`.
    ///
    /// Raises:
    ///     AcquireTimeout: There was none in time.
    ///     Closed: The coordinator was closed meanwhile.
    #[pyo3(signature = (timeout=None, lease=None))]
    fn get(&self, py: Python<'_>, timeout: Option<Seconds>, lease: Option<Seconds>) -> PyResult<QueueItem> {
        let (timeout, lease) = (self::timeout(py, timeout)?, self::lease(py, lease)?);
        block_on(py, get(self.0.clone(), timeout, lease)).map(QueueItem::arrived)
    }

    /// As `get`, to be awaited. An item claimed when the task was cancelled is put back, the attempt not counted.
    #[pyo3(signature = (timeout=None, lease=None))]
    fn get_async<'py>(
        &self,
        py: Python<'py>,
        timeout: Option<Seconds>,
        lease: Option<Seconds>,
    ) -> PyResult<Awaitable<'py, QueueItem>> {
        let (timeout, lease) = (self::timeout(py, timeout)?, self::lease(py, lease)?);
        awaitable_grant(py, get(self.0.clone(), timeout, lease))
    }

    /// Claims the next item.
    ///
    /// Returns:
    ///     The item, or None where there is none to claim.
    #[pyo3(signature = (lease=None))]
    fn try_get(&self, py: Python<'_>, lease: Option<Seconds>) -> PyResult<Option<QueueItem>> {
        let lease = self::lease(py, lease)?;
        Ok(block_on(py, try_get(self.0.clone(), lease))?.map(QueueItem::arrived))
    }

    /// As `try_get`, to be awaited.
    #[pyo3(signature = (lease=None))]
    fn try_get_async<'py>(
        &self,
        py: Python<'py>,
        lease: Option<Seconds>,
    ) -> PyResult<Awaitable<'py, Option<QueueItem>>> {
        let lease = self::lease(py, lease)?;
        awaitable_grant(py, try_get(self.0.clone(), lease))
    }

    /// How many items are queued, at work, and dead letters.
    fn depth(&self, py: Python<'_>) -> PyResult<QueueDepth> {
        block_on(py, depth(self.0.clone()))
    }

    /// As `depth`, to be awaited.
    fn depth_async<'py>(&self, py: Python<'py>) -> PyResult<Awaitable<'py, QueueDepth>> {
        awaitable(py, depth(self.0.clone()))
    }

    /// Who has which item until when.
    fn workers(&self, py: Python<'_>) -> PyResult<Vec<QueueWorker>> {
        block_on(py, workers(self.0.clone()))
    }

    /// As `workers`, to be awaited.
    fn workers_async<'py>(&self, py: Python<'py>) -> PyResult<Awaitable<'py, Vec<QueueWorker>>> {
        awaitable(py, workers(self.0.clone()))
    }

    /// Items whose attempts are used up, `limit` of them where it is given.
    #[pyo3(signature = (limit=None))]
    fn dead_letters(&self, py: Python<'_>, limit: Option<Whole<usize>>) -> PyResult<Vec<DeadLetter>> {
        block_on(py, dead_letters(self.0.clone(), named(limit, py, "limit")?))
    }

    /// As `dead_letters`, to be awaited.
    #[pyo3(signature = (limit=None))]
    fn dead_letters_async<'py>(
        &self,
        py: Python<'py>,
        limit: Option<Whole<usize>>,
    ) -> PyResult<Awaitable<'py, Vec<DeadLetter>>> {
        awaitable(py, dead_letters(self.0.clone(), named(limit, py, "limit")?))
    }

    /// Puts dead letters back into the queue, with all their attempts before them.
    ///
    /// Args:
    ///     id: Which; all by default.
    ///
    /// Returns:
    ///     How many.
    #[pyo3(signature = (id=None))]
    fn retry_dead(&self, py: Python<'_>, id: Option<Text>) -> PyResult<usize> {
        block_on(py, retry_dead(self.0.clone(), id))
    }

    /// As `retry_dead`, to be awaited.
    #[pyo3(signature = (id=None))]
    fn retry_dead_async<'py>(&self, py: Python<'py>, id: Option<Text>) -> PyResult<Awaitable<'py, usize>> {
        awaitable(py, retry_dead(self.0.clone(), id))
    }

    /// Removes dead letters.
    ///
    /// Args:
    ///     id: Which; all by default.
    ///
    /// Returns:
    ///     How many.
    #[pyo3(signature = (id=None))]
    fn purge_dead(&self, py: Python<'_>, id: Option<Text>) -> PyResult<usize> {
        block_on(py, purge_dead(self.0.clone(), id))
    }

    /// As `purge_dead`, to be awaited.
    #[pyo3(signature = (id=None))]
    fn purge_dead_async<'py>(&self, py: Python<'py>, id: Option<Text>) -> PyResult<Awaitable<'py, usize>> {
        awaitable(py, purge_dead(self.0.clone(), id))
    }

    /// How many items were put and are neither done nor given up: ready, waiting for their time, or at work.
    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        block_on(py, len(self.0.clone()))
    }

    /// An empty queue is a queue: no network is asked.
    #[expect(clippy::unused_self, reason = "Python calls it on the object")]
    fn __bool__(&self) -> bool {
        true
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Rebuild<'py>> {
        let Settings { max_attempts, backoff, dedupe_window, .. } = self.0.settings();
        let keywords = PyDict::new(py);
        keywords.set_item("max_attempts", max_attempts)?;
        keywords.set_item("backoff", backoff.as_secs_f64())?;
        keywords.set_item("dedupe_window", dedupe_window.as_secs_f64())?;
        self.0.reduce(py, "queue", keywords)
    }

    fn __repr__(&self) -> String {
        let state = self.0.existing().map_or("not used yet by this process".to_owned(), |queue| {
            let (at_work, got) = queue.local();
            format!("{at_work} items at work here, {got} got so far")
        });
        format!("<Queue '{}' {state}, max_attempts={}>", self.0.path(), self.0.settings().max_attempts)
    }
}
