//! One look at the server: a node, or when it died; and the plain watches a look can leave.

use std::future::Future;
use std::sync::Arc;

use futures_util::FutureExt;
use zookeeper_client as zk;

use super::event::Node;
use super::ledger::{Answer, Ask};
use crate::error::{Error, Result};
use crate::path::parent;
use crate::session::Incarnation;

/// An answer, and the watches that came with it.
pub(super) type Looked = (u64, Result<(Answer, Option<Watches>)>);

/// The watches on one node, on a server or in a mode without persistent ones.
#[derive(Debug)]
pub(super) struct Watches {
    data: zk::OneshotWatcher,
    children: Option<zk::OneshotWatcher>,
}

impl Watches {
    /// What fired first, and the other's event where that fired too: it may be the older. Else the other watch is
    /// taken off, before the node is looked at again.
    pub(super) async fn fired(self) -> [Option<zk::WatchedEvent>; 2] {
        let Some(children) = self.children else { return [Some(self.data.changed().await), None] };
        let (mut data, mut children) = (Box::pin(self.data.changed()), Box::pin(children.changed()));
        tokio::select! {
            event = &mut data => [children.now_or_never(), Some(event)],
            event = &mut children => [Some(event), data.now_or_never()],
        }
    }
}

/// Where the cache lives, and how it looks.
#[derive(Clone, Debug)]
pub(super) struct Looker {
    pub(super) incarnation: Arc<Incarnation>,
    pub(super) client: Arc<zk::Client>,
    /// The cache's absolute path.
    pub(super) root: String,
    /// Leave watches.
    pub(super) plain: bool,
}

impl Looker {
    /// Asks until a server answers.
    pub(super) async fn look(self, id: u64, ask: Ask) -> Looked {
        let looked = match ask {
            Ask::Node { path, list } => self.node(&path, list).await,
            Ask::Death { path } => self.death(&path).await.map(|answer| (answer, None)),
        };
        (id, looked)
    }

    /// The absolute path of a node.
    pub(super) fn absolute(&self, path: &str) -> String {
        match (self.root.as_str(), path) {
            (root, "") => root.to_owned(),
            ("/", path) => format!("/{path}"),
            (root, path) => format!("{root}/{path}"),
        }
    }

    /// The inverse of [`Looker::absolute`].
    pub(super) fn relative<'a>(&self, absolute: &'a str) -> &'a str {
        absolute.strip_prefix(self.root.as_str()).unwrap_or(absolute).trim_start_matches('/')
    }

    async fn node(&self, path: &str, list: bool) -> Result<(Answer, Option<Watches>)> {
        let at = self.absolute(path);
        loop {
            let looked = if self.plain { self.watched(path, &at).await } else { self.read(&at, list).await };
            match looked {
                Err(Error::ConnectionLost(_)) => self.incarnation.connected().await?,
                // Without its root there is no cache.
                Err(Error::NotAuthorized(why)) if !path.is_empty() => {
                    tracing::warn!(%why, "a node below a cache cannot be read; the cache does without it");
                    return Ok((Answer::Unreadable, None));
                }
                Ok(Some(answer)) => return Ok(answer),
                // It came into being just now.
                Ok(None) => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn read(&self, at: &str, list: bool) -> Result<Option<(Answer, Option<Watches>)>> {
        // Both are queued before either is awaited.
        let get = self.client.get_data(at);
        let names = list.then(|| self.client.list_children(at));
        let node = match self.incarnation.request("get", at, get).await {
            Err(Error::NoNode(_)) => None,
            found => Some(found.map(|(data, stat)| Node { data, stat })?),
        };
        let names = match names {
            Some(names) => Some(self.names(at, names).await?),
            None => None,
        };
        Ok(Some((Answer::Node(node, names), None)))
    }

    async fn watched(&self, path: &str, at: &str) -> Result<Option<(Answer, Option<Watches>)>> {
        let get = self.client.get_and_watch_data(at);
        let list = self.client.get_and_watch_children(at);
        match self.incarnation.request("get", at, get).await {
            Ok((data, stat, watch)) => {
                let (names, children) = match self.incarnation.request("list", at, list).await {
                    Ok((names, _, children)) => (names, Some(children)),
                    Err(Error::NoNode(_) | Error::NotAuthorized(_)) => (Vec::new(), None),
                    Err(error) => return Err(error),
                };
                let watches = Watches { data: watch, children };
                Ok(Some((Answer::Node(Some(Node { data, stat }), Some(names)), Some(watches))))
            }
            Err(Error::NoNode(_)) if path.is_empty() => {
                // Of other nodes, the parent's watch tells.
                let coming = self.client.check_and_watch_stat(at);
                match self.incarnation.request("look up", at, coming).await? {
                    (None, watch) => {
                        let watches = Watches { data: watch, children: None };
                        Ok(Some((Answer::Node(None, Some(Vec::new())), Some(watches))))
                    }
                    (Some(_), _) => Ok(None),
                }
            }
            Err(Error::NoNode(_)) => Ok(Some((Answer::Node(None, Some(Vec::new())), None))),
            Err(error) => Err(error),
        }
    }

    async fn names(&self, at: &str, list: impl Future<Output = Result<Vec<String>, zk::Error>>) -> Result<Vec<String>> {
        match self.incarnation.request("list", at, list).await {
            Err(Error::NoNode(_) | Error::NotAuthorized(_)) => Ok(Vec::new()),
            listed => listed,
        }
    }

    /// When the server was first without a node: the last change of the children of what stands above it.
    async fn death(&self, path: &str) -> Result<Answer> {
        let at = self.absolute(path);
        let mut above = parent(&at).unwrap_or("/");
        loop {
            match self.incarnation.request("look up", above, self.client.check_stat(above)).await {
                Ok(Some(stat)) => return Ok(Answer::Death(stat.pzxid)),
                Ok(None) => above = parent(above).unwrap_or("/"),
                Err(Error::ConnectionLost(_)) => self.incarnation.connected().await?,
                Err(error) => return Err(error),
            }
        }
    }
}
