//! Fault-tolerant writes: the core decides, `sparkeeper.spark` moves the files.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::attempt::Attempt;
use super::coordinator::Coordinator;
use super::errors::raise;
use super::guard::{Guard, grants};
use super::ledger::Turn;
use super::runtime::block_on;
use super::seconds::Seconds;
use crate::commit::identity::Directory;
use crate::commit::mirror;
use crate::commit::recover::Action;
use crate::commit::table::{Opened, Table};
use crate::commit::transaction::{Begun, Order, Transaction};
use crate::commit::{identity, layout, record, uri};
use crate::error::Error;

/// Where a table lives, in its one spelling.
#[pyclass(frozen, module = "sparkeeper._sparkeeper")]
pub(super) struct Location(pub(super) uri::Location);

#[pymethods]
impl Location {
    /// Args:
    ///     text: An absolute path or URI, as Hadoop reads it: nothing in it is decoded.
    ///     default_fs: The file system of a path without a scheme.
    ///
    /// Raises:
    ///     ConfigError: It is relative, or the root.
    #[new]
    #[pyo3(signature = (text, default_fs="file:///"))]
    fn new(py: Python<'_>, text: &str, default_fs: &str) -> PyResult<Self> {
        uri::Location::parse(text, default_fs).map(Self).map_err(|error| raise(py, &error))
    }

    /// The scheme, in lower case.
    #[getter]
    fn scheme(&self) -> &str {
        self.0.scheme()
    }

    /// The absolute path within the file system, unescaped.
    #[getter]
    fn path(&self) -> &str {
        self.0.path()
    }

    /// The one spelling, unescaped.
    #[getter]
    fn canonical(&self) -> String {
        self.0.canonical()
    }

    /// The URI of a file below it, escaped as Spark escapes it.
    fn child_uri(&self, relative: &str) -> String {
        self.0.child_uri(relative)
    }
}

/// The commit that a job made.
#[pyclass(frozen, get_all, module = "sparkeeper._sparkeeper")]
pub(super) struct Committed {
    /// The table's version.
    version: u64,
    /// The transaction that made it.
    tx: String,
    /// Its manifest.
    manifest: String,
    /// Files added.
    files: u64,
    /// Their bytes.
    bytes: u64,
}

impl From<record::Committed> for Committed {
    fn from(done: record::Committed) -> Self {
        let record::Committed { version, tx, manifest, files, bytes } = done;
        Self { version, tx, manifest, files, bytes }
    }
}

/// A table's record in ZooKeeper.
#[pyclass(frozen, module = "sparkeeper._sparkeeper")]
pub(super) struct Ledger(pub(super) Opened);

#[pymethods]
impl Ledger {
    /// Open the record of the table at `location`, given what its directory held just before.
    ///
    /// Args:
    ///     coordinator: Whose session to use.
    ///     location: Where the table is.
    ///     identity: The bytes of its `_zk/table.json`, read after the other two were listed.
    ///     mirror: The names in its `_spark_metadata`.
    ///     foreign: Whether it holds anything that a plain reader would see.
    ///     create: Register it where nobody has heard of it, in this spelling of its place.
    ///
    /// Raises:
    ///     HistoryLost: The files know more than ZooKeeper.
    ///     NotATable: The directory is another table's, was emptied, or is somebody else's.
    #[staticmethod]
    #[pyo3(signature = (coordinator, location, *, identity, mirror, foreign, create))]
    fn open(
        py: Python<'_>,
        coordinator: &Bound<'_, Coordinator>,
        location: &Bound<'_, Location>,
        identity: Option<&[u8]>,
        mirror: Vec<String>,
        foreign: bool,
        create: Option<&Bound<'_, Location>>,
    ) -> PyResult<Self> {
        let decode = |data| identity::Identity::decode(layout::IDENTITY, data);
        let identity = identity.map(decode).transpose().map_err(|error| raise(py, &error))?;
        let mirror = mirror::newest(mirror.iter().map(String::as_str));
        let directory = Directory { identity, mirror, foreign };
        let (link, location) = (coordinator.get().link().clone(), location.get().0.clone());
        let create = create.map(|spelling| spelling.get().0.clone());
        let open = async { Table::open(link.session().await?, &location, &directory, create.as_ref()).await };
        block_on(py, open).map(Self)
    }

