//! The asyncio siblings: Rust futures as coroutines.

use std::convert::Infallible;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::{Mutex, PoisonError};

use pyo3::IntoPyObjectExt;
use pyo3::inspect::{PyStaticConstant, PyStaticExpr};
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyNone, PyTuple};

use super::call::{Call, Cancelled, Outcome, Work};
use super::errors::raise;
use super::inbox::Inbox;
use super::runtime::core;
use crate::error::{Error, Result};

/// A Python awaitable of a `T`; the type parameter is for the generated stub.
pub(super) struct Awaitable<'py, T>(Bound<'py, PyAny>, PhantomData<T>);

impl<'py, T> Awaitable<'py, T> {
    fn of(coroutine: Bound<'py, PyAny>) -> Self {
        Self(coroutine, PhantomData)
    }
}

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

/// A coroutine around a future. Cancelling its task drops the future, once that has taken its first step.
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
    coroutine(py, "answer", Cancelled::Dropped, work(future)).map(Awaitable::of)
}

/// As [`awaitable`], for giving back what is held: it goes on to its end where its task is cancelled.
///
/// # Errors
/// `ForkedProcessError`.
pub(super) fn awaitable_end<'py, T>(
    py: Python<'py>,
    future: impl Future<Output = Result<T>> + Send + 'static,
) -> PyResult<Awaitable<'py, T>>
where
    T: for<'a> IntoPyObject<'a> + Send + 'static,
{
    coroutine(py, "answer", Cancelled::SeenThrough, work(future)).map(Awaitable::of)
}

/// A coroutine of what is there already. Nothing happens between its start and its end: no task is cancelled there.
///
/// # Errors
/// Where the value cannot be made into a Python object.
pub(super) fn present<'py, T: IntoPyObject<'py>>(py: Python<'py>, value: T) -> PyResult<Awaitable<'py, T>> {
    let coroutine = py.import("sparkeeper._awaiting")?.call_method1("present", (value.into_bound_py_any(py)?,))?;
    Ok(Awaitable::of(coroutine))
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
    coroutine(py, "grant", Cancelled::Dropped, work(future)).map(Awaitable::of)
}

fn work<T>(future: impl Future<Output = Result<T>> + Send + 'static) -> Work
where
    T: for<'a> IntoPyObject<'a> + Send + 'static,
{
    Box::pin(async move {
        let result = future.await;
        let outcome: Outcome = Box::new(move |py| match result {
            Ok(value) => value.into_py_any(py),
            Err(error) => Err(raise(py, &error)),
        });
        outcome
    })
}

fn coroutine<'py>(py: Python<'py>, function: &str, cancelled: Cancelled, work: Work) -> PyResult<Bound<'py, PyAny>> {
    core().map_err(|error| raise(py, &error))?;
    let work = Mutex::new(Some(work));
    let begin = move |args: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| {
        let (py, inbox) = (args.py(), args.get_item(0)?.cast_into::<Inbox>()?);
        let work = work.lock().unwrap_or_else(PoisonError::into_inner).take();
        let work = work.ok_or_else(|| Error::closed("this call was begun before; call again"));
        let call = work.and_then(|work| Ok(Call::start(core()?, inbox.get().ended(), cancelled, work)));
        call.map_err(|error| raise(py, &error))
    };
    let begin = PyCFunction::new_closure(py, None, None, begin)?;
    py.import("sparkeeper._awaiting")?.call_method1(function, (begin,))
}
