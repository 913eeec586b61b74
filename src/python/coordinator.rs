//! The coordinator: a session, plain access to znodes, and what the handles of recipes connect through.

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

use super::awaitable::{Awaitable, Nothing, awaitable, awaitable_end};
use super::callbacks;
use super::errors::raise;
use super::guard::{Guard, grants};
use super::link::Link;
use super::runtime::{block_on, core};
use super::scope::Scope;
use super::seconds::{Seconds, timeout};
use super::secret::Given;
use super::settings::{self, Rights, Settings};
use super::stat::Stat;
use super::text::{self, Text};
use super::whole::{Whole, named};
use super::znodes::{Bytes, children, create, delete, exists, get, set, sync};
use crate::error::Result;
use crate::session::{CreateKind, Session, SessionState};

/// One session with an ensemble. `sparkeeper.connect` makes it.
#[pyclass(frozen, subclass, module = "sparkeeper._sparkeeper")]
pub(super) struct Coordinator(Link);

async fn close(link: Link) -> Result<Nothing> {
    link.close().await;
    Ok(Nothing)
}

impl Coordinator {
    /// What other handles connect through.
    pub(super) fn link(&self) -> &Link {
        &self.0
    }
}

#[pymethods]
impl Coordinator {
    /// Connects on first use, sharing one session per process among equal arguments; `sparkeeper.connect` opens its own.
    #[new]
    /// With a scope it is a branch of the one that the process has for its tasks, and closed with the scope.
    #[pyo3(signature = (connect, *, session_timeout=None, namespace="", auth=Vec::new(), acl=None, tls=None, owner=None, scope=None))]
    #[expect(clippy::too_many_arguments, reason = "each is a setting with a default")]
    fn new(
        py: Python<'_>,
        connect: Text,
        session_timeout: Option<Seconds>,
        namespace: &str,
        auth: Vec<(String, Given<'_>)>,
        acl: Option<Rights>,
        tls: Option<settings::TlsFiles>,
        owner: Option<Text>,
        scope: Option<&Scope>,
    ) -> PyResult<Self> {
        let session_timeout = session_timeout.map(|seconds| seconds.duration(py, "session_timeout")).transpose()?;
        let settings =
            Settings { connect: &connect, session_timeout, namespace, auth, acl, tls, owner: text::plain(owner) };
        Ok(Self(Link::new(settings.config(py)?, scope.map(Scope::of_session))))
    }

    /// Opens a session now: one try per host, or tries until the timeout where one is given.
    #[pyo3(signature = (timeout=None))]
    fn _open(&self, py: Python<'_>, timeout: Option<Seconds>) -> PyResult<()> {
        let timeout = self::timeout(py, timeout)?;
        block_on(py, self.0.open(timeout))
    }

    /// The constructor's arguments as they may leave the process.
    ///
    /// Raises:
    ///     ConfigError: A secret was given as a literal instead of by reference.
    fn _settings<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        settings::portable(py, self.0.config())
    }

