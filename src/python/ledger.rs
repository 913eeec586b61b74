//! What a table's record knows beside its commits: streaming queries, the floor and its pins, the end of it.

use pyo3::prelude::*;

use super::commit::{Ledger, Location};
use super::coordinator::Coordinator;
use super::errors::raise;
use super::history::Chain;
use super::runtime::block_on;
use super::seconds::Seconds;
use crate::commit::identity::Identity;
use crate::commit::manifest::Batch;
use crate::commit::{app, layout, rebuild};

/// The turn of a driver to commit a batch of a streaming query.
#[pyclass(frozen, module = "sparkeeper._sparkeeper")]
pub(super) struct Turn(pub(super) app::Turn);

#[pymethods]
impl Ledger {
    /// Let `owner` commit the next batches of the streaming query `app_id`, instead of whoever did.
    fn take_over(&self, py: Python<'_>, app_id: &str, owner: &str, batch: i64) -> PyResult<()> {
        block_on(py, self.0.table.take_over(app_id, owner, batch))
    }

    /// The turn of `owner` to commit a batch, or None where that or a later one was committed.
    ///
    /// Raises:
    ///     Fenced: Another driver took the query over.
    fn next_turn(&self, py: Python<'_>, app_id: String, batch: i64, owner: &str) -> PyResult<Option<Turn>> {
        Ok(block_on(py, self.0.table.next_turn(Batch { app_id, batch }, owner))?.map(Turn))
    }

    /// The oldest version that is kept.
    fn floor(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(block_on(py, self.0.table.floor())?.0)
    }

    /// The versions that are pinned, by name.
    fn pins(&self, py: Python<'_>) -> PyResult<Vec<(String, u64)>> {
        block_on(py, self.0.table.pins())
    }

    /// Raise the floor to `version`, or as far as pins allow, and return where it is.
    fn raise_floor(&self, py: Python<'_>, version: u64) -> PyResult<u64> {
        block_on(py, self.0.table.raise_floor(version))
    }

    /// Keep a version until `unpin`, or until this session ends where `ephemeral`.
    ///
    /// Raises:
    ///     ConfigError: It was vacuumed, or the name is on another version.
    fn pin(&self, py: Python<'_>, name: &str, version: u64, ephemeral: bool) -> PyResult<()> {
        block_on(py, self.0.table.pin(name, version, ephemeral))
    }

    /// Take a pin away; one that is gone is as good.
    fn unpin(&self, py: Python<'_>, name: &str) -> PyResult<()> {
        block_on(py, self.0.table.unpin(name))
    }

    /// Forget jobs that were committed longer ago than `age`, and return how many.
    fn sweep_jobs(&self, py: Python<'_>, age: Seconds) -> PyResult<usize> {
        let age = age.duration(py, "age")?;
        block_on(py, self.0.table.sweep_jobs(age))
    }

    /// The transactions that have a znode.
    fn transactions(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        block_on(py, self.0.table.transaction_ids())
    }

    /// Let nobody commit any more, and return the last manifest.
    fn close(&self, py: Python<'_>) -> PyResult<Option<String>> {
        Ok(block_on(py, self.0.table.close())?.manifest)
    }

    /// Delete everything that ZooKeeper knows of it.
    fn drop_record(&self, py: Python<'_>, location: &Bound<'_, Location>) -> PyResult<()> {
        block_on(py, self.0.table.drop_record(&location.get().0))
    }
}

/// The manifest among `candidates` whose publication is what the mirror's file `newest` holds.
///
/// Args:
///     identity: The bytes of `_zk/table.json`.
///     chain: Where every candidate was provided.
///     candidates: Names of manifests.
///     newest: The newest id in the mirror.
///     content: The bytes of its file.
#[pyfunction]
pub(super) fn proven_manifest(
    py: Python<'_>,
    identity: &[u8],
    chain: &Bound<'_, Chain>,
    candidates: Vec<String>,
    newest: u64,
    content: &[u8],
) -> PyResult<Option<String>> {
    let root = Identity::decode(layout::IDENTITY, identity).and_then(|identity| identity.root());
    let root = root.map_err(|error| raise(py, &error))?;
    chain.get().read(py, |chain| {
        Ok(rebuild::proven(&root, chain, &candidates, newest, content).map(|(name, _)| name.to_owned()))
    })
}

/// Put back what ZooKeeper knew of a table, as the manifests up to `head` say.
///
/// Args:
///     coordinator: Whose session to use.
///     location: Where the table is.
///     identity: The bytes of `_zk/table.json`.
///     chain: Where the manifests from `oldest` to `head` were provided.
///     head: The newest manifest that the mirror proves.
///     oldest: The oldest version whose manifest is kept.
///
/// Raises:
///     ConfigError: ZooKeeper knows of later commits.
#[pyfunction]
#[pyo3(signature = (coordinator, location, *, identity, chain, head, oldest))]
pub(super) fn rebuild_record(
    py: Python<'_>,
    coordinator: &Bound<'_, Coordinator>,
    location: &Bound<'_, Location>,
    identity: &[u8],
    chain: &Bound<'_, Chain>,
    head: &str,
    oldest: u64,
) -> PyResult<()> {
    let identity = Identity::decode(layout::IDENTITY, identity).map_err(|error| raise(py, &error))?;
    let commits = chain.get().read(py, |chain| chain.named_since(head, oldest.saturating_sub(1)))?;
    let (link, at) = (coordinator.get().link().clone(), location.get().0.clone());
    block_on(py, async move { rebuild::rebuild(link.session().await?, &at, &identity, &commits).await })
}
