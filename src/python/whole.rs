//! Whole numbers as Python writes them: of any size and sign.

use std::fmt::Display;

use pyo3::exceptions::PyOverflowError;
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;

use super::errors::raise;
use crate::error::Error;

/// An argument that is a whole number; one that `T` cannot hold is a `ConfigError`, as one out of a recipe's range is.
pub(super) struct Whole<T>(pub(super) T);

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

/// The number of an argument that may be left out.
pub(super) fn plain<T>(number: Option<Whole<T>>) -> Option<T> {
    number.map(|Whole(number)| number)
}

impl<'a, 'py, T> FromPyObject<'a, 'py> for Whole<T>
where
    T: Range + FromPyObject<'a, 'py, Error = PyErr>,
{
    type Error = PyErr;

    const INPUT_TYPE: PyStaticExpr = T::INPUT_TYPE;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let py = object.py();
        object.extract().map(Self).map_err(|error: PyErr| {
            if !error.is_instance_of::<PyOverflowError>(py) {
                return error;
            }
            let given = object.repr().map_or_else(|_| "this".to_owned(), |given| given.to_string());
            raise(py, &Error::config(format!("{given}: give a whole number from {} to {}", T::LEAST, T::MOST)))
        })
    }
}

/// Reads an argument as [`Whole`] does: for one with a default, which the signature says in `T` itself so that
/// `help` and the stub have it.
///
/// # Errors
/// `ConfigError`; `TypeError`.
pub(super) fn whole<T>(object: &Bound<'_, PyAny>) -> PyResult<T>
where
    T: Range + for<'a, 'py> FromPyObject<'a, 'py, Error = PyErr>,
{
    object.extract().map(|Whole(number)| number)
}
