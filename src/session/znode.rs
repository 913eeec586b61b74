//! Plain access to znodes, for what recipes do not cover.
//!
//! Parents that a create finds missing are made as persistent nodes: what the user made below them should not
//! depend on whether it is empty for a while. Reads are repeated after a lost connection. Writes are not: where the reply was lost the caller
//! gets `ConnectionLost`, which says that the write may have landed, and decides.

use futures_util::future::join_all;
use zookeeper_client as zk;
use zookeeper_client::Stat;

use super::create::make_parents;
use super::create_kind::CreateKind;
use super::grant::Grant;
use super::limits::check_size;
use super::multi::{NotWritten, Write};
use super::supervisor::Session;
use crate::config::Access;
use crate::error::{Error, Result};
use crate::path::{child, parent as parent_of};

/// How often a recursive delete begins again where somebody made nodes below it meanwhile.
const SWEEPS: usize = 8;

/// How many deletions are on their way at once.
const DELETES_AT_ONCE: usize = 256;

/// A node to create, and its rights where they are not the session's.
struct Node<'a> {
    path: &'a str,
    data: &'a [u8],
    kind: CreateKind,
    access: Option<&'a Access>,
}

impl Session {
    /// A node's data and stat.
    ///
    /// # Errors
    /// `NoNode`, `NotAuthorized`; `ConnectionLost` where the ensemble stays away.
    pub async fn get(&self, path: &str) -> Result<(Vec<u8>, Stat)> {
        self.read("get", path, async |client, path| client.get_data(path).await).await
    }

    /// A node's stat, or `None` where there is no such node.
    ///
    /// # Errors
    /// `ConnectionLost` where the ensemble stays away.
    pub async fn exists(&self, path: &str) -> Result<Option<Stat>> {
        self.read("look up", path, async |client, path| client.check_stat(path).await).await
    }

    /// The names of a node's children, in no particular order.
    ///
    /// # Errors
    /// `NoNode`, `NotAuthorized`; `ConnectionLost` where the ensemble stays away.
    pub async fn children(&self, path: &str) -> Result<Vec<String>> {
        self.read("list", path, async |client, path| client.list_children(path).await).await
    }

    /// Waits until the server we are connected to has seen everything the leader had.
    ///
    /// # Errors
    /// `ConnectionLost` where the ensemble stays away.
    pub async fn sync(&self, path: &str) -> Result<()> {
        self.read("sync", path, async |client, path| client.sync(path).await).await
    }

    /// Sets a node's data, at `version` where one is given, only while every guard stands.
    ///
    /// # Errors
    /// `NoNode`, `BadVersion`, `PayloadTooLarge`; the guard's own (`LockLost`) where it is lost;
    /// `ConnectionLost` where it is unknown whether the write landed.
    pub async fn set(&self, path: &str, data: &[u8], version: Option<i32>, guards: &[&Grant]) -> Result<Stat> {
        let results = self.multi(&[Write::Set(path, data, version)], guards).await?;
        match results.into_iter().next() {
            Some(zk::MultiWriteResult::SetData { stat }) => Ok(stat),
            other => Err(Error::server(format!("set '{path}': unexpected reply {other:?}"))),
        }
    }

    /// Creates a node and returns its path in the namespace. Missing parents are made where `parents` says so, as
    /// often as the server removes one again before it is used, as it does with empty containers.
    ///
    /// # Errors
    /// `NodeExists`, `NoNode` (of the parent), `PayloadTooLarge`, `Config` where `kind` contradicts itself;
    /// `Unsupported` where the server has no such kind of node and no plain one will do; the guard's own where it
    /// is lost; `ConnectionLost` where it is unknown whether the node was made.
    pub async fn create(
        &self,
        path: &str,
        data: &[u8],
        kind: CreateKind,
        parents: bool,
        guards: &[&Grant],
    ) -> Result<String> {
        self.create_with(path, data, kind, None, parents, guards).await
    }

    /// As [`Session::create`], with rights of its own where they are given; missing parents get the session's.
    ///
    /// # Errors
    /// As [`Session::create`]; `Config` where the server refuses the rights.
    pub async fn create_with(
        &self,
        path: &str,
        data: &[u8],
        mut kind: CreateKind,
        access: Option<&Access>,
        parents: bool,
        guards: &[&Grant],
    ) -> Result<String> {
        kind.check(path)?;
        loop {
            match self.create_once(&Node { path, data, kind, access }, guards).await {
                Err(Error::NoNode(_)) if parents => {
                    let absolute = self.absolute(path)?;
                    let (incarnation, client) = self.live_client().await?;
                    let above = parent_of(&absolute).unwrap_or("/");
                    make_parents(&incarnation, &client, above, zk::CreateMode::Persistent).await?;
                }
                Err(Error::Unsupported(_)) if kind.fallback => kind = kind.plain(),
                created => return created,
            }
        }
    }

