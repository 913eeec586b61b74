//! Looking at single nodes through lost connections, and at many watches at once.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use zookeeper_client as zk;

use crate::error::{Error, Result};
use crate::session::{Incarnation, Stat};

/// The node's stat as the leader has it, `None` where there is none. It asks until a server answers.
///
/// # Errors
/// Anything but a lost connection.
pub(crate) async fn look(incarnation: &Incarnation, client: &zk::Client, path: &str) -> Result<Option<Stat>> {
    loop {
        incarnation.connected().await?;
        // The server that we reach may lag behind the one that did what we ask about.
        let sync = client.sync(path);
        let look = client.check_stat(path);
        match incarnation.request("sync", path, sync).await {
            Err(Error::ConnectionLost(_)) => continue,
            Err(Error::NoNode(_)) => return Ok(None),
            synced => synced?,
        }
        match incarnation.request("look up", path, look).await {
            Err(Error::ConnectionLost(_)) => {}
            found => return found,
        }
    }
}

/// Resolves when the node that was made at `czxid` is gone.
///
/// # Cancel safety
/// Leaves no watch.
///
/// # Errors
/// Why the session ended before that.
pub(crate) async fn gone(incarnation: &Incarnation, client: &zk::Client, path: &str, czxid: i64) -> Result<()> {
    loop {
        // Reading its children, of which it has none, sets a watch that only its deletion fires.
        match incarnation.request("watch", path, client.get_and_watch_children(path)).await {
            Ok((_, stat, watcher)) if stat.czxid == czxid => tokio::select! {
                _ = watcher.changed() => {}
                why = incarnation.ended() => return Err(why),
            },
            Ok(_) | Err(Error::NoNode(_)) => return Ok(()),
            Err(Error::ConnectionLost(_)) => incarnation.connected().await?,
            Err(why) => return Err(why),
        }
    }
}

/// Watches with names. They are polled in place, and not by tasks, so that a watch that fired before a reply is known
/// to have fired when the reply is.
#[derive(Default)]
pub(super) struct Watches(Vec<(String, Event)>);

type Event = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Watches {
    pub(super) fn add(&mut self, name: String, watcher: zk::OneshotWatcher) {
        self.0.push((name, Box::pin(async move { drop(watcher.changed().await) })));
    }

    /// The names of those that fired and were not told yet.
    pub(super) async fn fired(&mut self) -> Vec<String> {
        poll_fn(|context| Poll::Ready(self.poll(context))).await
    }

    /// As [`Watches::fired`], once there is one.
    pub(super) async fn next(&mut self) -> Vec<String> {
        poll_fn(|context| match self.poll(context) {
            fired if fired.is_empty() => Poll::Pending,
            fired => Poll::Ready(fired),
        })
        .await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Vec<String> {
        let mut fired = Vec::new();
        self.0.retain_mut(|(name, watch)| {
            let over = watch.as_mut().poll(context).is_ready();
            if over {
                fired.push(std::mem::take(name));
            }
            !over
        });
        fired
    }
}
