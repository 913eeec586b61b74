//! What a queue's listings are made of.

use pyo3::prelude::*;

use super::znodes::Bytes;
use crate::recipes::queue;

/// An item that was given up: its attempts are used up.
#[pyclass(frozen, eq, skip_from_py_object, module = "sparkeeper._sparkeeper")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DeadLetter(pub(super) queue::DeadLetter);

#[pymethods]
impl DeadLetter {
    #[new]
    fn new(id: String, data: Vec<u8>, attempts: u32, error: String, priority: i32, since: i64) -> Self {
        Self(queue::DeadLetter { id, payload: data, attempts, error, priority, since })
    }

    fn __getnewargs__(&self) -> (&str, Bytes, u32, &str, i32, i64) {
        (self.id(), self.data(), self.attempts(), self.error(), self.priority(), self.since())
    }

    /// The item's id.
    #[getter]
    fn id(&self) -> &str {
        &self.0.id
    }

    /// What was put.
    #[getter]
    fn data(&self) -> Bytes {
        Bytes(self.0.payload.clone())
    }

    /// How many times it was delivered.
    #[getter]
    fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// What went wrong in the last attempt.
    #[getter]
    fn error(&self) -> &str {
        &self.0.error
    }

    /// Its priority; lower went first.
    #[getter]
    fn priority(&self) -> i32 {
        self.0.priority
    }

    /// When it was given up, in milliseconds since 1970 on the server's clock.
    #[getter]
    fn since(&self) -> i64 {
        self.0.since
    }

    fn __repr__(&self) -> String {
        let queue::DeadLetter { id, attempts, error, priority, .. } = &self.0;
        format!("DeadLetter(id='{id}', attempts={attempts}, priority={priority}, error={error:?})")
    }
}

/// Somebody who has an item.
#[pyclass(frozen, get_all, eq, new = "from_fields", skip_from_py_object, module = "sparkeeper._sparkeeper")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct QueueWorker {
    /// The item's id.
    item: String,
    /// Who it says it is.
    owner: String,
    /// When its lease ends, in milliseconds since 1970 on the server's clock.
    until: i64,
    /// Its session.
    session_id: i64,
    /// The claim's token.
    token: i64,
}

pickles!(QueueWorker { item, owner, until, session_id, token });

impl From<queue::Worker> for QueueWorker {
    fn from(found: queue::Worker) -> Self {
        let queue::Worker { item, owner, until, session_id, token } = found;
        Self { item, owner, until, session_id, token }
    }
}

#[pymethods]
impl QueueWorker {
    fn __repr__(&self) -> String {
        let Self { item, owner, until, session_id, token } = self;
        format!("QueueWorker(item='{item}', owner='{owner}', until={until}, session_id={session_id:#x}, token={token})")
    }
}

/// How much is in a queue.
#[pyclass(frozen, get_all, eq, new = "from_fields", skip_from_py_object, module = "sparkeeper._sparkeeper")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct QueueDepth {
    /// Items that were put and are neither done nor given up: what len() says.
    queued: usize,
    /// Those of them that somebody works on.
    at_work: usize,
    /// Dead letters.
    dead: usize,
}

pickles!(QueueDepth { queued, at_work, dead });

impl From<queue::Depth> for QueueDepth {
    fn from(found: queue::Depth) -> Self {
        let queue::Depth { queued, at_work, dead, .. } = found;
        Self { queued, at_work, dead }
    }
}

#[pymethods]
impl QueueDepth {
    fn __repr__(&self) -> String {
        let Self { queued, at_work, dead } = self;
        format!("QueueDepth(queued={queued}, at_work={at_work}, dead={dead})")
    }
}
