//! Guaranteed delete of a node of ours together with the mark that bears a name which others use too.
//!
//! Both were made in one step, at one zxid. The node goes first: its name is never used again, so it can be deleted
//! as often as it takes. The mark is deleted again only after a look at whose it is: by then it may be the next
//! holder's, whose session may be ours.

use std::sync::Arc;

use tokio::sync::oneshot;
use zookeeper_client as zk;

use super::delete::{delete_in_background, refuse_to_leave};
use super::incarnation::Incarnation;
use crate::error::{Error, Result};
use crate::retry::delays;

/// The two nodes, and the zxid that both were made at.
#[derive(Clone, Debug)]
pub(super) struct Marked {
    pub(super) own: String,
    pub(super) mark: String,
    pub(super) czxid: i64,
}

/// What is known of the mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Removal {
    /// It is ours.
    Ours,
    /// Somebody may have deleted it by hand, and another made it since: look first.
    Doubtful,
}

/// Queues the deletion and sees it through. The receiver resolves when both are gone, or the session is.
pub(super) fn delete_marked_in_background(
    incarnation: &Arc<Incarnation>,
    marked: Marked,
    removal: Removal,
) -> oneshot::Receiver<()> {
    let (incarnation, (done, finished)) = (incarnation.root(), oneshot::channel());
    // Without a client the session is over, and its ephemeral nodes with it.
    if let Ok(client) = incarnation.client() {
        // Queued before this returns, here and below: what is asked next comes after it.
        let own = delete_in_background(incarnation, marked.own.clone());
        let first = (removal == Removal::Ours).then(|| client.delete(&marked.mark, None));
        let incarnation = incarnation.clone();
        incarnation.clone().spawn(async move {
            let deleted = match first {
                Some(first) => incarnation.request("delete", &marked.mark, first).await,
                None => delete_ours(&incarnation, &client, &marked).await,
            };
            see_through(&incarnation, &client, &marked, deleted).await;
            let _ = own.await;
            // Nobody has to wait for it.
            let _ = done.send(());
        });
    }
    finished
}

async fn see_through(incarnation: &Incarnation, client: &zk::Client, marked: &Marked, mut deleted: Result<()>) {
    for delay in delays() {
        match &deleted {
            // Fails where the session is over, and the nodes with it.
            Err(Error::ConnectionLost(_)) if incarnation.connected().await.is_ok() => {}
            Err(Error::Server(_)) => {}
            Err(why @ Error::NotAuthorized(_)) => return refuse_to_leave(incarnation, &marked.mark, why),
            // Deleted, by us or otherwise; or the session is over.
            _ => return,
        }
        tokio::time::sleep(delay).await;
        deleted = delete_ours(incarnation, client, marked).await;
    }
}

/// Nobody else can take the name between the look and the deletion: the node is ours until we delete it.
async fn delete_ours(
    incarnation: &Incarnation,
    client: &zk::Client,
    Marked { mark, czxid, .. }: &Marked,
) -> Result<()> {
    // The server that we reached may lag behind the one that made the node.
    let (sync, look) = (client.sync(mark), client.check_stat(mark));
    incarnation.request("sync", mark, sync).await?;
    match incarnation.request("look up", mark, look).await? {
        Some(stat) if stat.czxid == *czxid => incarnation.request("delete", mark, client.delete(mark, None)).await,
        _ => Ok(()),
    }
}
