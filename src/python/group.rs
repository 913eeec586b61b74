//! Group membership.

use std::time::Duration;

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyDict;

use super::awaitable::{Awaitable, awaitable, awaitable_grant};
use super::callbacks;
use super::coordinator::Coordinator;
use super::errors::raise;
use super::handle::{Handle, Rebuild};
use super::member::{Member, View};
use super::membership::Membership;
use super::runtime::block_on;
use super::seconds::{Seconds, timeout};
use super::text::{self, Text};
use super::whole::Whole;
use crate::error::Result;
use crate::recipes;
use crate::session::Session;

/// Members that the handle's own text names.
const SHOWN: usize = 10;

/// A handle on the group at one path; `Coordinator.group` makes them.
///
/// It pickles as configuration and connects where it is used.
#[pyclass(frozen, module = "sparkeeper._sparkeeper")]
pub(super) struct Group(Handle<recipes::Group, ()>);

type Recipe = Handle<recipes::Group, ()>;

async fn join(
    handle: Recipe,
    data: Option<PyBackedBytes>,
    id: Option<Text>,
    timeout: Option<Duration>,
) -> Result<Membership> {
    let (group, left) = handle.recipe_within("group", timeout).await?;
    let joined = group.join(data.as_deref().unwrap_or_default().to_vec(), text::plain(id), left).await?;
    Ok(Membership::new(joined))
}

async fn members(handle: Recipe) -> Result<Vec<Member>> {
    Ok(handle.recipe().await?.members().await?.into_iter().map(Member).collect())
}

async fn view(handle: Recipe) -> Result<View> {
    Ok(handle.recipe().await?.view().await?.into())
}

async fn wait_for(handle: Recipe, count: usize, timeout: Option<Duration>) -> Result<View> {
    let (group, left) = handle.recipe_within("group", timeout).await?;
    Ok(group.wait_for(count, left).await?.into())
}

#[pymethods]
impl Coordinator {
    /// The group of those who joined at `path`.
    fn group(&self, py: Python<'_>, path: Text) -> PyResult<Group> {
        let open = |session: &Session, path: &str, (): &()| recipes::Group::new(session, path);
        Ok(Group(Handle::new(self.link().clone(), path, (), open).map_err(|error| raise(py, &error))?))
    }
}

#[pymethods]
impl Group {
    /// The path, as it was given.
    #[getter]
    fn path(&self) -> &str {
        self.0.path()
    }

    /// Joins the group, and returns once a server says so. To be used in `with`, which leaves at its end.
    ///
    /// The membership comes back by itself after a lost connection, and after an expiry as a new incarnation.
    ///
    /// Args:
    ///     data: What the others read in `members`.
    ///     id: Unique in the group; a fresh one by default.
    ///     timeout: Seconds or timedelta, the total; 0 tries once. By default it waits for a server as long as it
    ///         takes. An id that another session has is waited for no longer than one and a half session timeouts:
    ///         then the session of a predecessor that was killed has ended.
    ///
    /// Raises:
    ///     NodeExists: Somebody else has the id.
    ///     AcquireTimeout: No server answered in time.
    #[pyo3(signature = (data=None, id=None, timeout=None))]
    fn join(
        &self,
        py: Python<'_>,
        data: Option<PyBackedBytes>,
        id: Option<Text>,
        timeout: Option<Seconds>,
    ) -> PyResult<Membership> {
        let timeout = self::timeout(py, timeout)?;
        block_on(py, join(self.0.clone(), data, id, timeout)).map(Membership::arrived)
    }

    /// As `join`, to be awaited. Cancelling leaves nothing behind.
    #[pyo3(signature = (data=None, id=None, timeout=None))]
    fn join_async<'py>(
        &self,
        py: Python<'py>,
        data: Option<PyBackedBytes>,
        id: Option<Text>,
        timeout: Option<Seconds>,
    ) -> PyResult<Awaitable<'py, Membership>> {
        let timeout = self::timeout(py, timeout)?;
        awaitable_grant(py, join(self.0.clone(), data, id, timeout))
    }

    /// The members now, sorted by id, with what they say.
    fn members(&self, py: Python<'_>) -> PyResult<Vec<Member>> {
        block_on(py, members(self.0.clone()))
    }

    /// As `members`, to be awaited.
    fn members_async<'py>(&self, py: Python<'py>) -> PyResult<Awaitable<'py, Vec<Member>>> {
        awaitable(py, members(self.0.clone()))
    }

    /// The view now: who is there, under a number that everybody shares.
    fn view(&self, py: Python<'_>) -> PyResult<View> {
        block_on(py, view(self.0.clone()))
    }

    /// As `view`, to be awaited.
    fn view_async<'py>(&self, py: Python<'py>) -> PyResult<Awaitable<'py, View>> {
        awaitable(py, view(self.0.clone()))
    }

    /// Waits until there are `count` members or more, and returns the view that has them.
    ///
    /// Args:
    ///     count: How many.
    ///     timeout: Seconds or timedelta, the total over everything; 0 looks once, None waits for ever.
    ///
    /// Raises:
    ///     AcquireTimeout: There were fewer; the message names them.
    #[pyo3(signature = (count, timeout=None))]
    fn wait_for(&self, py: Python<'_>, count: Whole<usize>, timeout: Option<Seconds>) -> PyResult<View> {
        let count = count.named(py, "count")?;
        let timeout = self::timeout(py, timeout)?;
        block_on(py, wait_for(self.0.clone(), count, timeout))
    }

    /// As `wait_for`, to be awaited.
    #[pyo3(signature = (count, timeout=None))]
    fn wait_for_async<'py>(
        &self,
        py: Python<'py>,
        count: Whole<usize>,
        timeout: Option<Seconds>,
    ) -> PyResult<Awaitable<'py, View>> {
        let count = count.named(py, "count")?;
        let timeout = self::timeout(py, timeout)?;
        awaitable(py, wait_for(self.0.clone(), count, timeout))
    }

    /// Calls `callback(view)` with the view as it is and then at every change, in order, on a thread of its own.
    ///
    /// Changes that follow each other closely may be told as one. It ends with the coordinator: keep that,
    /// this handle, or something held through either.
    fn on_change(&self, py: Python<'_>, callback: Py<PyAny>) -> PyResult<()> {
        let mut views = block_on(py, async { Ok(self.0.recipe().await?.views()) })?;
        callbacks::run(py, callback, |callback| async move {
            while let Ok(view) = views.next().await {
                callback.call(move |py| Ok(Py::new(py, View::from(view))?.into_any())).await;
            }
        })
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Rebuild<'py>> {
        self.0.reduce(py, "group", PyDict::new(py))
    }

    fn __repr__(&self) -> String {
        let state = match self.0.existing().and_then(recipes::Group::last) {
            Some(view) => {
                let members: Vec<String> = view.members.keys().take(SHOWN).map(|id| format!("'{id}'")).collect();
                let more = if view.members.len() > SHOWN { ", …" } else { "" };
                format!("last seen view {} of {}: {}{more}", view.number, view.members.len(), members.join(", "))
            }
            None => "not looked at yet".to_owned(),
        };
        format!("<Group '{}' {state}>", self.0.path())
    }
}