    /// The table's uuid.
    #[getter]
    fn uuid(&self) -> &str {
        &self.0.table.identity().uuid
    }

    /// Where plain readers find it: the spelling of its first writer.
    #[getter]
    fn location(&self, py: Python<'_>) -> PyResult<Location> {
        self.0.table.identity().root().map(Location).map_err(|error| raise(py, &error))
    }

    /// What `_zk/table.json` holds, or has to hold.
    #[getter]
    fn identity<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.table.identity().encode())
    }

    /// Whether `_zk/table.json` has to be written before anything else.
    #[getter]
    fn identify(&self) -> bool {
        self.0.identify
    }

    /// The version when it was opened; 0 without a commit.
    #[getter]
    fn version(&self) -> u64 {
        self.0.head.v
    }

    /// That version's manifest.
    #[getter]
    fn manifest(&self) -> Option<&str> {
        self.0.head.manifest.as_deref()
    }

    /// Whether it is being made a plain directory: nothing is committed any more.
    #[getter]
    fn closed(&self) -> bool {
        self.0.head.closed
    }

    /// The manifest of the table's version now, not of when it was opened.
    fn newest(&self, py: Python<'_>) -> PyResult<Option<String>> {
        Ok(block_on(py, self.0.table.newest())?.manifest)
    }

    /// What earlier writers left and this call could not settle in ZooKeeper alone.
    ///
    /// Args:
    ///     stagings: The directories in `_zk/tx`, listed before this call.
    ///     job_id: The job about to run; its dead attempts get no grace.
    ///     grace: How long a writer's session may be missed before it is given up.
    ///
    /// Returns:
    ///     Pairs of "roll_back", "finish" or "sweep" and a transaction.
    #[pyo3(signature = (stagings, *, job_id, grace))]
    fn leftovers(
        &self,
        py: Python<'_>,
        stagings: Vec<String>,
        job_id: Option<String>,
        grace: Seconds,
    ) -> PyResult<Vec<(&'static str, String)>> {
        let grace = grace.duration(py, "grace")?;
        let leftovers = block_on(py, self.0.table.leftovers(&stagings, job_id.as_deref(), grace))?;
        Ok(leftovers.into_iter().filter_map(work).collect())
    }

    /// Delete the znode of a transaction whose files are settled.
    fn forget(&self, py: Python<'_>, tx: &str) -> PyResult<()> {
        block_on(py, self.0.table.forget(tx))
    }

    /// The commit that `job_id` made, if it made one.
    fn job(&self, py: Python<'_>, job_id: &str) -> PyResult<Option<Committed>> {
        Ok(block_on(py, self.0.table.job(job_id))?.map(Committed::from))
    }

    /// Begin an attempt on the version that was opened, or find that the job is done.
    ///
    /// Args:
    ///     order: JSON: job_id, operation, blind, create, merge, source, shape, parameters, writer.
    ///     guard: Something held, such as a lock, that must stand for the commit to land.
    ///     turn: The batch of a streaming query that it writes.
    #[pyo3(signature = (order, *, guard=None, turn=None))]
    fn begin(
        &self,
        py: Python<'_>,
        order: &str,
        guard: Option<Guard<'_>>,
        turn: Option<Bound<'_, Turn>>,
    ) -> PyResult<(Option<Attempt>, Option<Committed>)> {
        let order = serde_json::from_str::<Order>(order);
        let order = order.map_err(|error| raise(py, &Error::config(format!("write: {error}"))))?;
        let guards = grants(guard.as_ref());
        let turn = turn.map(|turn| turn.get().0.clone());
        Ok(match block_on(py, Transaction::begin(&self.0.table, &self.0.head, order, guards, turn))? {
            Begun::Fresh(transaction) => (Some(Attempt::new(*transaction)), None),
            Begun::Replayed(done) => (None, Some(done.into())),
        })
    }
}

fn work(action: Action) -> Option<(&'static str, String)> {
    match action {
        Action::RollBack(tx) => Some(("roll_back", tx)),
        Action::Finish(tx) => Some(("finish", tx)),
        Action::Sweep(tx) => Some(("sweep", tx)),
        Action::Suspect(_) | Action::Clear(_) | Action::Abort(..) => None,
    }
}
