//! Durations as Python writes them: seconds or `timedelta`.

use std::time::Duration;

use pyo3::prelude::*;

use super::errors::raise;
use crate::error::Error;

/// A duration argument.
#[derive(FromPyObject)]
pub(super) enum Seconds {
    /// `float` or `int` seconds.
    Number(f64),
    /// `datetime.timedelta`.
    Delta(Duration),
}

impl Seconds {
    /// # Errors
    /// `ConfigError` where it is negative or not a number.
    pub(super) fn duration(self, py: Python<'_>, what: &str) -> PyResult<Duration> {
        match self {
            Self::Delta(delta) => Ok(delta),
            // Beyond some 584 billion years it may as well be for ever.
            Self::Number(seconds) if seconds >= 0.0 => {
                Ok(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
            }
            Self::Number(seconds) => {
                let error = Error::config(format!("{what}={seconds}: give seconds, 0 or more, or a timedelta"));
                Err(raise(py, &error))
            }
        }
    }
}

/// A timeout argument: `None` waits for ever.
///
/// # Errors
/// `ConfigError` where it is negative or not a number.
pub(super) fn timeout(py: Python<'_>, timeout: Option<Seconds>) -> PyResult<Option<Duration>> {
    timeout.map(|seconds| seconds.duration(py, "timeout")).transpose()
}
