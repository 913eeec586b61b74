//! The asyncio siblings: Rust futures as coroutines.

use std::convert::Infallible;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::{Mutex, PoisonError};

use pyo3::inspect::{PyStaticConstant, PyStaticExpr};
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyNone, PyTuple};
use tokio::task::JoinSet;

use super::errors::raise;
use super::exit;
use super::runtime::core;
use crate::error::{Error, Result};

/// A Python awaitable of a `T`; the type parameter is for the generated stub.
pub(super) struct Awaitable<'py, T>(Bound<'py, PyAny>, PhantomData<T>);

impl<'py, T: IntoPyObject<'py>> IntoPyObject<'py> for Awaitable<'py, T> {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = Infallible;

    const OUTPUT_TYPE: PyStaticExpr = PyStaticExpr::Subscript {
        value: &PyStaticExpr::Attribute { value: &PyStaticExpr::Name { id: "collections.abc" }, attr: "Awaitable" },
        slice: &T::OUTPUT_TYPE,
    };

    fn into_pyobject(self, _py: Python<'py>) -> std::result::Result<Self::Output, Self::Error> {
        Ok(self.0)
    }
}

/// The result of what has none: `None`, where a Rust unit would become an empty tuple.
pub(super) struct Nothing;

impl<'py> IntoPyObject<'py> for Nothing {
    type Target = PyNone;
    type Output = Borrowed<'py, 'py, PyNone>;
    type Error = Infallible;

    const OUTPUT_TYPE: PyStaticExpr = PyStaticExpr::Constant { value: PyStaticConstant::None };

    fn into_pyobject(self, py: Python<'py>) -> std::result::Result<Self::Output, Self::Error> {
        Ok(PyNone::get(py))
    }
}

/// A coroutine around a future. Cancelling its task drops the future.
///
/// # Errors
/// `ForkedProcessError`.
pub(super) fn awaitable<'py, T>(
    py: Python<'py>,
    future: impl Future<Output = Result<T>> + Send + 'static,
) -> PyResult<Awaitable<'py, T>>
where
    T: for<'a> IntoPyObject<'a> + Send + 'static,
{
    coroutine(py, "answer", future)
}

/// As [`awaitable`], for a future that grants something. The grant must give itself back where it is
/// dropped before `_arrive` is called on it: a task can be cancelled when its result is under way.
///
/// # Errors
/// `ForkedProcessError`.
pub(super) fn awaitable_grant<'py, T>(
    py: Python<'py>,
    future: impl Future<Output = Result<T>> + Send + 'static,
) -> PyResult<Awaitable<'py, T>>
where
    T: for<'a> IntoPyObject<'a> + Send + 'static,
{
    coroutine(py, "grant", future)
}

fn coroutine<'py, T>(
    py: Python<'py>,
    function: &str,
    future: impl Future<Output = Result<T>> + Send + 'static,
) -> PyResult<Awaitable<'py, T>>
where
    T: for<'a> IntoPyObject<'a> + Send + 'static,
{
    core().map_err(|error| raise(py, &error))?;
    let future = Mutex::new(Some(future));
    let start = move |args: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| {
        let future = future.lock().unwrap_or_else(PoisonError::into_inner).take();
        start(args.py(), async move {
            match future {
                Some(future) => future.await,
                None => Err(Error::closed("this call was awaited before; call again")),
            }
        })
    };
    let start = PyCFunction::new_closure(py, None, None, start)?;
    let coroutine = py.import("sparkeeper._awaiting")?.call_method1(function, (start,))?;
    Ok(Awaitable(coroutine, PhantomData))
}

/// Starts a future on the core runtime and returns the `asyncio.Future` of its result.
fn start<T>(py: Python<'_>, future: impl Future<Output = Result<T>> + Send + 'static) -> PyResult<Py<PyAny>>
where
    T: for<'a> IntoPyObject<'a> + Send + 'static,
{
    let core = core().map_err(|error| raise(py, &error))?;
    if exit::closed() {
        return Err(raise(py, &Error::closed("the interpreter is ending; call the sibling that blocks")));
    }
    let mut tasks = JoinSet::new();
    tasks.spawn_on(future, core.handle());
    let future = pyo3_async_runtimes::tokio::future_into_py(py, async move {
        // Dropping the set, as a cancelled asyncio task does, aborts the future.
        let result = match tasks.join_next().await {
            Some(Ok(result)) => result,
            Some(Err(error)) => Err(Error::server(format!("a task of the session failed: {error}"))),
            None => Err(Error::closed("the session's runtime is gone")),
        };
        result.map_err(|error| Python::attach(|py| raise(py, &error)))
    })?;
    Ok(future.unbind())
}
