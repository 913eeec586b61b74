//! `zk.multi()`: plain writes that land together or not at all.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

use super::awaitable::{Awaitable, Nothing, awaitable};
use super::coordinator::Coordinator;
use super::errors::raise;
use super::guard::{Guard, grants};
use super::link::Link;
use super::runtime::block_on;
use super::settings::Rights;
use super::stat::Stat;
use super::text::Text;
use super::whole::{Whole, named};
use crate::config::Access;
use crate::error::{Error, Result};
use crate::session::{CreateKind, Grant, MultiWriteResult, NotWritten, Session, Write};

/// Writes that land together or not at all; `Coordinator.multi` makes them.
///
/// Leaving the `with` normally lands them in one request, in the order they were added, each seeing those before it;
/// leaving it by an exception drops them. `commit` does it without a `with`, or before its end.
#[pyclass(frozen, module = "sparkeeper._sparkeeper")]
pub(super) struct Batch(Arc<Inner>);

struct Inner {
    link: Link,
    guard: Vec<Arc<Grant>>,
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    steps: Vec<Step>,
    /// `commit` was called: leaving the `with` does not call it again.
    tried: bool,
    landed: Option<Vec<Outcome>>,
}

#[derive(Clone)]
enum Step {
    Create(Text, Vec<u8>, CreateKind, Option<Access>),
    Set(Text, Vec<u8>, Option<i32>),
    Delete(Text, Option<i32>),
    Check(Text, Option<i32>),
}

/// What a step came to: the path of a create, the stat of a set.
#[derive(Clone, IntoPyObject)]
enum Made {
    Path(String),
    Stat(Stat),
}

/// `None` for deletes and checks.
type Outcome = Option<Made>;

impl Step {
    fn write(&self) -> Write<'_> {
        match self {
            Self::Create(path, data, kind, None) => Write::Create(path, data, *kind),
            Self::Create(path, data, kind, Some(access)) => Write::CreateWith(path, data, *kind, access),
            Self::Set(path, data, version) => Write::Set(path, data, *version),
            Self::Delete(path, version) => Write::Delete(path, *version),
            Self::Check(path, version) => Write::Check(path, *version),
        }
    }
}

impl Inner {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// # Errors
    /// `InvalidPath`; `Closed` where the batch has landed.
    fn add(&self, path: &str, step: impl FnOnce() -> Step) -> Result<()> {
        self.link.config().prefix()?.absolute(path)?;
        let mut progress = self.progress();
        if progress.landed.is_some() {
            return Err(Error::closed("this batch has landed; begin another with multi()"));
        }
        progress.steps.push(step());
        Ok(())
    }

    /// Leaving the `with`: true where there is something left to do.
    fn pending(&self, error: Option<&Bound<'_, PyAny>>) -> bool {
        error.is_none() && !self.progress().tried
    }
}

async fn commit(batch: Arc<Inner>) -> Result<Vec<Outcome>> {
    let steps = {
        let mut progress = batch.progress();
        if progress.landed.is_some() {
            return Err(Error::closed("this batch has landed before; begin another with multi()"));
        }
        progress.tried = true;
        progress.steps.clone()
    };
    let session = batch.link.session().await?;
    let writes: Vec<Write<'_>> = steps.iter().map(Step::write).collect();
    let guards: Vec<&Grant> = batch.guard.iter().map(Arc::as_ref).collect();
    let mut landed = session.multi(&writes, &guards).await;
    if let Err(NotWritten { index: Some(index), error: Error::NoNode(_) }) = &landed
        && let Some(Step::Create(path, ..)) = steps.get(*index)
        && session.make_root_of(path).await?
    {
        // The namespace was never used before; nothing has landed yet.
        landed = session.multi(&writes, &guards).await;
    }
    let landed = landed.map_err(|refused| explain(refused, steps.len()))?;
    let outcomes: Vec<Outcome> = landed.into_iter().map(|result| outcome(session, result)).collect();
    batch.progress().landed = Some(outcomes.clone());
    Ok(outcomes)
}

async fn leave(batch: Arc<Inner>, pending: bool) -> Result<Nothing> {
    if pending {
        commit(batch).await?;
    }
    Ok(Nothing)
}

fn explain(refused: NotWritten, steps: usize) -> Error {
    match refused.index {
        Some(index) => refused.error.reworded(|text| {
            format!("multi: nothing landed; step {index} (counted from 0) of {steps} refused: {text}")
        }),
        None => refused.error,
    }
}

fn outcome(session: &Session, result: MultiWriteResult) -> Outcome {
    match result {
        MultiWriteResult::Create { path, .. } => Some(Made::Path(session.relative(&path).to_owned())),
        MultiWriteResult::SetData { stat } => Some(Made::Stat(stat.into())),
        _ => None,
    }
}

#[pymethods]
impl Coordinator {
    /// A batch of writes that lands whole or not at all:
    ///
    ///     with zk.multi() as batch:
    ///         batch.check("config", version=3)
    ///         batch.create("orders/17", b"...")
    ///         batch.delete("inbox/17")
    ///
    /// Args:
    ///     guard: Something held, such as a lock; the batch lands only while it stands.
    #[pyo3(signature = (*, guard=None))]
    fn multi(&self, guard: Option<Guard<'_>>) -> Batch {
        let guard = grants(guard.as_ref());
        Batch(Arc::new(Inner { link: self.link().clone(), guard, progress: Mutex::default() }))
    }
}

