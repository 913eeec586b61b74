//! What a cache tells: events, and the iterator over them.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use pyo3::IntoPyObjectExt;
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
use pyo3::type_object::PyTypeInfo;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::awaitable::{Awaitable, awaitable};
use super::errors::raise;
use super::runtime::block_on;
use super::stat::Stat;
use super::znodes::Bytes;
use crate::error::{Error, Result};
use crate::recipes::cache::{Event, Events, Kind, Node};
use crate::retry::Deadline;

/// A change of a cache.
#[pyclass(frozen, eq, skip_from_py_object, module = "sparkeeper._sparkeeper")]
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CacheEvent(Arc<Event>);

impl From<Arc<Event>> for CacheEvent {
    fn from(event: Arc<Event>) -> Self {
        Self(event)
    }
}

#[pymethods]
impl CacheEvent {
    #[new]
    fn new(py: Python<'_>, kind: &str, path: String, zxid: i64, data: Vec<u8>, stat: Py<Stat>) -> PyResult<Self> {
        let kind = match kind {
            "CREATED" => Kind::Created,
            "CHANGED" => Kind::Changed,
            "DELETED" => Kind::Deleted,
            _ => return Err(raise(py, &Error::config(format!("kind='{kind}': give CREATED, CHANGED or DELETED")))),
        };
        let node = Arc::new(Node { data, stat: stat.get().into() });
        Ok(Self(Arc::new(Event { kind, path, zxid, node })))
    }

    fn __getnewargs__(&self) -> (&'static str, &str, i64, Bytes, Stat) {
        (self.kind(), self.path(), self.zxid(), self.data(), self.stat())
    }

    /// "CREATED", "CHANGED" or "DELETED".
    #[getter]
    fn kind(&self) -> &'static str {
        match self.0.kind {
            Kind::Created => "CREATED",
            Kind::Changed => "CHANGED",
            Kind::Deleted => "DELETED",
        }
    }

    /// The node, below the cache's path; "" is that itself.
    #[getter]
    fn path(&self) -> &str {
        &self.0.path
    }

    /// The change's own: `czxid` of what was created, `mzxid` of what was changed.
    ///
    /// Of a deletion that happened while the link was down, and of any on a server before 3.9, it is the first at
    /// which the server was seen without the node.
    #[getter]
    fn zxid(&self) -> i64 {
        self.0.zxid
    }

    /// The node's data; of a deleted one, the last that was known.
    #[getter]
    fn data(&self) -> Bytes {
        Bytes(self.0.node.data.clone())
    }

    /// The stat that was read with the data.
    #[getter]
    fn stat(&self) -> Stat {
        self.0.node.stat.into()
    }

    fn __repr__(&self) -> String {
        let Event { path, zxid, node, .. } = &*self.0;
        format!("CacheEvent({} '{path}' zxid={zxid} data_length={})", self.kind(), node.data.len())
    }
}

/// The events of a cache, from the moment `Cache.events` was called. One reader's: make another for another.
#[pyclass(frozen, module = "sparkeeper._sparkeeper")]
pub(super) struct CacheEvents {
    /// One reads at a time.
    events: Arc<Mutex<Events>>,
    path: String,
    patience: Option<Duration>,
}

/// An event that is there, or the end. It is taken when its reader has it, so a task cancelled before that loses none.
struct Next(Option<OwnedMutexGuard<Events>>);

impl<'py> IntoPyObject<'py> for Next {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;

    const OUTPUT_TYPE: PyStaticExpr = <Option<CacheEvent> as IntoPyObject<'py>>::OUTPUT_TYPE;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        self.take().into_bound_py_any(py)
    }
}

impl Next {
    fn take(self) -> Option<CacheEvent> {
        self.0.and_then(|events| events.take()).map(CacheEvent::from)
    }
}

/// An asynchronous iterator of `CacheEvent`; the type is for the generated stub.
struct AsyncEvents<'py>(Bound<'py, PyAny>);

impl<'py> IntoPyObject<'py> for AsyncEvents<'py> {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = Infallible;

    const OUTPUT_TYPE: PyStaticExpr = PyStaticExpr::Subscript {
        value: &PyStaticExpr::Attribute { value: &PyStaticExpr::Name { id: "collections.abc" }, attr: "AsyncIterator" },
        slice: &CacheEvent::TYPE_HINT,
    };

    fn into_pyobject(self, _py: Python<'py>) -> std::result::Result<Self::Output, Self::Error> {
        Ok(self.0)
    }
}

async fn next(events: Arc<Mutex<Events>>, patience: Option<Duration>) -> Result<Next> {
    let ready = async {
        let events = events.lock_owned().await;
        Ok(Next(events.ready().await?.then_some(events)))
    };
    Deadline::after(patience).bound(ready).await.unwrap_or(Ok(Next(None)))
}

impl CacheEvents {
    pub(super) fn new(events: Events, patience: Option<Duration>) -> Self {
        Self { path: events.cache().name().to_owned(), events: Arc::new(Mutex::new(events)), patience }
    }
}

#[pymethods]
impl CacheEvents {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<CacheEvent>> {
        Ok(block_on(py, next(self.events.clone(), self.patience))?.take())
    }

    /// The next event; None where the cache was closed, or nothing happened for the timeout.
    fn next_async<'py>(&self, py: Python<'py>) -> PyResult<Awaitable<'py, Next>> {
        awaitable(py, next(self.events.clone(), self.patience))
    }

    fn __aiter__(slf: Bound<'_, Self>) -> PyResult<AsyncEvents<'_>> {
        let iterate = slf.py().import("sparkeeper._awaiting")?.getattr("iterate")?;
        Ok(AsyncEvents(iterate.call1((slf,))?))
    }

    fn __repr__(&self) -> String {
        format!("<CacheEvents of '{}'>", self.path)
    }
}
