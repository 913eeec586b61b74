//! The changes of a versioned value, by a plain watch on its head.
//!
//! Versions that follow each other faster than they are read come as one, the newest: whoever reads ends up with
//! the final state, and never sees an older version after a newer one.

use std::sync::Arc;

use zookeeper_client as zk;

use super::entry::Version;
use crate::error::{Error, Result};
use crate::recipes::place::Place;
use crate::session::Incarnation;

/// Every change from the moment it was asked for. Dropping it takes its watch off the server.
#[derive(Debug)]
pub struct Changes {
    place: Place,
    /// `czxid` and `mzxid` of what was seen last.
    seen: Option<(i64, i64)>,
    watch: Option<Watch>,
}

#[derive(Debug)]
struct Watch {
    incarnation: Arc<Incarnation>,
    watcher: zk::OneshotWatcher,
}

impl Changes {
    pub(super) fn new(place: Place, seen: Option<(i64, i64)>) -> Self {
        Self { place, seen, watch: None }
    }

    /// The next version, or why what was written is none: `Config`. It waits through lost connections and expiries.
    ///
    /// # Cancel safety
    /// Loses nothing.
    ///
    /// # Errors
    /// `Config`, after which it goes on; `Closed`, `AuthFailed`: there will be no more.
    pub async fn next(&mut self) -> Result<Version> {
        loop {
            if let Some(Watch { incarnation, watcher }) = self.watch.take() {
                tokio::select! {
                    _ = watcher.changed() => {}
                    _ = incarnation.ended() => {}
                }
            }
            match self.look().await {
                Ok(Some((data, stat))) if self.seen != Some((stat.czxid, stat.mzxid)) => {
                    self.seen = Some((stat.czxid, stat.mzxid));
                    return Version::parse(&self.place.name, &data, &stat);
                }
                // A node that went is no version: the next creation is.
                Ok(_) | Err(Error::ConnectionLost(_) | Error::SessionExpired(_)) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads the head, and leaves a watch on it or on its coming.
    async fn look(&mut self) -> Result<Option<(Vec<u8>, zk::Stat)>> {
        let incarnation = self.place.session.next_live().await?;
        incarnation.connected().await?;
        let (client, path) = (incarnation.client()?, &self.place.path);
        // The server may lag behind the one that an earlier session saw a version on.
        incarnation.request("sync", path, client.sync(path)).await?;
        let (found, watcher) = match incarnation.request("watch", path, client.get_and_watch_data(path)).await {
            Ok((data, stat, watcher)) => (Some((data, stat)), watcher),
            Err(Error::NoNode(_)) => {
                match incarnation.request("watch", path, client.check_and_watch_stat(path)).await? {
                    (None, watcher) => (None, watcher),
                    // It came just now.
                    (Some(_), _) => return Ok(None),
                }
            }
            Err(error) => return Err(error),
        };
        self.watch = Some(Watch { incarnation, watcher });
        Ok(found)
    }
}
