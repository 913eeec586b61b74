//! What handles show in a notebook: `sparkeeper.notebook.html` makes it.

use pyo3::PyClass;
use pyo3::prelude::*;

/// The card of a handle, in HTML.
pub(super) fn card<T: PyClass>(handle: &Bound<'_, T>, kind: &str) -> PyResult<String> {
    handle.py().import("sparkeeper.notebook.html")?.call_method1(kind, (handle,))?.extract()
}
