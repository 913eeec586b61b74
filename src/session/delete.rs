//! Guaranteed delete: a node we gave up never outlives the attempt to remove it while the session lives.
//!
//! The first request is queued at once (requests keep their order on a session, so whatever the
//! caller asks next sees the node gone); the rest is retried in the background. Where the server
//! will not delete it, the session is closed instead, which removes the node with certainty.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::oneshot;
use zookeeper_client as zk;

use super::create::list_again;
use super::incarnation::Incarnation;
use crate::error::Error;
use crate::path::child;
use crate::retry::delays;

/// Refusals of other kinds, such as throttling, that are waited out.
const PATIENCE: usize = 8;

/// Queues the deletion of `path` and sees it through. The receiver resolves when the node is gone.
pub(crate) fn delete_in_background(incarnation: &Arc<Incarnation>, path: String) -> oneshot::Receiver<()> {
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
    let mut reply = incarnation.request("delete", path, first).await;
    for (tries, delay) in delays().enumerate() {
        match reply {
            // Fails where the session is over, and the node with it.
            Err(Error::ConnectionLost(_)) if incarnation.connected().await.is_ok() => {}
            Err(Error::Server(_)) if tries < PATIENCE => {}
            Err(why @ (Error::NotAuthorized(_) | Error::Server(_))) => {
                tracing::error!(path, %why, "a node of ours cannot be deleted; closing the session to remove it");
                incarnation.finish(Error::session_expired(format!("closed, because a node would stay behind: {why}")));
                return;
            }
            // Deleted, by us or otherwise; or the session is over.
            _ => return,
        }
        tokio::time::sleep(delay).await;
        reply = incarnation.request("delete", path, client.delete(path, None)).await;
    }
}

/// Deletes every child of `parent` whose name has `guid`, whoever made it, in the background.
pub(super) fn sweep_in_background(incarnation: &Arc<Incarnation>, parent: String, guid: String) {
    let incarnation = incarnation.clone();
    incarnation.clone().runtime.spawn(async move {
        let Ok(client) = incarnation.client() else { return };
        // A parent that is missing, or a session that is over, leaves nothing to sweep.
        let Ok(children) = list_again(&incarnation, &client, &parent).await else { return };
        for name in children.iter().filter(|name| name.contains(&guid)) {
            let path = child(&parent, name);
            see_through(&incarnation, &client, &path, client.delete(&path, None)).await;
        }
    });
}
