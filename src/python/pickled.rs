//! Value objects as Python pickles them: by their fields, which their constructor takes in the same order.

/// Makes a class pickle (protocol 2 and up) and copy by the getters or fields named, in its constructor's order.
macro_rules! pickles {
    ($class:ident { $($field:ident),+ }) => {
        #[pyo3::pymethods]
        impl $class {
            fn __getnewargs__<'py>(
                &self,
                py: pyo3::Python<'py>,
            ) -> pyo3::PyResult<pyo3::Bound<'py, pyo3::PyAny>> {
                pyo3::IntoPyObjectExt::into_bound_py_any(($(self.$field.clone(),)+), py)
            }
        }
    };
}
