//! Text as Python has it, which need not be Unicode: a string may hold half a character, a lone surrogate.

use std::ops::Deref;

use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::errors::raise;
use crate::error::Error;

/// An argument that is text: a path, an id, an owner. What UTF-8 cannot say is a `ConfigError`.
#[derive(Clone, Default)]
pub(super) struct Text(String);

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.0
    }
}

/// The text of an argument that may be left out.
pub(super) fn plain(text: Option<Text>) -> Option<String> {
    text.map(|Text(text)| text)
}

impl<'py> FromPyObject<'_, 'py> for Text {
    type Error = PyErr;

    const INPUT_TYPE: PyStaticExpr = String::INPUT_TYPE;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let text = object.cast::<PyString>()?;
        text.to_str().map(|text| Self(text.to_owned())).map_err(|_| {
            let given = text.repr().map_or_else(|_| "this".to_owned(), |given| given.to_string());
            let why = "it has a surrogate, which is no character of its own; give text that UTF-8 can write";
            raise(object.py(), &Error::config(format!("{given}: {why}")))
        })
    }
}
