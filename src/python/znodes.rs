//! Plain access to znodes: one future for each call, which the coordinator blocks on or hands to an event loop.

use std::sync::Arc;

use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use super::awaitable::Nothing;
use super::link::Link;
use super::settings::Rights;
use super::stat::Stat;
use super::text::Text;
use crate::error::Result;
use crate::session::{CreateKind, Grant};

/// A value as Python sees it.
pub(super) struct Bytes(pub(super) Vec<u8>);

impl<'py> IntoPyObject<'py> for Bytes {
    type Target = PyBytes;
    type Output = Bound<'py, PyBytes>;
    type Error = std::convert::Infallible;

    const OUTPUT_TYPE: PyStaticExpr = PyStaticExpr::Name { id: "bytes" };

    fn into_pyobject(self, py: Python<'py>) -> std::result::Result<Self::Output, Self::Error> {
        Ok(PyBytes::new(py, &self.0))
    }
}

pub(super) async fn get(link: Link, path: Text) -> Result<(Bytes, Stat)> {
    let (data, stat) = link.session().await?.get(&path).await?;
    Ok((Bytes(data), stat.into()))
}

pub(super) async fn set(
    link: Link,
    path: Text,
    data: PyBackedBytes,
    version: Option<i32>,
    guard: Vec<Arc<Grant>>,
) -> Result<Stat> {
    let guards: Vec<&Grant> = guard.iter().map(Arc::as_ref).collect();
    Ok(link.session().await?.set(&path, &data, version, &guards).await?.into())
}

pub(super) async fn create(
    link: Link,
    path: Text,
    data: Option<PyBackedBytes>,
    kind: CreateKind,
    parents: bool,
    guard: Vec<Arc<Grant>>,
    acl: Option<Rights>,
) -> Result<String> {
    let guards: Vec<&Grant> = guard.iter().map(Arc::as_ref).collect();
    let data = data.as_deref().unwrap_or_default();
    match acl {
        Some(acl) => {
            let access = acl.access_in(link.config())?;
            link.session().await?.create_with(&path, data, kind, Some(&access), parents, &guards).await
        }
        None => link.session().await?.create(&path, data, kind, parents, &guards).await,
    }
}

pub(super) async fn delete(
    link: Link,
    path: Text,
    version: Option<i32>,
    recursive: bool,
    guard: Vec<Arc<Grant>>,
) -> Result<Nothing> {
    let guards: Vec<&Grant> = guard.iter().map(Arc::as_ref).collect();
    link.session().await?.delete(&path, version, recursive, &guards).await?;
    Ok(Nothing)
}

pub(super) async fn exists(link: Link, path: Text) -> Result<Option<Stat>> {
    Ok(link.session().await?.exists(&path).await?.map(Stat::from))
}

pub(super) async fn children(link: Link, path: Text) -> Result<Vec<String>> {
    let mut names = link.session().await?.children(&path).await?;
    names.sort_unstable();
    Ok(names)
}

pub(super) async fn sync(link: Link, path: Text) -> Result<Nothing> {
    link.session().await?.sync(&path).await?;
    Ok(Nothing)
}
