//! A cache at one moment.

use std::collections::BTreeMap;
use std::sync::Arc;

use pyo3::prelude::*;

use super::errors::raise;
use super::stat::Stat;
use super::text::Text;
use super::znodes::Bytes;
use crate::error::{Error, Result};
use crate::recipes::cache as recipe;

/// A cache at one moment: a mapping of paths to `(data, Stat)`.
///
/// It has every change of the subtree up to and including `zxid`. Where changes were under way when it was taken,
/// single nodes may be newer: their `mzxid` is above `zxid` then. Of a stat, what is said of children and
/// ACL (`pzxid`, `num_children`, `cversion`, `aversion`) may be older than that.
#[pyclass(frozen, mapping, module = "sparkeeper._sparkeeper")]
pub(super) struct CacheSnapshot {
    path: String,
    snapshot: recipe::Snapshot,
}

impl CacheSnapshot {
    pub(super) fn new(path: String, snapshot: recipe::Snapshot) -> Self {
        Self { path, snapshot }
    }

    pub(super) fn node(&self, path: &str) -> Option<&Arc<recipe::Node>> {
        self.snapshot.node(key(path))
    }

    pub(super) fn find(&self, path: &str) -> Result<&Arc<recipe::Node>> {
        self.node(path)
            .ok_or_else(|| Error::no_node(format!("cache '{}': there is no node '{}' in it", self.path, key(path))))
    }

    pub(super) fn names(&self, path: &str) -> Result<Vec<String>> {
        self.find(path)?;
        Ok(self.snapshot.children(key(path)).unwrap_or_default())
    }
}

/// What a pickle of a snapshot holds: its cache's path, its zxid, the nodes, and what is hidden.
type Fields<'a> = (&'a str, i64, BTreeMap<&'a str, (Bytes, Stat)>, Vec<&'a str>);

#[pymethods]
impl CacheSnapshot {
    #[new]
    fn rebuilt(path: String, zxid: i64, nodes: BTreeMap<String, (Vec<u8>, Py<Stat>)>, hidden: Vec<String>) -> Self {
        let node = |(data, stat): (Vec<u8>, Py<Stat>)| Arc::new(recipe::Node { data, stat: stat.get().into() });
        let nodes = Arc::new(nodes.into_iter().map(|(path, found)| (path, node(found))).collect());
        Self { path, snapshot: recipe::Snapshot { zxid, nodes, hidden: Arc::new(hidden.into_iter().collect()) } }
    }

    fn __getnewargs__(&self) -> Fields<'_> {
        let mut nodes = BTreeMap::new();
        for (path, node) in self.snapshot.nodes.iter() {
            nodes.insert(path.as_str(), (Bytes(node.data.clone()), Stat::from(node.stat)));
        }
        (&self.path, self.snapshot.zxid, nodes, self.hidden())
    }

    /// Zxid of the last change that is in it; 0 where there never was one.
    #[getter]
    fn zxid(&self) -> i64 {
        self.snapshot.zxid
    }

    /// The paths that this session may not read, sorted: they are left out, with all below them, or are as they were
    /// while it could.
    ///
    /// They are met when the subtree is read: first of all, and after the link was lost. Between that, servers from
    /// 3.9.2 (3.8.4) on tell nobody of nodes that he may not read.
    #[getter]
    fn hidden(&self) -> Vec<&str> {
        self.snapshot.hidden.iter().map(String::as_str).collect()
    }

    /// The paths, sorted.
    fn keys(&self) -> Vec<&str> {
        self.snapshot.nodes.keys().map(String::as_str).collect()
    }

    /// The names of a node's children, sorted.
    ///
    /// Raises:
    ///     NoNode: There is no such node.
    #[pyo3(signature = (path=""))]
    fn children(&self, py: Python<'_>, path: &str) -> PyResult<Vec<String>> {
        self.names(path).map_err(|error| raise(py, &error))
    }

    fn __getitem__(&self, py: Python<'_>, path: Text) -> PyResult<(Bytes, Stat)> {
        let node = self.find(&path).map_err(|error| raise(py, &error))?;
        Ok((Bytes(node.data.clone()), node.stat.into()))
    }

    pub(super) fn __contains__(&self, path: Text) -> bool {
        self.node(&path).is_some()
    }

    pub(super) fn __len__(&self) -> usize {
        self.snapshot.nodes.len()
    }

    pub(super) fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.keys().into_pyobject(py)?.try_iter()?.into_any())
    }

    fn __repr__(&self) -> String {
        format!("<CacheSnapshot '{}' nodes={} zxid={}>", self.path, self.__len__(), self.zxid())
    }
}

/// A path as the copy has it.
fn key(path: &str) -> &str {
    path.trim_matches('/')
}