    /// "CONNECTED", "SUSPENDED" (link down, session perhaps alive), "EXPIRED" (the next session is being opened), "CLOSED".
    #[getter]
    fn state(&self, py: Python<'_>) -> PyResult<&'static str> {
        core().map_err(|error| raise(py, &error))?;
        Ok(self.0.state().name())
    }

    /// The server's id of the live session; 0 while there is none.
    #[getter]
    fn session_id(&self) -> i64 {
        self.0.existing().map_or(0, Session::session_id)
    }

    /// The servers and the chroot, as ZooKeeper's own clients take them; the namespace is not in it.
    #[getter]
    fn connect_string(&self) -> String {
        let config = self.0.config();
        format!("{}{}", config.hosts, config.chroot)
    }

    /// Put before every path.
    #[getter]
    fn namespace(&self) -> &str {
        &self.0.config().namespace
    }

    /// Who we say we are on the nodes we create.
    #[getter]
    fn owner(&self) -> &str {
        &self.0.config().owner
    }

    /// Calls `callback(state)` at every change of `state`, in order, on a thread of its own.
    fn on_state(&self, py: Python<'_>, callback: Py<PyAny>) -> PyResult<()> {
        let session = block_on(py, async { Ok(self.0.session().await?.clone()) })?;
        let mut states = session.states();
        drop(session);
        callbacks::run(py, callback, |callback| async move {
            use tokio::sync::broadcast::error::RecvError;
            loop {
                match states.recv().await {
                    Ok(state) => {
                        callback.call(move |py| Ok(state.name().into_pyobject(py)?.into_any().unbind())).await;
                        // Nothing comes after it; and the callback may be what keeps the coordinator.
                        if state == SessionState::Closed {
                            return;
                        }
                    }
                    // The callback was slow and missed some; the newest follow.
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                }
            }
        })
    }

    /// Ends the session: every grant is lost, every waiter gets `Closed`. In a Spark task the worker's session goes on.
    fn close(&self, py: Python<'_>) -> PyResult<Nothing> {
        block_on(py, close(self.0.clone()))
    }

    /// As `close`, to be awaited.
    fn close_async<'py>(&self, py: Python<'py>) -> PyResult<Awaitable<'py, Nothing>> {
        awaitable_end(py, close(self.0.clone()))
    }

    /// A node's data and stat.
    ///
    /// Raises:
    ///     NoNode: There is no such node.
    fn get(&self, py: Python<'_>, path: Text) -> PyResult<(Bytes, Stat)> {
        block_on(py, get(self.0.clone(), path))
    }

    /// As `get`, to be awaited.
    fn get_async<'py>(&self, py: Python<'py>, path: Text) -> PyResult<Awaitable<'py, (Bytes, Stat)>> {
        awaitable(py, get(self.0.clone(), path))
    }

    /// Sets a node's data.
    ///
    /// Args:
    ///     path: The node.
    ///     data: At most 1 MiB, less the path.
    ///     version: Write only where the node has this version.
    ///     guard: Something held, such as a lock; the write lands only while it stands.
    ///
    /// Raises:
    ///     NoNode: There is no such node.
    ///     BadVersion: Somebody wrote in between.
    ///     LockLost: The guard does not stand any more.
    ///     PayloadTooLarge: Nothing was sent.
    ///     ConnectionLost: The reply was lost; it may have landed.
    #[pyo3(signature = (path, data, version=None, *, guard=None))]
    fn set(
        &self,
        py: Python<'_>,
        path: Text,
        data: PyBackedBytes,
        version: Option<Whole<i32>>,
        guard: Option<Guard<'_>>,
    ) -> PyResult<Stat> {
        block_on(py, set(self.0.clone(), path, data, named(version, py, "version")?, grants(guard.as_ref())))
    }

    /// As `set`, to be awaited.
    #[pyo3(signature = (path, data, version=None, *, guard=None))]
    fn set_async<'py>(
        &self,
        py: Python<'py>,
        path: Text,
        data: PyBackedBytes,
        version: Option<Whole<i32>>,
        guard: Option<Guard<'_>>,
    ) -> PyResult<Awaitable<'py, Stat>> {
        awaitable(py, set(self.0.clone(), path, data, named(version, py, "version")?, grants(guard.as_ref())))
    }

    /// Creates a node and returns its path, which a sequence number ends where asked for.
    ///
    /// Args:
    ///     path: The node.
    ///     data: At most 1 MiB, less the path; nothing by default.
    ///     ephemeral: It goes with the session.
    ///     sequence: The server appends ten digits that grow.
    ///     parents: Make missing parents, as plain nodes.
    ///     guard: Something held, such as a lock; the node is made only while it stands.
    ///     container: The server removes it some time after its last child went.
    ///     ttl: Seconds or timedelta; the server removes it when it has no children and was not written for this long.
    ///     fallback: Where the server has no containers, or no TTL nodes, make a plain node, which nobody removes.
    ///     acl: Rights on this node, as `connect` takes them; parents that are made get the coordinator's.
    ///
    /// Raises:
    ///     NodeExists: There is one.
    ///     NoNode: The parent is missing, and parents is False.
    ///     LockLost: The guard does not stand any more.
    ///     PayloadTooLarge: Nothing was sent.
    ///     ConfigError: The node cannot be all that at once.
    ///     Unsupported: The server has no such nodes, and fallback is False. TTL nodes need
    ///         zookeeper.extendedTypesEnabled on every server.
    ///     ConnectionLost: The reply was lost; it may have been made.
    #[pyo3(signature = (path, data=None, ephemeral=false, sequence=false, parents=true, *, guard=None, container=false, ttl=None, fallback=false, acl=None))]
    #[expect(clippy::too_many_arguments, clippy::fn_params_excessive_bools, reason = "Python names them")]
    fn create(
        &self,
        py: Python<'_>,
        path: Text,
        data: Option<PyBackedBytes>,
        ephemeral: bool,
        sequence: bool,
        parents: bool,
        guard: Option<Guard<'_>>,
        container: bool,
        ttl: Option<Seconds>,
        fallback: bool,
        acl: Option<Rights>,
    ) -> PyResult<String> {
        let ttl = ttl.map(|ttl| ttl.duration(py, "ttl")).transpose()?;
        let kind = CreateKind { ephemeral, sequence, container, ttl, fallback };
        block_on(py, create(self.0.clone(), path, data, kind, parents, grants(guard.as_ref()), acl))
    }

    /// As `create`, to be awaited.
    #[pyo3(signature = (path, data=None, ephemeral=false, sequence=false, parents=true, *, guard=None, container=false, ttl=None, fallback=false, acl=None))]
    #[expect(clippy::too_many_arguments, clippy::fn_params_excessive_bools, reason = "Python names them")]
    fn create_async<'py>(
        &self,
        py: Python<'py>,
        path: Text,
        data: Option<PyBackedBytes>,
        ephemeral: bool,
        sequence: bool,
        parents: bool,
        guard: Option<Guard<'_>>,
        container: bool,
        ttl: Option<Seconds>,
        fallback: bool,
        acl: Option<Rights>,
    ) -> PyResult<Awaitable<'py, String>> {
        let ttl = ttl.map(|ttl| ttl.duration(py, "ttl")).transpose()?;
        let kind = CreateKind { ephemeral, sequence, container, ttl, fallback };
        awaitable(py, create(self.0.clone(), path, data, kind, parents, grants(guard.as_ref()), acl))
    }

    /// Deletes a node.
    ///
    /// Args:
    ///     path: The node.
    ///     version: Delete only where the node has this version.
    ///     recursive: Everything below it first, not in one step; again where somebody makes nodes there meanwhile, but
    ///         not for ever.
    ///     guard: Something held, such as a lock; the node is deleted only while it stands.
    ///
    /// Raises:
    ///     NoNode: There is no such node.
    ///     BadVersion: Somebody wrote in between.
    ///     SparkeeperError: It has children, and recursive is False, or somebody made new ones each time.
    ///     LockLost: The guard does not stand any more.
    #[pyo3(signature = (path, version=None, recursive=false, *, guard=None))]
    fn delete(
        &self,
        py: Python<'_>,
        path: Text,
        version: Option<Whole<i32>>,
        recursive: bool,
        guard: Option<Guard<'_>>,
    ) -> PyResult<Nothing> {
        block_on(py, delete(self.0.clone(), path, named(version, py, "version")?, recursive, grants(guard.as_ref())))
    }

    /// As `delete`, to be awaited.
    #[pyo3(signature = (path, version=None, recursive=false, *, guard=None))]
    fn delete_async<'py>(
        &self,
        py: Python<'py>,
        path: Text,
        version: Option<Whole<i32>>,
        recursive: bool,
        guard: Option<Guard<'_>>,
    ) -> PyResult<Awaitable<'py, Nothing>> {
        awaitable(py, delete(self.0.clone(), path, named(version, py, "version")?, recursive, grants(guard.as_ref())))
    }

    /// A node's stat, or None where there is no such node.
    fn exists(&self, py: Python<'_>, path: Text) -> PyResult<Option<Stat>> {
        block_on(py, exists(self.0.clone(), path))
    }

    /// As `exists`, to be awaited.
    fn exists_async<'py>(&self, py: Python<'py>, path: Text) -> PyResult<Awaitable<'py, Option<Stat>>> {
        awaitable(py, exists(self.0.clone(), path))
    }

    /// The names of a node's children, sorted.
    ///
    /// Raises:
    ///     NoNode: There is no such node.
    fn children(&self, py: Python<'_>, path: Text) -> PyResult<Vec<String>> {
        block_on(py, children(self.0.clone(), path))
    }

    /// As `children`, to be awaited.
    fn children_async<'py>(&self, py: Python<'py>, path: Text) -> PyResult<Awaitable<'py, Vec<String>>> {
        awaitable(py, children(self.0.clone(), path))
    }

    /// Returns once the server we are connected to has caught up with the leader.
    #[pyo3(signature = (path="/".into()))]
    fn sync(&self, py: Python<'_>, path: Text) -> PyResult<Nothing> {
        block_on(py, sync(self.0.clone(), path))
    }

    /// As `sync`, to be awaited.
    #[pyo3(signature = (path="/".into()))]
    fn sync_async<'py>(&self, py: Python<'py>, path: Text) -> PyResult<Awaitable<'py, Nothing>> {
        awaitable(py, sync(self.0.clone(), path))
    }
}
