//! Counters.

use std::sync::Arc;
use std::time::Duration;

use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyRange};

use super::awaitable::{Awaitable, Nothing, awaitable};
use super::coordinator::Coordinator;
use super::errors::raise;
use super::guard::{Guard, grants};
use super::handle::Rebuild;
use super::runtime::block_on;
use super::seconds::{Seconds, timeout};
use super::text::Text;
use super::whole::{self, Whole};
use crate::error::{Error, Result};
use crate::recipes;
use crate::session::{Grant, Session};

/// A handle on the counter at one path; `Coordinator.counter` makes them.
///
/// Every operation takes effect once, also where the reply to it was lost. The counter is a whole number of 64 bits. It
/// stays until its node is deleted. The node's data is our own: kazoo's and Curator's counters keep other data.
/// It pickles as configuration and connects where it is used.
#[pyclass(frozen, module = "sparkeeper._sparkeeper")]
pub(super) struct Counter(Handle);

/// What a counter is made from: the value it begins with.
type Handle = super::handle::Handle<recipes::Counter, i64>;

/// The guards and the timeout of a write.
type Terms = (Vec<Arc<Grant>>, Option<Duration>);

fn terms(py: Python<'_>, guard: Option<&Guard<'_>>, timeout: Option<Seconds>) -> PyResult<Terms> {
    Ok((grants(guard), self::timeout(py, timeout)?))
}

/// Numbers that nobody else gets: a Python `range`.
struct Block {
    first: i64,
    end: i64,
}

impl<'py> IntoPyObject<'py> for Block {
    type Target = PyRange;
    type Output = Bound<'py, PyRange>;
    type Error = PyErr;

    const OUTPUT_TYPE: PyStaticExpr = PyStaticExpr::Name { id: "range" };

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        PyRange::new(py, isize::try_from(self.first)?, isize::try_from(self.end)?)
    }
}

async fn value(handle: Handle) -> Result<i64> {
    handle.recipe().await?.value().await
}

async fn add(handle: Handle, n: i64, (guards, timeout): Terms) -> Result<i64> {
    let guards: Vec<&Grant> = guards.iter().map(Arc::as_ref).collect();
    handle.recipe().await?.add(n, &guards, timeout).await
}

async fn compare_and_set(handle: Handle, old: i64, new: i64, (guards, timeout): Terms) -> Result<bool> {
    let guards: Vec<&Grant> = guards.iter().map(Arc::as_ref).collect();
    handle.recipe().await?.compare_and_set(old, new, &guards, timeout).await
}

async fn set(handle: Handle, value: i64, (guards, timeout): Terms) -> Result<Nothing> {
    let guards: Vec<&Grant> = guards.iter().map(Arc::as_ref).collect();
    handle.recipe().await?.set(value, &guards, timeout).await?;
    Ok(Nothing)
}

async fn reserve(handle: Handle, n: i64, terms: Terms) -> Result<Block> {
    if n < 1 {
        let path = handle.path();
        return Err(Error::config(format!("counter '{path}': n={n}: reserve 1 number or more")));
    }
    let end = add(handle, n, terms).await?;
    Ok(Block { first: end - n, end })
}

#[pymethods]
impl Coordinator {
    /// A counter at `path`.
    ///
    /// Args:
    ///     path: Its node; it stays until it is deleted.
    ///     default: What it begins with.
    #[pyo3(signature = (path, default: "int" = 0))]
    fn counter(
        &self,
        py: Python<'_>,
        path: Text,
        #[pyo3(from_py_with = whole::default)] default: i64,
    ) -> PyResult<Counter> {
        let open = |session: &Session, path: &str, default: &i64| recipes::Counter::new(session, path, *default);
        let handle = Handle::new(self.link().clone(), path, default, open).map_err(|error| raise(py, &error))?;
        Ok(Counter(handle))
    }
}

#[pymethods]
impl Counter {
    /// The path, as it was given.
    #[getter]
    fn path(&self) -> &str {
        self.0.path()
    }

    /// The value now, asked of the server: every operation that returned before is in it, whoever ran it.
    #[getter]
    fn value(&self, py: Python<'_>) -> PyResult<i64> {
        block_on(py, value(self.0.clone()))
    }

