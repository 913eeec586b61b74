//! What manifests say, for `sparkeeper.spark`: which to read, what is live, what to publish.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::commit::Location;
use super::errors::raise;
use crate::commit::files::{self, DataFile};
use crate::commit::mirror::{self, Publication};
use crate::commit::{chain, layout};
use crate::error::{Error, Result};

/// Path below the table, bytes, milliseconds since 1970.
pub(super) type File = (String, u64, i64);

/// A file's path below the table, and what it holds.
type Content<'py> = (String, Bound<'py, PyBytes>);

/// The manifests behind a head, as far as they were read.
///
/// Ask what is missing, read that file, provide it, and ask again until nothing is.
#[pyclass(frozen, module = "sparkeeper._sparkeeper")]
pub(super) struct Chain(Mutex<chain::Chain>);

impl From<chain::Chain> for Chain {
    fn from(chain: chain::Chain) -> Self {
        Self(Mutex::new(chain))
    }
}

impl Chain {
    pub(super) fn read<T>(&self, py: Python<'_>, call: impl FnOnce(&mut chain::Chain) -> Result<T>) -> PyResult<T> {
        call(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner)).map_err(|error| raise(py, &error))
    }
}

#[pymethods]
impl Chain {
    /// One without manifests.
    #[new]
    fn new() -> Self {
        Self::from(chain::Chain::default())
    }

    /// Take what was read from the manifest file `name`.
    ///
    /// Raises:
    ///     CorruptManifest: The bytes are not those that the name promises.
    fn provide(&self, py: Python<'_>, name: &str, data: &[u8]) -> PyResult<()> {
        self.read(py, |chain| chain.provide(name, data))
    }

    /// What to read before `live(head)` can answer.
    fn missing_for_live(&self, py: Python<'_>, head: &str) -> PyResult<Option<String>> {
        self.read(py, |chain| Ok(chain.missing_for_live(head)))
    }

    /// What to read before `since(head, version)` can answer.
    fn missing_since(&self, py: Python<'_>, head: &str, version: u64) -> PyResult<Option<String>> {
        self.read(py, |chain| Ok(chain.missing_since(head, version)))
    }

    /// What to read before `publications` can answer for a mirror with these names.
    fn missing_unpublished(&self, py: Python<'_>, head: &str, mirror: Vec<String>) -> PyResult<Option<String>> {
        let published = mirror::newest(mirror.iter().map(String::as_str));
        self.read(py, |chain| Ok(chain.missing_unpublished(head, published)))
    }

    /// The files live at the version of manifest `head`, by path.
    fn live(&self, py: Python<'_>, head: &str) -> PyResult<Vec<File>> {
        let file = |file: DataFile| (file.path, file.size, file.modified);
        self.read(py, |chain| Ok(chain.live(head)?.into_iter().map(file).collect()))
    }

    /// The manifests after `version` up to manifest `head`, oldest first, as JSON text.
    fn since(&self, py: Python<'_>, head: &str, version: u64) -> PyResult<Vec<String>> {
        self.read(py, |chain| {
            let texts = chain.since(head, version)?.into_iter().map(serde_json::to_string);
            texts.collect::<serde_json::Result<_>>().map_err(|error| Error::corrupt_manifest(error.to_string()))
        })
    }

    /// The files of a mirror that was deleted, as of manifest `head`: `live(head)` must be able to answer.
    fn mirror_anew<'py>(
        &self,
        py: Python<'py>,
        location: &Bound<'py, Location>,
        head: &str,
    ) -> PyResult<Vec<Content<'py>>> {
        let files = self.read(py, |chain| {
            let newest = chain.get(head).map_or(0, |manifest| manifest.mirror);
            Ok(mirror::anew(&location.get().0, newest, &chain.live(head)?))
        })?;
        Ok(files.into_iter().map(|(name, data)| (name, PyBytes::new(py, &data))).collect())
    }

    /// The files of the mirror that a reader of manifest `head` goes by: `live(head)` must be able to answer.
    fn mirrored<'py>(
        &self,
        py: Python<'py>,
        location: &Bound<'py, Location>,
        head: &str,
    ) -> PyResult<Vec<Content<'py>>> {
        let files = self.read(py, |chain| Ok(mirror::since_full(&location.get().0, &chain.since_full(head)?)))?;
        Ok(files.into_iter().map(|(name, data)| (name, PyBytes::new(py, &data))).collect())
    }

    /// What to write so that plain readers see everything up to manifest `head`, in this order.
    ///
    /// Returns:
    ///     For each version whether the mirror itself has to appear, by one rename of a prepared directory, and the
    ///     files: path below the table, bytes.
    fn publications<'py>(
        &self,
        py: Python<'py>,
        location: &Bound<'py, Location>,
        head: &str,
        mirror: Vec<String>,
    ) -> PyResult<Vec<(bool, Vec<Content<'py>>)>> {
        let published = mirror::newest(mirror.iter().map(String::as_str));
        let at = &location.get().0;
        let publications: Vec<Publication> = self.read(py, |chain| {
            let versions = chain.unpublished(head, published)?;
            let before = std::iter::once(published).chain(versions.iter().map(|version| Some(version.mirror)));
            Ok(versions.iter().zip(before).map(|(version, newest)| mirror::publication(at, version, newest)).collect())
        })?;
        let content = |(name, data): (String, Vec<u8>)| (name, PyBytes::new(py, &data));
        let place = |publication| match publication {
            Publication::Directory(files) => (true, files.into_iter().map(content).collect()),
            Publication::File(name, data) => (false, vec![content((name, data))]),
        };
        Ok(publications.into_iter().map(place).collect())
    }
}

/// The files of the mirror with which a table begins; none where a mirror with these names has begun.
#[pyfunction]
pub(super) fn mirror_beginning(py: Python<'_>, names: Vec<String>) -> Vec<Content<'_>> {
    if mirror::begun(mirror::newest(names.iter().map(String::as_str))) {
        return Vec::new();
    }
    mirror::beginning().into_iter().map(|(name, data)| (name, PyBytes::new(py, &data))).collect()
}

/// The newest id of a commit among the names in a mirror.
#[pyfunction]
pub(super) fn newest_published(names: Vec<String>) -> Option<u64> {
    mirror::committed(names.iter().map(String::as_str))
}

/// The final name of a staged data file, or None for what Spark itself would not read.
#[pyfunction]
pub(super) fn final_name(tx: &str, staged: &str) -> Option<String> {
    layout::final_name(tx, staged)
}

/// The values that the `column=value` directories of a path spell, unescaped; None is NULL.
#[pyfunction]
pub(super) fn partition_values(path: &str) -> BTreeMap<String, Option<String>> {
    files::partition_values(path)
}
