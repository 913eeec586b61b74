//! Whole numbers as Python writes them: of any size and sign.

use std::fmt::Display;

use pyo3::exceptions::PyOverflowError;
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;

use super::errors::raise;
use crate::error::Error;

/// An argument that is a whole number. One that `T` cannot hold is a `ConfigError`, as one out of a recipe's range is,
/// once its name is known.
pub(super) struct Whole<T>(Result<T, String>);

/// The numbers that such an argument may be.
pub(super) trait Range: Display {
    const LEAST: Self;
    const MOST: Self;
}

macro_rules! ranges {
    ($($kind:ty),+) => {
        $(impl Range for $kind {
            const LEAST: Self = Self::MIN;
            const MOST: Self = Self::MAX;
        })+
    };
}

ranges!(i32, i64, u32, u64, usize);

impl<T: Range> Whole<T> {
    /// # Errors
    /// `ConfigError`.
    pub(super) fn named(self, py: Python<'_>, name: &str) -> PyResult<T> {
        self.0.map_err(|given| {
            let (least, most) = (T::LEAST, T::MOST);
            raise(py, &Error::config(format!("{name}={given}: give a whole number from {least} to {most}")))
        })
    }
}

/// The number of an argument that may be left out.
///
/// # Errors
/// `ConfigError`.
pub(super) fn named<T: Range>(number: Option<Whole<T>>, py: Python<'_>, name: &str) -> PyResult<Option<T>> {
    number.map(|number| number.named(py, name)).transpose()
}

impl<'a, 'py, T> FromPyObject<'a, 'py> for Whole<T>
where
    T: Range + FromPyObject<'a, 'py, Error = PyErr>,
{
    type Error = PyErr;

    const INPUT_TYPE: PyStaticExpr = T::INPUT_TYPE;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        match object.extract() {
            Err(error) if PyErr::is_instance_of::<PyOverflowError>(&error, object.py()) => {
                Ok(Self(Err(object.repr().map_or_else(|_| "this".to_owned(), |given| given.to_string()))))
            }
            number => number.map(|number| Self(Ok(number))),
        }
    }
}

/// Reads an argument as [`Whole`] does: for one with a default, which the signature says in `T` itself so that
/// `help` and the stub have it. The reader has its name.
macro_rules! readers {
    ($($name:ident),+) => {
        $(pub(super) fn $name<T>(object: &Bound<'_, PyAny>) -> PyResult<T>
        where
            T: Range + for<'a, 'py> FromPyObject<'a, 'py, Error = PyErr>,
        {
            object.extract::<Whole<T>>()?.named(object.py(), stringify!($name))
        })+
    };
}

readers!(default, max_attempts, n, permits, priority, weight);