    /// As reading `value`, to be awaited.
    fn value_async<'py>(&self, py: Python<'py>) -> PyResult<Awaitable<'py, i64>> {
        awaitable(py, value(self.0.clone()))
    }

    /// Adds `n`, exactly once.
    ///
    /// Args:
    ///     n: A whole number; a negative one counts down.
    ///     guard: Something held, such as a lock; it is added only while it stands.
    ///     timeout: Seconds or timedelta; None goes on until the outcome is known.
    ///
    /// Returns:
    ///     The value after.
    ///
    /// Raises:
    ///     ConfigError: The sum is beyond 64 bits, or the node holds something else.
    ///     LockLost: The guard does not stand any more; nothing was added.
    ///     ConnectionLost: It took longer than the timeout: it was added once or not at all.
    #[pyo3(signature = (n: "int" = 1, *, guard=None, timeout=None))]
    fn add(
        &self,
        py: Python<'_>,
        #[pyo3(from_py_with = whole::n)] n: i64,
        guard: Option<Guard<'_>>,
        timeout: Option<Seconds>,
    ) -> PyResult<i64> {
        let terms = terms(py, guard.as_ref(), timeout)?;
        block_on(py, add(self.0.clone(), n, terms))
    }

    /// As `add`, to be awaited. What is cancelled was added once or not at all.
    #[pyo3(signature = (n: "int" = 1, *, guard=None, timeout=None))]
    fn add_async<'py>(
        &self,
        py: Python<'py>,
        #[pyo3(from_py_with = whole::n)] n: i64,
        guard: Option<Guard<'_>>,
        timeout: Option<Seconds>,
    ) -> PyResult<Awaitable<'py, i64>> {
        let terms = terms(py, guard.as_ref(), timeout)?;
        awaitable(py, add(self.0.clone(), n, terms))
    }

    /// Sets `new` where the value is `old`.
    ///
    /// Args:
    ///     old: What it must be.
    ///     new: What it becomes.
    ///     guard: Something held, such as a lock; it is set only while it stands.
    ///     timeout: Seconds or timedelta; None goes on until the outcome is known.
    ///
    /// Returns:
    ///     Whether it was `old`, and is `new` now; right also where the reply was lost.
    ///
    /// Raises:
    ///     ConfigError: The node holds something else.
    ///     LockLost: The guard does not stand any more; nothing was set.
    ///     ConnectionLost: It took longer than the timeout: it was set once or not at all.
    #[pyo3(signature = (old, new, *, guard=None, timeout=None))]
    fn compare_and_set(
        &self,
        py: Python<'_>,
        old: Whole<i64>,
        new: Whole<i64>,
        guard: Option<Guard<'_>>,
        timeout: Option<Seconds>,
    ) -> PyResult<bool> {
        let new = new.named(py, "new")?;
        let old = old.named(py, "old")?;
        let terms = terms(py, guard.as_ref(), timeout)?;
        block_on(py, compare_and_set(self.0.clone(), old, new, terms))
    }

    /// As `compare_and_set`, to be awaited.
    #[pyo3(signature = (old, new, *, guard=None, timeout=None))]
    fn compare_and_set_async<'py>(
        &self,
        py: Python<'py>,
        old: Whole<i64>,
        new: Whole<i64>,
        guard: Option<Guard<'_>>,
        timeout: Option<Seconds>,
    ) -> PyResult<Awaitable<'py, bool>> {
        let new = new.named(py, "new")?;
        let old = old.named(py, "old")?;
        let terms = terms(py, guard.as_ref(), timeout)?;
        awaitable(py, compare_and_set(self.0.clone(), old, new, terms))
    }

    /// Sets the value, whatever it was. Arguments and errors are those of `add`.
    #[pyo3(signature = (value, *, guard=None, timeout=None))]
    fn set(
        &self,
        py: Python<'_>,
        value: Whole<i64>,
        guard: Option<Guard<'_>>,
        timeout: Option<Seconds>,
    ) -> PyResult<Nothing> {
        let value = value.named(py, "value")?;
        let terms = terms(py, guard.as_ref(), timeout)?;
        block_on(py, set(self.0.clone(), value, terms))
    }

    /// As `set`, to be awaited.
    #[pyo3(signature = (value, *, guard=None, timeout=None))]
    fn set_async<'py>(
        &self,
        py: Python<'py>,
        value: Whole<i64>,
        guard: Option<Guard<'_>>,
        timeout: Option<Seconds>,
    ) -> PyResult<Awaitable<'py, Nothing>> {
        let value = value.named(py, "value")?;
        let terms = terms(py, guard.as_ref(), timeout)?;
        awaitable(py, set(self.0.clone(), value, terms))
    }

    /// Adds `n` and returns the numbers in between, which nobody else gets: from the value before up to the one after.
    ///
    /// Args:
    ///     n: How many, 1 or more.
    ///     guard: Something held, such as a lock; they are reserved only while it stands.
    ///     timeout: Seconds or timedelta; None goes on until the outcome is known.
    ///
    /// Raises:
    ///     ConfigError: `n` is below 1, or the numbers end before that.
    ///     LockLost: The guard does not stand any more; nothing was reserved.
    ///     ConnectionLost: It took longer than the timeout: they were reserved, for nobody, or not.
    #[pyo3(signature = (n, *, guard=None, timeout=None))]
    fn reserve(
        &self,
        py: Python<'_>,
        n: Whole<i64>,
        guard: Option<Guard<'_>>,
        timeout: Option<Seconds>,
    ) -> PyResult<Block> {
        let terms = terms(py, guard.as_ref(), timeout)?;
        block_on(py, reserve(self.0.clone(), n.named(py, "n")?, terms))
    }

    /// As `reserve`, to be awaited.
    #[pyo3(signature = (n, *, guard=None, timeout=None))]
    fn reserve_async<'py>(
        &self,
        py: Python<'py>,
        n: Whole<i64>,
        guard: Option<Guard<'_>>,
        timeout: Option<Seconds>,
    ) -> PyResult<Awaitable<'py, Block>> {
        let terms = terms(py, guard.as_ref(), timeout)?;
        awaitable(py, reserve(self.0.clone(), n.named(py, "n")?, terms))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Rebuild<'py>> {
        let keywords = PyDict::new(py);
        keywords.set_item("default", self.0.settings())?;
        self.0.reduce(py, "counter", keywords)
    }

    fn __repr__(&self) -> String {
        let last = self.0.existing().and_then(recipes::Counter::last);
        let seen = last.map_or("not read here yet".to_owned(), |value| format!("last seen at {value}"));
        format!("<Counter '{}' {seen}>", self.0.path())
    }
}
