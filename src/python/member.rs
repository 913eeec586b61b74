//! Who is in a group, as everybody sees it.

use std::collections::BTreeMap;

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::recipes;

/// A member of a group, as everybody sees it.
#[pyclass(frozen, eq, skip_from_py_object, module = "sparkeeper._sparkeeper")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member(pub(super) recipes::Member);

#[pymethods]
impl Member {
    #[new]
    fn new(id: String, data: Vec<u8>, incarnation: i64, session_id: i64, since: i64) -> Self {
        Self(recipes::Member { id, data, incarnation, session_id, since })
    }

    fn __getnewargs__<'py>(&'py self, py: Python<'py>) -> (&'py str, Bound<'py, PyBytes>, i64, i64, i64) {
        (self.id(), self.data(py), self.incarnation(), self.session_id(), self.since())
    }

    /// Unique in the group.
    #[getter]
    fn id(&self) -> &str {
        &self.0.id
    }

    /// What it says.
    #[getter]
    fn data<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.data)
    }

    /// Grows each time the same id joins again.
    #[getter]
    fn incarnation(&self) -> i64 {
        self.0.incarnation
    }

    /// Its session.
    #[getter]
    fn session_id(&self) -> i64 {
        self.0.session_id
    }

    /// When this incarnation joined, in milliseconds since 1970 on the server's clock.
    #[getter]
    fn since(&self) -> i64 {
        self.0.since
    }

    fn __repr__(&self) -> String {
        let recipes::Member { id, data, incarnation, session_id, since } = &self.0;
        let size = data.len();
        format!(
            "Member(id='{id}', data=<{size} bytes>, incarnation={incarnation}, session_id={session_id:#x}, since={since})"
        )
    }
}

/// Who is in a group, between one coming or going and the next.
///
/// Equal numbers mean equal members, whoever looks. Numbers grow, with gaps.
#[pyclass(frozen, get_all, eq, new = "from_fields", skip_from_py_object, module = "sparkeeper._sparkeeper")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct View {
    /// Shared by everybody who sees these members.
    number: i64,
    /// The incarnation of each member, by id.
    members: BTreeMap<String, i64>,
}

pickles!(View { number, members });

impl From<recipes::View> for View {
    fn from(found: recipes::View) -> Self {
        Self { number: found.number, members: found.members }
    }
}

#[pymethods]
impl View {
    fn __len__(&self) -> usize {
        self.members.len()
    }

    fn __contains__(&self, id: &str) -> bool {
        self.members.contains_key(id)
    }

    fn __repr__(&self) -> String {
        format!("View(number={}, members={:?})", self.number, self.members)
    }
}
