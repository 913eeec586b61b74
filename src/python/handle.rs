//! What all recipe handles are: configuration until their first use, then a recipe on this process's session.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::types::PyDict;
use tokio::sync::OnceCell;

use super::link::Link;
use super::settings;
use crate::error::{Error, Result};
use crate::retry::Deadline;
use crate::session::Session;

/// A recipe `R` at a path, made from the settings `S` when it is needed. Clones are one handle.
pub(super) struct Handle<R, S>(Arc<Inner<R, S>>);

struct Inner<R, S> {
    link: Link,
    path: String,
    settings: S,
    open: fn(&Session, &str, &S) -> Result<R>,
    recipe: OnceCell<R>,
}

/// The function that makes an equal handle, and its arguments: settings, factory, path, keywords.
pub(super) type Rebuild<'py> = (Bound<'py, PyAny>, (Bound<'py, PyAny>, &'static str, String, Bound<'py, PyAny>));

impl<R, S> Clone for Handle<R, S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<R, S> Handle<R, S> {
    /// # Errors
    /// `InvalidPath`.
    pub(super) fn new(
        link: Link,
        path: impl Into<String>,
        settings: S,
        open: fn(&Session, &str, &S) -> Result<R>,
    ) -> Result<Self> {
        let path = path.into();
        link.config().prefix()?.absolute(&path)?;
        Ok(Self(Arc::new(Inner { link, path, settings, open, recipe: OnceCell::new() })))
    }

    /// The path as it was given.
    pub(super) fn path(&self) -> &str {
        &self.0.path
    }

    pub(super) fn link(&self) -> &Link {
        &self.0.link
    }

    pub(super) fn settings(&self) -> &S {
        &self.0.settings
    }

    /// The recipe, where it was used before.
    pub(super) fn existing(&self) -> Option<&R> {
        self.0.recipe.get()
    }

    /// The recipe, connected now if need be.
    ///
    /// # Errors
    /// As [`Session::open`]; what the recipe refuses.
    pub(super) async fn recipe(&self) -> Result<&R> {
        let Inner { link, path, settings, open, recipe } = &*self.0;
        recipe.get_or_try_init(|| async { open(link.session().await?, path, settings) }).await
    }

    /// The recipe, and what is left of `timeout`: the total includes connecting, as for a handle from
    /// another process. Zero still tries once.
    ///
    /// # Errors
    /// `AcquireTimeout`, which says that `what` was wanted; as [`Handle::recipe`].
    pub(super) async fn recipe_within(&self, what: &str, timeout: Option<Duration>) -> Result<(&R, Option<Duration>)> {
        if self.0.link.existing().is_some() {
            return Ok((self.recipe().await?, timeout));
        }
        let started = Instant::now();
        let connecting = Deadline::after(timeout.filter(|timeout| !timeout.is_zero())).bound(self.recipe()).await;
        let recipe = connecting.unwrap_or_else(|| Err(self.not_connected(what, timeout)))?;
        Ok((recipe, timeout.map(|timeout| timeout.saturating_sub(started.elapsed()))))
    }

    fn not_connected(&self, what: &str, timeout: Option<Duration>) -> Error {
        let Inner { link, path, .. } = &*self.0;
        let (after, hosts) = (timeout.unwrap_or_default(), &link.config().hosts);
        Error::acquire_timeout(format!(
            "{what} '{path}': nothing within {after:?}: no server of {hosts} answered; check that the ensemble runs"
        ))
    }

    /// How pickle makes an equal handle: by calling `factory`, a method of the coordinator, with the path and `keywords`.
    ///
    /// # Errors
    /// `ConfigError` where a setting is a secret.
    pub(super) fn reduce<'py>(
        &self,
        py: Python<'py>,
        factory: &'static str,
        keywords: Bound<'py, PyDict>,
    ) -> PyResult<Rebuild<'py>> {
        let rebuild = py.import("sparkeeper._rebuild")?.getattr("handle")?;
        let settings = settings::portable(py, self.0.link.config())?;
        Ok((rebuild, (settings, factory, self.0.path.clone(), keywords.into_any())))
    }
}
