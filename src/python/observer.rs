//! Who leads an election, as an iterator.

use std::sync::Arc;

use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use tokio::sync::{Mutex, OwnedMutexGuard, watch};

use super::awaitable::{Awaitable, Nothing, awaitable};
use super::candidate::Candidate;
use super::election::Handle;
use super::runtime::block_on;
use crate::error::Result;
use crate::recipes;
use crate::recipes::contenders::Contender;

/// The leaders of one election, one after the other.
#[pyclass(frozen, module = "sparkeeper._sparkeeper")]
pub(super) struct Observer {
    handle: Handle,
    leaders: Arc<Mutex<Option<recipes::Observer>>>,
    closed: watch::Sender<bool>,
}

impl Observer {
    pub(super) fn new(handle: Handle) -> Self {
        Self { handle, leaders: Arc::default(), closed: watch::Sender::new(false) }
    }
}

/// The next leader, in a tuple; `None` where the observer was closed.
type Seen = Option<Change>;

/// A change of leaders. It counts as seen when its reader has it, so a task cancelled before that misses none.
struct Change {
    leader: Option<Contender>,
    leaders: OwnedMutexGuard<Option<recipes::Observer>>,
}

impl<'py> IntoPyObject<'py> for Change {
    type Target = PyTuple;
    type Output = Bound<'py, PyTuple>;
    type Error = PyErr;

    const OUTPUT_TYPE: PyStaticExpr = <(Option<Candidate>,) as IntoPyObject<'py>>::OUTPUT_TYPE;

    fn into_pyobject(mut self, py: Python<'py>) -> PyResult<Self::Output> {
        if let Some(observer) = &mut *self.leaders {
            observer.saw(self.leader.as_ref());
        }
        (self.leader.map(|leader| Candidate::from(recipes::Candidate::from(leader))),).into_pyobject(py)
    }
}

async fn next(
    handle: Handle,
    leaders: Arc<Mutex<Option<recipes::Observer>>>,
    mut closed: watch::Receiver<bool>,
) -> Result<Seen> {
    let next = async {
        let mut leaders = leaders.lock_owned().await;
        let election = handle.recipe().await?;
        let leader = leaders.get_or_insert_with(|| election.observe()).change().await?;
        Ok(Some(Change { leader, leaders }))
    };
    tokio::select! {
        biased;
        _ = closed.wait_for(|closed| *closed) => Ok(None),
        next = next => next,
    }
}

#[pymethods]
impl Observer {
    /// Waits for the next change; None where this was closed.
    fn next(&self, py: Python<'_>) -> PyResult<Seen> {
        block_on(py, next(self.handle.clone(), self.leaders.clone(), self.closed.subscribe()))
    }

    /// As `next`, to be awaited.
    fn next_async<'py>(&self, py: Python<'py>) -> PyResult<Awaitable<'py, Seen>> {
        awaitable(py, next(self.handle.clone(), self.leaders.clone(), self.closed.subscribe()))
    }

    /// Ends the iteration, also one that waits.
    fn close(&self) -> Nothing {
        self.closed.send_replace(true);
        Nothing
    }
}
