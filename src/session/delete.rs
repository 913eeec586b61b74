//! Guaranteed delete: a node we gave up never outlives the attempt to remove it while the session lives.
//!
//! The first request is queued at once (requests keep their order on a session, so whatever the
//! caller asks next sees the node gone); the rest is retried in the background. Where the server
//! will not delete it and it is there, the session is closed instead, which removes the node with certainty.
//!
//! Where the name carries no GUID, somebody else may have taken it since a deletion whose reply was lost: then
//! the node is only deleted again after a look at whose it is.

use std::sync::Arc;

use tokio::sync::oneshot;
use zookeeper_client as zk;

use super::create::list_again;
use super::incarnation::Incarnation;
use crate::error::{Error, Result};
use crate::path::child;
use crate::retry::delays;

/// Refusals of other kinds, such as throttling, that are waited out.
const PATIENCE: usize = 8;

/// What a repeated deletion knows of the node's name.
#[derive(Clone, Copy)]
enum Name {
    /// Nobody else will ever use it.
    Unique,
    /// Others may take it once it is free.
    Shared,
}

/// Removes the node `path`, whose name others may use too, if it is this session's. Resolves when none of ours is left.
///
/// # Cancel safety
/// Dropped, it may leave the node: let it run to its end.
pub(crate) async fn withdraw(incarnation: &Arc<Incarnation>, path: &str) {
    let incarnation = incarnation.root();
    // Without a client the session is over, and its ephemeral nodes with it.
    if let Ok(client) = incarnation.client() {
        let reply = delete_ours(incarnation, &client, path).await;
        see_through(incarnation, &client, path, reply, Name::Shared).await;
    }
}

/// Queues the deletion of `path` and sees it through. The receiver resolves when the node is gone.
pub(crate) fn delete_in_background(incarnation: &Arc<Incarnation>, path: String) -> oneshot::Receiver<()> {
    let (incarnation, (done, finished)) = (incarnation.root(), oneshot::channel());
    // Without a client the session is over, and its ephemeral nodes with it.
    if let Ok(client) = incarnation.client() {
        let first = client.delete(&path, None);
        let incarnation = incarnation.clone();
        incarnation.clone().runtime.spawn(async move {
            let reply = incarnation.request("delete", &path, first).await;
            see_through(&incarnation, &client, &path, reply, Name::Unique).await;
            // Nobody has to wait for it.
            let _ = done.send(());
        });
    }
    finished
}

/// Repeats the deletion until the node, or the session, is gone.
async fn see_through(incarnation: &Incarnation, client: &zk::Client, path: &str, mut reply: Result<()>, name: Name) {
    for (tries, delay) in delays().enumerate() {
        match reply {
            // Fails where the session is over, and the node with it.
            Err(Error::ConnectionLost(_)) if incarnation.connected().await.is_ok() => {}
            Err(Error::Server(_)) if tries < PATIENCE => {}
            Err(Error::NotAuthorized(_) | Error::Server(_)) if nothing_of_ours(incarnation, client, path).await => {
                return;
            }
            Err(why @ (Error::NotAuthorized(_) | Error::Server(_))) => {
                return refuse_to_leave(incarnation, path, &why);
            }
            // Deleted, by us or otherwise; or the session is over.
            _ => return,
        }
        tokio::time::sleep(delay).await;
        reply = match name {
            Name::Unique => incarnation.request("delete", path, client.delete(path, None)).await,
            Name::Shared => delete_ours(incarnation, client, path).await,
        };
    }
}

/// The server will not delete a node of ours: closing the session removes it.
pub(super) fn refuse_to_leave(incarnation: &Incarnation, path: &str, why: &Error) {
    tracing::error!(path, %why, "a node of ours cannot be deleted; closing the session to remove it");
    incarnation.finish(Error::session_expired(format!("closed, because a node would stay behind: {why}")));
}

/// Whether the server says that no ephemeral node of this session is at `path`. Where we may not even look, one may be.
async fn nothing_of_ours(incarnation: &Incarnation, client: &zk::Client, path: &str) -> bool {
    loop {
        // The server that we reached may lag behind the one that made the node.
        let sync = client.sync(path);
        let look = client.check_stat(path);
        let synced = incarnation.request("sync", path, sync).await;
        match synced.and(incarnation.request("look up", path, look).await) {
            Ok(found) => return found.is_none_or(|stat| stat.ephemeral_owner != incarnation.session_id()),
            Err(Error::ConnectionLost(_)) if incarnation.connected().await.is_ok() => {}
            Err(_) => return false,
        }
    }
}

/// Nobody else can take the name between the look and the deletion: the node is ours until we delete it.
async fn delete_ours(incarnation: &Incarnation, client: &zk::Client, path: &str) -> Result<()> {
    // The server that we reached may lag behind the one that made the node.
    let sync = client.sync(path);
    let look = client.check_stat(path);
    incarnation.request("sync", path, sync).await?;
    match incarnation.request("look up", path, look).await? {
        Some(stat) if stat.ephemeral_owner == incarnation.session_id() => {
            incarnation.request("delete", path, client.delete(path, None)).await
        }
        _ => Ok(()),
    }
}

/// Deletes every child of the parents whose name has `guid`, whoever made it.
pub(super) async fn sweep(incarnation: &Arc<Incarnation>, parents: &[String], guid: &str) {
    let incarnation = incarnation.root();
    let Ok(client) = incarnation.client() else { return };
    for parent in parents {
        // A parent that is missing, or a session that is over, leaves nothing to sweep.
        let children = list_again(incarnation, &client, parent).await.unwrap_or_default();
        for name in children.iter().filter(|name| name.contains(guid)) {
            drop(delete_in_background(incarnation, child(parent, name)));
        }
    }
}
