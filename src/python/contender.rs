//! Who stands in line.

use pyo3::prelude::*;

use crate::recipes;

/// Somebody who stands in line for a lock.
#[pyclass(frozen, get_all, eq, new = "from_fields", skip_from_py_object, module = "sparkeeper._sparkeeper")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Contender {
    /// Who it says it is.
    owner: String,
    /// Its fencing token, once it is first.
    token: i64,
    /// When it joined, in milliseconds since 1970 on the server's clock.
    since: i64,
    /// Its session.
    session_id: i64,
    /// 0 holds the lock, 1 is next.
    position: usize,
}

pickles!(Contender { owner, token, since, session_id, position });

impl From<recipes::Contender> for Contender {
    fn from(found: recipes::Contender) -> Self {
        let recipes::Contender { owner, token, since, session_id, position } = found;
        Self { owner, token, since, session_id, position }
    }
}

#[pymethods]
impl Contender {
    fn __repr__(&self) -> String {
        let Self { owner, token, since, session_id, position } = self;
        format!(
            "Contender(owner='{owner}', token={token}, since={since}, session_id={session_id:#x}, position={position})"
        )
    }
}
