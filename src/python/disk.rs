//! What Python's `os` lacks.

use std::fs::File;
use std::path::PathBuf;

use pyo3::prelude::*;

/// Let everything last that was written to the file system of `path`, renames included.
///
/// Raises:
///     OSError: The file system could not be written.
#[pyfunction]
pub(super) fn sync_filesystem(py: Python<'_>, path: PathBuf) -> PyResult<()> {
    Ok(py.detach(|| sync(&File::open(path)?))?)
}

#[cfg(target_os = "linux")]
fn sync(file: &File) -> std::io::Result<()> {
    Ok(rustix::fs::syncfs(file)?)
}

#[cfg(not(target_os = "linux"))]
fn sync(_: &File) -> std::io::Result<()> {
    rustix::fs::sync();
    Ok(())
}
