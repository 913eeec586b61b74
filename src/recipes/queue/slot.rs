//! A producer's slot: an ephemeral node that holds the id of the last operation written through it.
//!
//! Each put sets it in its own multi, so that a put whose reply was lost is known by reading it, even
//! when the item was delivered and done meanwhile. One slot serves one put at a time. It is also how a
//! client learns the server's time.

use std::sync::Arc;
use std::time::Instant;

use uuid::Uuid;
use zookeeper_client as zk;

use super::Queue;
use super::batch::Step;
use super::clock::Sample;
use crate::error::{Error, Result};
use crate::path::child;
use crate::session::{Incarnation, delete_in_background, make_parents};

/// One slot; its node goes with it.
#[derive(Debug)]
pub(super) struct Slot {
    incarnation: Arc<Incarnation>,
    path: String,
    /// Whether the node was seen to exist.
    pub(super) made: bool,
    /// Whether a create was sent that the server did not refuse.
    sent: bool,
}

impl Drop for Slot {
    fn drop(&mut self) {
        // What was refused left nothing to delete, perhaps where we may delete nothing.
        if !self.made && !self.sent {
            return;
        }
        drop(delete_in_background(&self.incarnation, std::mem::take(&mut self.path)));
    }
}

impl Slot {
    /// Writes `operation` into it.
    pub(super) fn step(&mut self, operation: &str) -> Step {
        self.sent |= !self.made;
        let (path, data) = (self.path.clone(), operation.as_bytes().to_vec());
        if self.made { Step::Set(path, data, None) } else { Step::Create(path, data, zk::CreateMode::Ephemeral) }
    }

    /// Nothing of what was sent last took effect, unless that is unknown.
    pub(super) fn refused(&mut self, why: &Error) {
        self.sent &= why.outcome_unknown();
    }

    /// The server refused to write it: makes good what was missing.
    ///
    /// # Errors
    /// `why` where it was refused for another reason; those of making the parents.
    pub(super) async fn mend(&mut self, client: &zk::Client, why: Error, clients: &str) -> Result<()> {
        match why {
            Error::NodeExists(_) => self.made = true,
            Error::NoNode(_) => {
                self.made = false;
                make_parents(&self.incarnation, client, clients, zk::CreateMode::Container).await?;
            }
            why => return Err(why),
        }
        Ok(())
    }

    /// Whether `operation` is the last that landed; asked after its reply was lost.
    pub(super) async fn holds(&mut self, client: &zk::Client, operation: &str) -> Result<bool> {
        loop {
            self.incarnation.connected().await?;
            // The server that we are connected to now may be behind the one that did it.
            let (sync, get) = (client.sync(&self.path), client.get_data(&self.path));
            match self.incarnation.request("sync", &self.path, sync).await {
                Ok(()) | Err(Error::NoNode(_)) => {}
                Err(Error::ConnectionLost(_)) => continue,
                Err(error) => return Err(error),
            }
            match self.incarnation.request("get", &self.path, get).await {
                Ok((data, _)) => {
                    self.made = true;
                    return Ok(data == operation.as_bytes());
                }
                Err(Error::NoNode(_)) => {
                    self.made = false;
                    return Ok(false);
                }
                Err(Error::ConnectionLost(_)) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Queue {
    /// A slot that nobody uses now.
    pub(super) fn slot(&self, incarnation: &Arc<Incarnation>) -> Slot {
        let mut free = self.slots();
        // Those of an earlier session went with it.
        free.retain(|slot| Arc::ptr_eq(&slot.incarnation, incarnation));
        let fresh = || {
            let path = child(&self.0.clients, &Uuid::new_v4().simple().to_string());
            Slot { incarnation: incarnation.clone(), path, made: false, sent: false }
        };
        free.pop().unwrap_or_else(fresh)
    }

    /// The next put may use it: everything sent through it was answered.
    pub(super) fn put_back(&self, slot: Slot) {
        self.slots().push(slot);
    }

    /// What time it is for the server; one round trip where nothing told us lately.
    pub(super) async fn time(&self, incarnation: &Arc<Incarnation>, client: &zk::Client) -> Result<Sample> {
        let mut slot = self.slot(incarnation);
        loop {
            if let Some(sample) = self.0.clock.sample() {
                self.put_back(slot);
                return Ok(sample);
            }
            let sent = Instant::now();
            let stamped = if slot.made {
                let reply = client.set_data(&slot.path, b"", None);
                incarnation.request("set", &slot.path, reply).await.map(|stat| stat.mtime)
            } else {
                let options = zk::CreateMode::Ephemeral.with_acls(incarnation.acls());
                slot.sent = true;
                let create = client.create(&slot.path, b"", &options);
                let created = incarnation.request("create", &slot.path, create).await;
                created.map(|(stat, _)| stat.ctime).inspect_err(|why| slot.refused(why))
            };
            match stamped {
                Ok(stamp) => {
                    slot.made = true;
                    self.0.clock.note(stamp, sent);
                }
                Err(error @ (Error::NoNode(_) | Error::NodeExists(_))) => {
                    slot.mend(client, error, &self.0.clients).await?;
                }
                Err(Error::ConnectionLost(_)) => incarnation.connected().await?,
                Err(error) => return Err(error),
            }
        }
    }

    fn slots(&self) -> std::sync::MutexGuard<'_, Vec<Slot>> {
        self.0.slots.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
