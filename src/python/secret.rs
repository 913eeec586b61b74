//! Secrets on their way from Python: kept where no traceback and no `repr` finds them.

use std::any::Any;
use std::sync::Arc;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

use super::errors::raise;
use super::exit;
use crate::config::{Secret, Source};
use crate::error::{Error, Result};

/// A secret, or the reference to one: "env:NAME", "file:PATH", or a function that is called whenever a session is
/// opened. It shows what it refers to, and nothing else.
#[pyclass(frozen, name = "Secret", module = "sparkeeper._sparkeeper")]
pub(super) struct Credential(Secret);

/// What a secret may be given as.
#[derive(FromPyObject)]
pub(super) enum Given<'py> {
    /// Closed already.
    Credential(Bound<'py, Credential>),
    /// The secret itself, "env:NAME" or "file:PATH".
    Text(String),
    /// A function that returns it.
    Function(Bound<'py, PyAny>),
}

impl Given<'_> {
    /// # Errors
    /// `TypeError` where it is nothing of the kind.
    pub(super) fn secret(self) -> PyResult<Secret> {
        match self {
            Self::Credential(credential) => Ok(credential.get().0.clone()),
            Self::Text(text) => Ok(Secret::parse(&text)),
            Self::Function(function) if function.is_callable() => {
                let name = function.py().import("sparkeeper.secrets")?.call_method1("name", (&function,))?.extract()?;
                Ok(Secret::Asked(Arc::new(Function { callable: function.unbind(), name })))
            }
            // Not shown: it may be the secret after all.
            Self::Function(_) => Err(PyTypeError::new_err("a secret is a str, or a function that returns one")),
        }
    }
}

/// A Python function that is asked for a secret.
struct Function {
    callable: Py<PyAny>,
    name: String,
}

impl Source for Function {
    fn name(&self) -> &str {
        &self.name
    }

    fn ask(&self) -> Result<String> {
        let asked = exit::attach(|py| {
            let wrong = |what: &str| Error::config(format!("auth: {} {what}", self.name));
            let answer = self.callable.bind(py).call0().map_err(|error| wrong(&format!("raised {error}")))?;
            answer.extract::<String>().map_err(|_| {
                let kind =
                    answer.get_type().name().map_or_else(|_| "something else".to_owned(), |kind| kind.to_string());
                wrong(&format!("returned a {kind}; return a str"))
            })
        });
        asked.unwrap_or_else(|| Err(Error::closed("auth: Python is shutting down")))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// What stands for the secret in another process.
///
/// # Errors
/// `ConfigError` where that would be the secret itself, or a function that no other process finds by its name.
pub(super) fn portable<'py>(py: Python<'py>, secret: &Secret) -> PyResult<Bound<'py, PyAny>> {
    if let Secret::Asked(source) = secret
        && let Some(function) = source.as_any().downcast_ref::<Function>()
    {
        return py.import("sparkeeper.secrets")?.call_method1("named", (&function.callable,));
    }
    let reference = secret.reference().map_err(|error| raise(py, &error))?;
    Ok(reference.into_pyobject(py)?.into_any())
}

#[pymethods]
impl Credential {
    #[new]
    fn new(value: Given<'_>) -> PyResult<Self> {
        value.secret().map(Self)
    }

    fn __repr__(&self) -> String {
        format!("{:?}", self.0)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyAny>,))> {
        let value = portable(slf.py(), &slf.get().0)?;
        Ok((slf.get_type().into_any(), (value,)))
    }
}
