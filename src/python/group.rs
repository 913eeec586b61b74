//! Group membership.

use std::collections::BTreeMap;
use std::time::Duration;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyDict};

use super::arrival::Arrival;
use super::awaitable::{Awaitable, Nothing, awaitable, awaitable_grant};
use super::callbacks;
use super::coordinator::Coordinator;
use super::errors::raise;
use super::handle::{Handle, Rebuild};
use super::runtime::{block_on, core};
use super::seconds::{Seconds, timeout};
use crate::error::Result;
use crate::recipes::{self, Joined};
use crate::session::Session;

/// A handle on the group at one path; `Coordinator.group` makes them.
///
/// It pickles as configuration and connects where it is used.
#[pyclass(frozen, module = "sparkeeper._sparkeeper")]
pub(super) struct Group(Handle<recipes::Group, ()>);

type Recipe = Handle<recipes::Group, ()>;

async fn join(
    handle: Recipe,
    data: Option<PyBackedBytes>,
    id: Option<String>,
    timeout: Option<Duration>,
) -> Result<Membership> {
    let (group, left) = handle.recipe_within("group", timeout).await?;
    let joined = group.join(data.as_deref().unwrap_or_default().to_vec(), id, left).await?;
    Ok(Membership { joined, arrival: Arrival::default() })
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

async fn update(joined: Joined, data: PyBackedBytes) -> Result<Nothing> {
    joined.update(data.to_vec()).await?;
    Ok(Nothing)
}

async fn left(joined: Joined, wait: bool) -> Result<Nothing> {
    if wait {
        joined.gone().await;
    }
    Ok(Nothing)
}

#[pymethods]
impl Coordinator {
    /// The group of those who joined at `path`.
    fn group(&self, py: Python<'_>, path: String) -> PyResult<Group> {
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
        id: Option<String>,
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
        id: Option<String>,
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
    fn wait_for(&self, py: Python<'_>, count: usize, timeout: Option<Seconds>) -> PyResult<View> {
        let timeout = self::timeout(py, timeout)?;
        block_on(py, wait_for(self.0.clone(), count, timeout))
    }

    /// As `wait_for`, to be awaited.
    #[pyo3(signature = (count, timeout=None))]
    fn wait_for_async<'py>(
        &self,
        py: Python<'py>,
        count: usize,
        timeout: Option<Seconds>,
    ) -> PyResult<Awaitable<'py, View>> {
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
        format!("<Group '{}'>", self.0.path())
    }
}

/// Our own membership in a group: what `join` returns. It stands until it is left or the coordinator is closed.
#[pyclass(frozen, module = "sparkeeper._sparkeeper")]
pub(super) struct Membership {
    joined: Joined,
    arrival: Arrival,
}

impl Membership {
    fn arrived(self) -> Self {
        self.arrival.arrive();
        self
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        if self.arrival.pending() {
            self.joined.leave();
        }
    }
}

#[pymethods]
impl Membership {
    /// Who we are in the group.
    #[getter]
    fn id(&self) -> &str {
        self.joined.id()
    }

    /// The group's path, as it was given.
    #[getter]
    fn path(&self) -> &str {
        self.joined.group()
    }

    /// Our incarnation, which grows each time this id joins again; None while the group may not have us.
    #[getter]
    fn incarnation(&self) -> Option<i64> {
        self.joined.incarnation()
    }