    async fn create_once(&self, node: &Node<'_>, guards: &[&Grant]) -> Result<String> {
        let Node { path, data, kind, access } = *node;
        if kind.extended() && guards.is_empty() {
            // A request of its own: servers that do not know it say so, where a multi with it breaks the connection.
            return self.create_alone(node).await;
        }
        let write = match access {
            Some(access) => Write::CreateWith(path, data, kind, access),
            None => Write::Create(path, data, kind),
        };
        match self.multi(&[write], guards).await?.into_iter().next() {
            Some(zk::MultiWriteResult::Create { path, .. }) => Ok(self.relative(&path).to_owned()),
            other => Err(Error::server(format!("create '{path}': unexpected reply {other:?}"))),
        }
    }

    async fn create_alone(&self, node: &Node<'_>) -> Result<String> {
        let Node { path, data, kind, access } = *node;
        let absolute = self.absolute(path)?;
        check_size("create", &absolute, data.len())?;
        let (incarnation, client) = self.live_client().await?;
        let acls = access.map(Access::acls);
        let options = kind.options(acls.as_deref().map_or_else(|| incarnation.acls(), zk::Acls::new));
        let created = incarnation.request("create", path, client.create(&absolute, data, &options)).await;
        if matches!(created, Err(Error::Unsupported(_))) {
            // A server that does not know a request answers and breaks the connection: the next write must not be
            // lost with it. Whatever this read finds, it was answered on a connection that works.
            let _ = self.exists("/").await;
        }
        let (_, sequence) = created?;
        let suffix = if kind.sequence { sequence.to_string() } else { String::new() };
        Ok(format!("{}{suffix}", self.relative(&absolute)))
    }

    /// Deletes a node, with everything below it where `recursive` says so (not in one step).
    ///
    /// # Errors
    /// `NoNode`, `BadVersion`; `NotEmpty` where it has children, with `recursive` where they came back each time; the
    /// guard's own where it is lost; `ConnectionLost` where it is unknown whether it was deleted.
    pub async fn delete(&self, path: &str, version: Option<i32>, recursive: bool, guards: &[&Grant]) -> Result<()> {
        if self.absolute(path)? == "/" {
            return Err(Error::invalid_path("delete '/': the root cannot be deleted; name what is below it"));
        }
        for _ in 0..if recursive { SWEEPS } else { 0 } {
            self.delete_below(path, guards).await?;
            match self.multi(&[Write::Delete(path, version)], guards).await {
                Err(NotWritten { index: Some(0), error: Error::NotEmpty(_) }) => {}
                deleted => return deleted.map(drop).map_err(Error::from),
            }
        }
        if recursive {
            return Err(Error::not_empty(format!(
                "delete '{path}': below it somebody made new nodes each of the {SWEEPS} times that all were deleted; end \
                 who makes them, then delete it again"
            )));
        }
        self.multi(&[Write::Delete(path, version)], guards).await?;
        Ok(())
    }

    /// Deletes what is below a node, children before parents. A node made meanwhile stays, and its parents with it.
    async fn delete_below(&self, path: &str, guards: &[&Grant]) -> Result<()> {
        let mut order = vec![path.trim_end_matches('/').to_owned()];
        let mut next = 0;
        while let Some(node) = order.get(next).cloned() {
            let children = match self.children(&node).await {
                Err(Error::NoNode(_)) if next > 0 => Vec::new(),
                listed => listed?,
            };
            order.extend(children.iter().map(|name| child(&node, name)));
            next += 1;
        }
        // Many in one flight: who makes a node again when he sees it go comes after its parent went.
        let writes: Vec<_> = order.iter().skip(1).rev().map(|node| [Write::Delete(node, None)]).collect();
        for some in writes.chunks(DELETES_AT_ONCE) {
            for deleted in join_all(some.iter().map(|write| self.multi(write, guards))).await {
                match deleted {
                    Err(NotWritten { index: Some(0), error: Error::NoNode(_) | Error::NotEmpty(_) }) => {}
                    deleted => drop(deleted?),
                }
            }
        }
        Ok(())
    }

    /// Makes the root of the namespace, and what is missing above it, where `path` is right below it.
    /// Says whether it did: what was refused for want of it may be tried again.
    ///
    /// # Errors
    /// `NotAuthorized` and the like; `SessionExpired` where the session ended first.
    pub async fn make_root_of(&self, path: &str) -> Result<bool> {
        let (root, absolute) = (self.absolute("")?, self.absolute(path)?);
        if root == "/" || parent_of(&absolute) != Some(root.as_str()) {
            return Ok(false);
        }
        let (incarnation, client) = self.live_client().await?;
        make_parents(&incarnation, &client, &root, zk::CreateMode::Persistent).await?;
        Ok(true)
    }

    async fn read<T>(
        &self,
        attempt: &str,
        path: &str,
        request: impl AsyncFn(&zk::Client, &str) -> Result<T, zk::Error>,
    ) -> Result<T> {
        let (path, request) = (&self.absolute(path)?, &request);
        self.look(|incarnation| async move {
            let client = incarnation.client()?;
            incarnation.request(attempt, path, request(&client, path)).await
        })
        .await
    }
}
