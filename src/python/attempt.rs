//! One attempt to write, for `sparkeeper.spark`.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::commit::Committed;
use super::errors::raise;
use super::history::{Chain, File};
use super::runtime::block_on;
use crate::commit::decision::{self, Outcome};
use crate::commit::files::DataFile;
use crate::commit::record;
use crate::commit::transaction::Transaction;

/// One attempt to write.
#[pyclass(frozen, module = "sparkeeper._sparkeeper")]
pub(super) struct Attempt {
    /// The transaction's id, which goes in front of its files' names.
    #[pyo3(get)]
    id: String,
    transaction: Arc<Mutex<Transaction>>,
}

impl Attempt {
    pub(super) fn new(transaction: Transaction) -> Self {
        Self { id: transaction.id().to_owned(), transaction: Arc::new(Mutex::new(transaction)) }
    }

    fn locked(&self, py: Python<'_>) -> PyResult<OwnedMutexGuard<Transaction>> {
        block_on(py, async { Ok(self.transaction.clone().lock_owned().await) })
    }
}

#[pymethods]
impl Attempt {
    /// Pass while nobody aborted it and the guard stands: a chance to stop early.
    ///
    /// Raises:
    ///     Fenced: Somebody took over.
    fn check(&self, py: Python<'_>) -> PyResult<()> {
        let transaction = self.locked(py)?;
        block_on(py, transaction.check())
    }

    /// Say which files it put under their final names: path below the table, bytes, milliseconds since 1970.
    fn add(&self, py: Python<'_>, files: Vec<File>) -> PyResult<()> {
        let file = |(path, size, modified): File| DataFile::new(path, size, modified);
        self.locked(py)?.add(files.into_iter().map(file).collect());
        Ok(())
    }

    /// Read the head to propose on; after three lost races, in turn.
    fn aim(&self, py: Python<'_>) -> PyResult<()> {
        let mut transaction = self.locked(py)?;
        block_on(py, transaction.aim())
    }

    /// The manifest to read and provide next, until there is none.
    fn missing(&self, py: Python<'_>) -> PyResult<Option<String>> {
        Ok(self.locked(py)?.missing())
    }

    /// Take what was read from the manifest file `name`.
    ///
    /// Raises:
    ///     CorruptManifest: The bytes are not those that the name promises.
    fn provide(&self, py: Python<'_>, name: &str, data: &[u8]) -> PyResult<()> {
        self.locked(py)?.provide(name, data).map_err(|error| raise(py, &error))
    }

    /// Ask the rules whether it may become the next version as the table is now.
    ///
    /// Raises:
    ///     CommitConflict: Something changed that it has not seen.
    ///     ConfigError: Its files do not fit the table's.
    fn admit(&self, py: Python<'_>) -> PyResult<()> {
        self.locked(py)?.admit().map_err(|error| raise(py, &error))
    }

    /// The manifest to write before `commit`: its name and bytes.
    ///
    /// Raises:
    ///     CommitConflict: Something changed that it has not seen.
    fn propose<'py>(&self, py: Python<'py>) -> PyResult<(String, Bound<'py, PyBytes>)> {
        let mut transaction = self.locked(py)?;
        let sealed = transaction.propose().map_err(|error| raise(py, &error))?;
        Ok((sealed.name.clone(), PyBytes::new(py, &sealed.bytes)))
    }

    /// Commit the proposal.
    ///
    /// Returns:
    ///     "committed" and the commit; "replayed" and the commit of another run of the job; or "moved" and None, where
    ///     another commit was first: aim and propose again.
    ///
    /// Raises:
    ///     Fenced: Somebody took over; the guard's own where that is lost.
    ///     CommitUnknown: The reply was lost and the ensemble stayed away. Delete nothing, run the job again.
    fn commit(&self, py: Python<'_>) -> PyResult<(&'static str, Option<Committed>)> {
        let mut transaction = self.locked(py)?;
        let (outcome, done) = said(block_on(py, decision::commit(&mut [&mut transaction]))?);
        Ok((outcome, done.into_iter().next()))
    }

    /// Give up for good.
    ///
    /// Returns:
    ///     The commit, where it was committed after all: nothing may be deleted then.
    ///
    /// Raises:
    ///     CommitUnknown: That cannot be told: nothing may be deleted.
    fn abort(&self, py: Python<'_>) -> PyResult<Option<Committed>> {
        let mut transaction = self.locked(py)?;
        Ok(block_on(py, transaction.abort())?.map(Committed::from))
    }

    /// Delete its znode, once its files are settled.
    fn forget(&self, py: Python<'_>) -> PyResult<()> {
        let mut transaction = self.locked(py)?;
        block_on(py, transaction.forget())
    }

    /// Leave what is left over to whoever comes next.
    fn step_back(&self, py: Python<'_>) -> PyResult<()> {
        let mut transaction = self.locked(py)?;
        block_on(py, transaction.step_back())
    }

    /// What it has read of the table's history, its own commit included.
    fn chain(&self, py: Python<'_>) -> PyResult<Chain> {
        Ok(Chain::from(self.locked(py)?.chain().clone()))
    }
}

/// Commit the proposals of several attempts, one for each table, all or none.
///
/// Returns:
///     As `Attempt.commit`, with one commit for each attempt.
///
/// Raises:
///     Fenced: Somebody took one of them over; the guard's own where that is lost.
///     CommitUnknown: The reply was lost and the ensemble stayed away. Delete nothing, run the job again.
#[pyfunction]
pub(super) fn commit_together(
    py: Python<'_>,
    attempts: Vec<Bound<'_, Attempt>>,
) -> PyResult<(&'static str, Vec<Committed>)> {
    let mut locked = attempts.iter().map(|attempt| attempt.get().locked(py)).collect::<PyResult<Vec<_>>>()?;
    let mut parts: Vec<&mut Transaction> = locked.iter_mut().map(|part| &mut **part).collect();
    Ok(said(block_on(py, decision::commit(&mut parts))?))
}

fn said(outcome: Outcome) -> (&'static str, Vec<Committed>) {
    let commits = |done: Vec<record::Committed>| done.into_iter().map(Committed::from).collect();
    match outcome {
        Outcome::Committed(done) => ("committed", commits(done)),
        Outcome::Replayed(done) => ("replayed", commits(done)),
        Outcome::Moved => ("moved", Vec::new()),
    }
}