    /// "JOINED", "AT_RISK" (nobody can confirm it now), "ABSENT" (lost; it joins again by itself), "LEFT" (for good).
    #[getter]
    fn state(&self, py: Python<'_>) -> PyResult<&'static str> {
        core().map_err(|error| raise(py, &error))?;
        Ok(self.joined.presence().name())
    }

    /// Changes what we say, and returns once a server has it; without a connection it waits for one. No view changes.
    ///
    /// An interrupted or cancelled update is made all the same.
    ///
    /// Raises:
    ///     NotOwner: We left.
    ///     PayloadTooLarge: Nothing was sent.
    fn update(&self, py: Python<'_>, data: PyBackedBytes) -> PyResult<Nothing> {
        block_on(py, update(self.joined.clone(), data))
    }

    /// As `update`, to be awaited.
    fn update_async<'py>(&self, py: Python<'py>, data: PyBackedBytes) -> PyResult<Awaitable<'py, Nothing>> {
        awaitable(py, update(self.joined.clone(), data))
    }

    /// Leaves for good, connected or not: no later session joins again. Once more is a no-op.
    ///
    /// Args:
    ///     wait: Return only when the node is gone. Without it the request is on its way, and is repeated in the
    ///         background should the reply be lost.
    #[pyo3(signature = (wait=false))]
    fn leave(&self, py: Python<'_>, wait: bool) -> PyResult<Nothing> {
        core().map_err(|error| raise(py, &error))?;
        self.joined.leave();
        block_on(py, left(self.joined.clone(), wait))
    }

    /// As `leave`, to be awaited.
    #[pyo3(signature = (wait=false))]
    fn leave_async<'py>(&self, py: Python<'py>, wait: bool) -> PyResult<Awaitable<'py, Nothing>> {
        core().map_err(|error| raise(py, &error))?;
        self.joined.leave();
        awaitable(py, left(self.joined.clone(), wait))
    }

    /// The caller has it now.
    fn _arrive(&self) {
        self.arrival.arrive();
    }

    fn __enter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    #[pyo3(signature = (_kind=None, _error=None, _trace=None))]
    fn __exit__(
        &self,
        py: Python<'_>,
        _kind: Option<Bound<'_, PyAny>>,
        _error: Option<Bound<'_, PyAny>>,
        _trace: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Nothing> {
        self.leave(py, false)
    }

    fn __aenter__(slf: Py<Self>, py: Python<'_>) -> PyResult<Awaitable<'_, Py<Self>>> {
        awaitable(py, async move { Ok(slf) })
    }

    #[pyo3(signature = (_kind=None, _error=None, _trace=None))]
    fn __aexit__<'py>(
        &self,
        py: Python<'py>,
        _kind: Option<Bound<'_, PyAny>>,
        _error: Option<Bound<'_, PyAny>>,
        _trace: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Awaitable<'py, Nothing>> {
        self.leave_async(py, false)
    }

    fn __reduce__(&self) -> PyResult<String> {
        Err(PyTypeError::new_err(format!(
            "a membership ('{}' in '{}') belongs to the session that joined and does not pickle; send the group, and \
             join there",
            self.joined.id(),
            self.joined.group()
        )))
    }

    fn __repr__(&self) -> String {
        let (id, group, state) = (self.joined.id(), self.joined.group(), self.joined.presence().name());
        let incarnation = self.joined.incarnation().map_or_else(|| "None".to_owned(), |number| number.to_string());
        format!("<Membership '{id}' in '{group}' {state} incarnation={incarnation}>")
    }
}

/// A member of a group, as everybody sees it.
#[pyclass(frozen, eq, skip_from_py_object, module = "sparkeeper._sparkeeper")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member(recipes::Member);

#[pymethods]
impl Member {
    #[new]
    fn new(id: String, data: Vec<u8>, incarnation: i64, session_id: i64, since: i64) -> Self {
        Self(recipes::Member { id, data, incarnation, session_id, since })
    }

    fn __getnewargs__<'py>(&'py self, py: Python<'py>) -> (&'py str, Bound<'py, PyBytes>, i64, i64, i64) {
        (self.id(), self.data(py), self.incarnation(), self.session_id(), self.since())
    }

    /// Unique in the group.
    #[getter]
    fn id(&self) -> &str {
        &self.0.id
    }

    /// What it says.
    #[getter]
    fn data<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.data)
    }

    /// Grows each time the same id joins again.
    #[getter]
    fn incarnation(&self) -> i64 {
        self.0.incarnation
    }

    /// Its session.
    #[getter]
    fn session_id(&self) -> i64 {
        self.0.session_id
    }

    /// When this incarnation joined, in milliseconds since 1970 on the server's clock.
    #[getter]
    fn since(&self) -> i64 {
        self.0.since
    }

    fn __repr__(&self) -> String {
        let recipes::Member { id, data, incarnation, session_id, since } = &self.0;
        let size = data.len();
        format!(
            "Member(id='{id}', data=<{size} bytes>, incarnation={incarnation}, session_id={session_id:#x}, since={since})"
        )
    }
}

/// Who is in a group, between one coming or going and the next.
///
/// Equal numbers mean equal members, whoever looks. Numbers grow, with gaps.
#[pyclass(frozen, get_all, eq, new = "from_fields", skip_from_py_object, module = "sparkeeper._sparkeeper")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct View {
    /// Shared by everybody who sees these members.
    number: i64,
    /// The incarnation of each member, by id.
    members: BTreeMap<String, i64>,
}

pickles!(View { number, members });

impl From<recipes::View> for View {
    fn from(found: recipes::View) -> Self {
        Self { number: found.number, members: found.members }
    }
}

#[pymethods]
impl View {
    fn __len__(&self) -> usize {
        self.members.len()
    }

    fn __contains__(&self, id: &str) -> bool {
        self.members.contains_key(id)
    }

    fn __repr__(&self) -> String {
        format!("View(number={}, members={:?})", self.number, self.members)
    }
}
