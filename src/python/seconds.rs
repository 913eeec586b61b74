//! Durations as Python writes them: seconds or `timedelta`.

use std::time::Duration;

use pyo3::exceptions::{PyOverflowError, PyTypeError};
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
use pyo3::type_hint_union;
use pyo3::types::PyDelta;

use super::errors::raise;
use crate::error::Error;

/// A duration argument: `float` or `int` seconds, or a `datetime.timedelta`. It may be negative, which
/// `std::time::Duration` cannot tell us.
pub(super) struct Seconds(f64);

impl<'a, 'py> FromPyObject<'a, 'py> for Seconds {
    type Error = PyErr;

    const INPUT_TYPE: PyStaticExpr = type_hint_union!(f64::INPUT_TYPE, Duration::INPUT_TYPE);

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(delta) = object.cast::<PyDelta>() {
            return Ok(Self(delta.call_method0("total_seconds")?.extract()?));
        }
        match object.extract() {
            Ok(seconds) => Ok(Self(seconds)),
            // A whole number beyond every float is as good as for ever.
            Err(error) if PyErr::is_instance_of::<PyOverflowError>(&error, object.py()) => {
                Ok(Self(if object.lt(0)? { f64::NEG_INFINITY } else { f64::INFINITY }))
            }
            Err(_) => {
                // Python puts the argument's name before it.
                let given = object.repr().map_or_else(|_| "this".to_owned(), |given| given.to_string());
                Err(PyTypeError::new_err(format!("{given}: give seconds, 0 or more, or a timedelta")))
            }
        }
    }
}

impl Seconds {
    /// # Errors
    /// `ConfigError` where it is negative or not a number.
    pub(super) fn duration(self, py: Python<'_>, what: &str) -> PyResult<Duration> {
        let Self(seconds) = self;
        if seconds >= 0.0 {
            // Beyond some 584 billion years it may as well be for ever.
            return Ok(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX));
        }
        let error = Error::config(format!("{what}={seconds}: give seconds, 0 or more, or a timedelta"));
        Err(raise(py, &error))
    }
}

/// A timeout argument: `None` waits for ever.
///
/// # Errors
/// `ConfigError` where it is negative or not a number.
pub(super) fn timeout(py: Python<'_>, timeout: Option<Seconds>) -> PyResult<Option<Duration>> {
    timeout.map(|seconds| seconds.duration(py, "timeout")).transpose()
}
