//! The span of a Spark task, in which coordinators of its own live.

use pyo3::prelude::*;

use super::awaitable::Nothing;
use super::runtime::{block_on, core};
use crate::session;

/// Coordinators that are closed together: those of one task.
#[pyclass(frozen, module = "sparkeeper._sparkeeper")]
pub(super) struct Scope(session::Scope);

impl Scope {
    /// What the core knows it as.
    pub(super) fn of_session(&self) -> session::Scope {
        self.0.clone()
    }
}

#[pymethods]
impl Scope {
    /// Nothing is in it yet.
    #[new]
    fn new() -> Self {
        Self(session::Scope::default())
    }

    /// Closes what is open in it, and lets nothing more in. Does nothing in a forked child: the parent goes on.
    fn end(&self, py: Python<'_>) -> PyResult<Nothing> {
        if core().is_err() {
            return Ok(Nothing);
        }
        block_on(py, async {
            self.0.end().await;
            Ok(Nothing)
        })
    }
}
