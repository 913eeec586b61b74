//! A cache: a copy of a subtree in memory that follows the server, and tells what changed, in zxid order.
//!
//! Znodes: reads those at and below its path, creates and deletes none. On servers from 3.6 on it stands on one
//! persistent recursive watch; below, and where told, on two plain watches for each node.
//!
//! What is promised: after every change that the server tells of, the copy becomes equal to the server. Events
//! come in zxid order, none is invented, and folding them over an earlier snapshot gives the later one. Changes
//! that follow each other faster than they can be read may reach us as one. After a lost connection, and after
//! an expiry, the cache compares its copy with the server, and the differences are events like others.
//! While disconnected, it answers with what it knew last.

mod event;
mod feed;
mod follow;
mod ledger;
mod look;
mod tree;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

pub use self::event::{Event, Kind, Node};
pub use self::feed::Feed;
pub use self::ledger::{Answer, Ask, Ledger, Note};
pub use self::tree::Snapshot;

use self::follow::Follower;
use self::tree::{Progress, Tree};
use super::place::Place;
use crate::error::{Error, Result};
use crate::retry::Deadline;
use crate::session::Session;

/// A cache of the subtree at one path. Clones are the same cache; it stops with the last.
#[derive(Clone, Debug)]
pub struct Cache(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    place: Place,
    tree: Arc<Tree>,
    /// Dropped with the last handle, which ends the follower.
    stop: watch::Sender<bool>,
}

/// What changes, from the moment it was asked for.
#[derive(Debug)]
pub struct Events {
    /// Keeps the cache going.
    cache: Cache,
    feed: Arc<Feed>,
}

impl Cache {
    /// Starts to follow `path`, which need not exist. `persistent` false forgoes the persistent watch.
    /// Call it on a runtime.
    ///
    /// # Errors
    /// `InvalidPath`.
    pub fn new(session: &Session, path: &str, persistent: bool) -> Result<Self> {
        // The root is as good as any: a cache makes no node.
        let place = Place { session: session.clone(), name: path.to_owned(), path: session.absolute(path)? };
        let tree = Arc::new(Tree::default());
        let stop = watch::Sender::new(false);
        let follower = Follower::new(place.clone(), tree.clone(), stop.subscribe(), persistent);
        tokio::spawn(follower.run());
        Ok(Self(Arc::new(Inner { place, tree, stop })))
    }

    /// The path as the user wrote it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.place.name
    }

    /// Resolves when the copy has been equal to the server once.
    ///
    /// # Errors
    /// `Closed`, `AuthFailed`: it will not be; `NotAuthorized` while the root may not be read; `AcquireTimeout`.
    pub async fn ready(&self, timeout: Option<Duration>) -> Result<()> {
        if self.0.tree.is_ready() {
            return Ok(());
        }
        let ready = Deadline::after(timeout).bound(self.0.tree.ready()).await;
        ready.unwrap_or_else(|| {
            let (name, state) = (self.name(), self.0.place.session.state().name());
            Err(Error::acquire_timeout(format!(
                "cache '{name}': not read within {:?} (session {state}); wait longer, or check the ensemble",
                timeout.unwrap_or_default()
            )))
        })
    }

    /// The copy as it is, with its zxid.
    ///
    /// # Errors
    /// Why it stopped following; `NotAuthorized` while the root may not be read.
    pub async fn snapshot(&self) -> Result<Snapshot> {
        self.ready(None).await?;
        self.0.tree.snapshot()
    }

    /// What is known without waiting: the copy, or `None` where it was not read yet or follows no more.
    #[must_use]
    pub fn known(&self) -> Option<Snapshot> {
        self.0.tree.is_ready().then(|| self.0.tree.snapshot().ok()).flatten()
    }

    /// Every change from now on.
    ///
    /// # Errors
    /// As [`Self::snapshot`].
    pub async fn events(&self) -> Result<Events> {
        self.ready(None).await?;
        Ok(Events { cache: self.clone(), feed: self.0.tree.feed() })
    }

    /// Stops following, and takes the watches off the server. Readers get `Closed`, events end.
    pub async fn close(&self) {
        self.0.stop.send_replace(true);
        self.0.tree.over().await;
    }

    /// True once it follows no more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self.0.tree.progress(), Progress::Over(_))
    }
}

impl Events {
    /// The next change; `None` where the cache was closed.
    ///
    /// # Cancel safety
    /// Loses nothing.
    ///
    /// # Errors
    /// Why the session is over: `Closed`, `AuthFailed`.
    pub async fn next(&self) -> Result<Option<Arc<Event>>> {
        while self.ready().await? {
            if let Some(event) = self.take() {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    /// Waits until there is a change to [`Self::take`]; false where there will be none, as the cache was closed.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub async fn ready(&self) -> Result<bool> {
        if self.feed.ready().await {
            return Ok(true);
        }
        if *self.cache.0.stop.borrow() { Ok(false) } else { self.cache.0.tree.snapshot().map(|_| false) }
    }

    /// The next change, where there is one.
    #[must_use]
    pub fn take(&self) -> Option<Arc<Event>> {
        self.feed.take()
    }

    /// Whose changes.
    #[must_use]
    pub fn cache(&self) -> &Cache {
        &self.cache
    }
}