#[pymethods]
impl Batch {
    /// Adds the creation of a node. Its parent must exist, or be created by an earlier step; a namespace that was
    /// never used is made.
    ///
    /// Args:
    ///     path: The node.
    ///     data: All steps together carry at most 1 MiB.
    ///     ephemeral: It goes with the session.
    ///     sequence: The server appends ten digits that grow; `results` has the whole path.
    ///     acl: Rights on this node; the coordinator's by default.
    ///
    /// Raises:
    ///     InvalidPath: ZooKeeper accepts no such path.
    ///     Closed: The batch has landed.
    #[pyo3(signature = (path, data=None, ephemeral=false, sequence=false, *, acl=None))]
    fn create(
        &self,
        py: Python<'_>,
        path: Text,
        data: Option<PyBackedBytes>,
        ephemeral: bool,
        sequence: bool,
        acl: Option<Rights>,
    ) -> PyResult<()> {
        let link = &self.0.link;
        let access = acl.map(|acl| acl.access_in(link.config())).transpose().map_err(|error| raise(py, &error))?;
        let kind = CreateKind { ephemeral, sequence, ..CreateKind::PERSISTENT };
        let step = || Step::Create(path.clone(), data.as_deref().unwrap_or_default().to_vec(), kind, access);
        self.0.add(&path, step).map_err(|error| raise(py, &error))
    }

    /// Adds the write of a node's data.
    ///
    /// Args:
    ///     path: The node.
    ///     data: All steps together carry at most 1 MiB.
    ///     version: Land only where the node has this version.
    #[pyo3(signature = (path, data, version=None))]
    fn set(&self, py: Python<'_>, path: Text, data: PyBackedBytes, version: Option<Whole<i32>>) -> PyResult<()> {
        let version = named(version, py, "version")?;
        self.0.add(&path, || Step::Set(path.clone(), data.to_vec(), version)).map_err(|error| raise(py, &error))
    }

    /// Adds the deletion of a node, which must have no children then.
    ///
    /// Args:
    ///     path: The node.
    ///     version: Land only where the node has this version.
    #[pyo3(signature = (path, version=None))]
    fn delete(&self, py: Python<'_>, path: Text, version: Option<Whole<i32>>) -> PyResult<()> {
        let version = named(version, py, "version")?;
        self.0.add(&path, || Step::Delete(path.clone(), version)).map_err(|error| raise(py, &error))
    }

    /// Adds a condition: the node exists.
    ///
    /// Args:
    ///     path: The node.
    ///     version: And has this version.
    #[pyo3(signature = (path, version=None))]
    fn check(&self, py: Python<'_>, path: Text, version: Option<Whole<i32>>) -> PyResult<()> {
        let version = named(version, py, "version")?;
        self.0.add(&path, || Step::Check(path.clone(), version)).map_err(|error| raise(py, &error))
    }

    /// Lands every step or none, in one request. A batch without steps lands without one.
    ///
    /// Returns:
    ///     One result per step: the path of a create, the stat of a set, None of a delete or a check.
    ///
    /// Raises:
    ///     NoNode: As the first step that was refused says, whose number and path the message has; so for
    ///         NodeExists, BadVersion, NotAuthorized and SparkeeperError. Nothing landed.
    ///     LockLost: The guard does not stand any more. Nothing landed.
    ///     PayloadTooLarge: Nothing was sent.
    ///     ConnectionLost: The reply was lost; all of it landed, or nothing.
    ///     Closed: The batch has landed before, or the coordinator is closed.
    fn commit(&self, py: Python<'_>) -> PyResult<Vec<Outcome>> {
        block_on(py, commit(self.0.clone()))
    }

    /// As `commit`, to be awaited. Cancelling does not take back what was sent.
    fn commit_async<'py>(&self, py: Python<'py>) -> PyResult<Awaitable<'py, Vec<Outcome>>> {
        awaitable(py, commit(self.0.clone()))
    }

    /// What `commit` returned; None until the batch has landed.
    #[getter]
    fn results(&self) -> Option<Vec<Outcome>> {
        self.0.progress().landed.clone()
    }

    fn __len__(&self) -> usize {
        self.0.progress().steps.len()
    }

    fn __enter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    #[pyo3(signature = (kind=None, _error=None, _trace=None))]
    fn __exit__(
        &self,
        py: Python<'_>,
        kind: Option<Bound<'_, PyAny>>,
        _error: Option<Bound<'_, PyAny>>,
        _trace: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Nothing> {
        block_on(py, leave(self.0.clone(), self.0.pending(kind.as_ref())))
    }

    fn __aenter__(slf: Bound<'_, Self>) -> PyResult<Awaitable<'_, Py<Self>>> {
        let py = slf.py();
        let batch = slf.unbind();
        awaitable(py, async move { Ok(batch) })
    }

    #[pyo3(signature = (kind=None, _error=None, _trace=None))]
    fn __aexit__<'py>(
        &self,
        py: Python<'py>,
        kind: Option<Bound<'_, PyAny>>,
        _error: Option<Bound<'_, PyAny>>,
        _trace: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Awaitable<'py, Nothing>> {
        awaitable(py, leave(self.0.clone(), self.0.pending(kind.as_ref())))
    }

    fn __reduce__(&self) -> PyResult<String> {
        Err(PyTypeError::new_err(format!(
            "a batch (of {} writes) belongs to the coordinator that began it and does not pickle; send the coordinator, \
             and begin the batch there",
            self.__len__()
        )))
    }

    fn __repr__(&self) -> String {
        let progress = self.0.progress();
        let state = if progress.landed.is_some() { "landed" } else { "not landed" };
        format!("<Batch of {} {state}>", progress.steps.len())
    }
}
