//! Subtrees as Arrow record batches, for the Spark data source.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_pyarrow::PyArrowType;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use tokio::sync::Mutex;

use super::coordinator::Coordinator;
use super::errors::raise;
use super::runtime::block_on;
use super::stat::Stat;
use super::text::Text;
use crate::error::Result;
use crate::tree::{Decode, Filter, Rows, Scope, Standing, Top, Walk, publish, shares};

/// The nodes at and below a path that are asked for.
///
/// Args:
///     path: The root.
///     depth: Levels below it; all by default.
///     glob: A pattern relative to it.
///     filters: What else must hold: kinds and values, as `("path_prefix", ["/a"])`.
///
/// Raises:
///     InvalidPath: ZooKeeper accepts no such path.
///     ConfigError: The glob, or a kind, is none.
#[pyclass(frozen, module = "sparkeeper._sparkeeper")]
pub(super) struct TreeScope(Scope);

#[pymethods]
impl TreeScope {
    #[new]
    #[pyo3(signature = (path, depth=None, glob=None, filters=Vec::new()))]
    fn new(
        py: Python<'_>,
        path: Text,
        depth: Option<u32>,
        glob: Option<Text>,
        filters: Vec<(Text, Vec<Text>)>,
    ) -> PyResult<Self> {
        let filter =
            |(kind, values): (Text, Vec<Text>)| Filter::new(&kind, values.into_iter().map(Into::into).collect());
        let filters = filters.into_iter().map(filter).collect::<Result<Vec<_>>>();
        filters
            .and_then(|filters| Scope::new(&path, depth, glob.as_deref(), filters))
            .map(Self)
            .map_err(|error| raise(py, &error))
    }

    /// Whether the node at a path, at or below the root, is asked for.
    fn __contains__(&self, path: Text) -> bool {
        self.0.contains(&path)
    }

    /// Whether that node, or one below it, is.
    fn concerns(&self, path: Text) -> bool {
        self.0.concerns(&path)
    }
}

/// A walk over subtrees.
#[pyclass(frozen, module = "sparkeeper._sparkeeper")]
pub(super) struct TreeWalk(Arc<Mutex<Walk>>);

async fn next(walk: Arc<Mutex<Walk>>) -> Result<Option<PyArrowType<RecordBatch>>> {
    Ok(walk.lock().await.next().await?.map(PyArrowType))
}

/// A path, and what is there.
type Node = (Text, Option<(PyBackedBytes, Py<Stat>)>);

#[pymethods]
impl TreeWalk {
    /// The next `pyarrow.RecordBatch`.
    fn __next__(&self, py: Python<'_>) -> PyResult<Option<PyArrowType<RecordBatch>>> {
        block_on(py, next(self.0.clone()))
    }

    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }
}

/// Nodes as a `pyarrow.RecordBatch`: (path, data and stat, or None of a node that is gone).
#[pyfunction]
pub(super) fn tree_rows(py: Python<'_>, nodes: Vec<Node>, decode: &str) -> PyResult<PyArrowType<RecordBatch>> {
    let batch = Decode::parse(decode).and_then(|decode| {
        let mut rows = Rows::new(decode);
        for (path, node) in nodes {
            match node {
                Some((data, stat)) => rows.push(&path, &data, &stat.get().into()),
                None => rows.push_gone(&path),
            }
        }
        rows.take()
    });
    batch.map(PyArrowType).map_err(|error| raise(py, &error))
}

#[pymethods]
impl Coordinator {
    /// Shares a walk among at most so many tasks, by subtree: for each the nodes it begins at, and whether with
    /// everything below them.
    fn _tree_shares(&self, py: Python<'_>, scope: &TreeScope, tasks: usize) -> PyResult<Vec<Vec<Top>>> {
        let (link, scope) = (self.link().clone(), scope.0.clone());
        block_on(py, async move { shares(link.session().await?, &scope, tasks).await })
    }

    /// Publishes rows below a path in batches that land whole or not at all: (path, data), the guard as path, version
    /// and token. Returns how many batches landed, and nodes were written and deleted.
    #[pyo3(signature = (path, rows, *, overwrite=false, guard=None))]
    fn _tree_publish(
        &self,
        py: Python<'_>,
        path: Text,
        rows: Vec<(Text, Vec<u8>)>,
        overwrite: bool,
        guard: Option<(Text, Option<i32>, Option<i64>)>,
    ) -> PyResult<(usize, usize, usize)> {
        let link = self.link().clone();
        let rows = rows.into_iter().map(|(path, data)| (path.into(), data)).collect();
        let guard = guard.map(|(path, version, token)| Standing { path: path.into(), version, token });
        block_on(py, async move {
            let done = publish(link.session().await?, &path, rows, overwrite, guard.as_ref()).await?;
            Ok((done.batches, done.rows, done.deleted))
        })
    }

    /// Walks one share; its batches come as they are asked for.
    #[pyo3(signature = (scope, tops, decode="text"))]
    fn _tree_walk(&self, py: Python<'_>, scope: &TreeScope, tops: Vec<Top>, decode: &str) -> PyResult<TreeWalk> {
        let decode = Decode::parse(decode).map_err(|error| raise(py, &error))?;
        let (link, scope) = (self.link().clone(), scope.0.clone());
        let walk = block_on(py, async move { Ok(Walk::new(link.session().await?, scope, tops, decode)) })?;
        Ok(TreeWalk(Arc::new(Mutex::new(walk))))
    }
}
