//! Guaranteed delete: a node we gave up never outlives the attempt to remove it while the session lives.
//!
//! The first request is queued at once (requests keep their order on a session, so whatever the
//! caller asks next sees the node gone); the rest is retried in the background. Where the server
//! will not delete it, the session is closed instead, which removes the node with certainty.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::oneshot;
use zookeeper_client as zk;

use super::incarnation::Incarnation;
use crate::error::Error;
use crate::path::child;
use crate::retry::delays;

/// Queues the deletion of `path` and sees it through. The receiver resolves when the node is gone.
pub(super) fn delete_in_background(incarnation: &Arc<Incarnation>, path: String) -> oneshot::Receiver<()> {
    let (done, finished) = oneshot::channel();
    // Without a client the session is over, and its ephemeral nodes with it.
    if let Ok(client) = incarnation.client() {
        let first = client.delete(&path, None);
        let incarnation = incarnation.clone();
        incarnation.clone().runtime.spawn(async move {
            see_through(&incarnation, &client, &path, first).await;
            // Nobody has to wait for it.
            let _ = done.send(());
        });
    }
    finished
}

/// Repeats the deletion until the node, or the session, is gone.
async fn see_through(
    incarnation: &Incarnation,
    client: &zk::Client,
    path: &str,
    first: impl Future<Output = Result<(), zk::Error>>,
) {
    let mut reply = until_ended(incarnation, first).await;
    for delay in delays() {
        match reply {
            Ok(()) | Err(zk::Error::NoNode | zk::Error::SessionExpired | zk::Error::ClientClosed) => return,
            Err(zk::Error::ConnectionLoss) => {
                if incarnation.connected().await.is_err() {
                    return;
                }
            }
            Err(error @ (zk::Error::NoAuth | zk::Error::NotEmpty)) => {
                tracing::error!(path, %error, "a node of ours cannot be deleted; closing the session to remove it");
                let why = Error::from_client(&error, "delete", path);
                incarnation.finish(Error::session_expired(format!("closed, because a node would stay behind: {why}")));
                return;
            }
            Err(error) => {
                tracing::warn!(path, %error, "delete failed; trying again");
                tokio::time::sleep(delay).await;
            }
        }
        reply = until_ended(incarnation, client.delete(path, None)).await;
    }
}

async fn until_ended<T>(
    incarnation: &Incarnation,
    request: impl Future<Output = Result<T, zk::Error>>,
) -> Result<T, zk::Error> {
    tokio::select! {
        reply = request => reply,
        _ = incarnation.ended() => Err(zk::Error::SessionExpired),
    }
}

/// Deletes every child of `parent` whose name has `guid`, whoever made it, in the background.
pub(super) fn sweep_in_background(incarnation: &Arc<Incarnation>, parent: String, guid: String) {
    let incarnation = incarnation.clone();
    incarnation.clone().runtime.spawn(async move {
        let Ok(client) = incarnation.client() else { return };
        for delay in delays() {
            match until_ended(&incarnation, client.list_children(&parent)).await {
                Ok(children) => {
                    for name in children.iter().filter(|name| name.contains(&guid)) {
                        let path = child(&parent, name);
                        see_through(&incarnation, &client, &path, client.delete(&path, None)).await;
                    }
                    return;
                }
                Err(zk::Error::NoNode | zk::Error::SessionExpired | zk::Error::ClientClosed) => return,
                Err(zk::Error::ConnectionLoss) if incarnation.connected().await.is_err() => return,
                Err(_) => tokio::time::sleep(delay).await,
            }
        }
    });
}
