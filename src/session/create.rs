//! Protected create: a sequential ephemeral node that a lost reply can neither double nor orphan.
//!
//! The name carries a GUID, in Curator's form `_c_<guid>-<marker><sequence>`. After a lost reply we
//! `sync` the parent (another server may lag behind the one that created it), list it, adopt the
//! node only if its `ephemeralOwner` is this session, and delete every other with that GUID.

use std::fmt;
use std::future::ready;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::Mutex;
use uuid::Uuid;
use zookeeper_client as zk;

use super::delete::{delete_in_background, sweep_in_background};
use super::incarnation::Incarnation;
use super::limits;
use crate::error::{Error, Result};
use crate::path::{child, parent as parent_of};

/// A node of ours, and its siblings as listed in the same flight or later.
#[derive(Debug)]
pub struct Created {
    /// The last component of the path.
    pub name: String,
    /// The creation zxid.
    pub czxid: i64,
    /// Names of all children of the parent, this one included, if it was not deleted since.
    pub siblings: Vec<String>,
    /// The link's epoch before the requests were sent.
    pub epoch: u64,
    /// Removes the node unless told to keep it.
    pub attempt: Attempt,
}

/// A creation that was sent: the node's stat and name.
type Sent = BoxFuture<'static, Result<(zk::Stat, String)>>;

/// Cleans up after a create that was cancelled, timed out or failed.
///
/// # Cancel safety
/// Dropping it, at any moment, leaves no node with its GUID: what was already sent is removed in the background.
pub struct Attempt {
    incarnation: Arc<Incarnation>,
    parent: String,
    guid: String,
    /// What was sent and not answered yet. Its answer names the node: whoever gives up under load must not have the
    /// server list all who wait, which would slow the next ones until they give up too. (Never locked: a future
    /// alone is not `Sync`.)
    sent: Mutex<Option<Sent>>,
    /// What was made, once a reply told it.
    names: Vec<String>,
    armed: bool,
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt").field("parent", &self.parent).field("names", &self.names).finish_non_exhaustive()
    }
}

impl Attempt {
    pub(super) fn new(incarnation: &Arc<Incarnation>, parent: &str, guid: &str) -> Self {
        let (incarnation, parent, guid) = (incarnation.clone(), parent.to_owned(), guid.to_owned());
        Self { incarnation, parent, guid, sent: Mutex::new(None), names: Vec::new(), armed: true }
    }

    /// Queues the creation of `prefix` and a sequence number; [`Self::answer`] has the reply.
    fn send(&mut self, prefix: &str, data: &[u8]) {
        let (incarnation, prefix, data) = (self.incarnation.clone(), prefix.to_owned(), data.to_vec());
        let named_from = parent_prefix(&self.parent);
        let mut sent: Sent = Box::pin(async move {
            let client = incarnation.client()?;
            let options = zk::CreateMode::EphemeralSequential.with_acls(incarnation.acls());
            let create = client.create(&prefix, &data, &options);
            let (stat, sequence) = incarnation.request("create", &prefix, create).await?;
            Ok((stat, format!("{}{sequence}", &prefix[named_from..])))
        });
        // Polled once, it is on its way; an answer that is there already is kept.
        *self.sent.get_mut() = Some(match sent.as_mut().now_or_never() {
            Some(reply) => Box::pin(ready(reply)),
            None => sent,
        });
    }

    /// The reply to what was sent.
    async fn answer(&mut self) -> Result<(zk::Stat, String)> {
        let Some(sent) = self.sent.get_mut() else {
            return Err(Error::closed("nothing was sent"));
        };
        let reply = sent.await;
        *self.sent.get_mut() = None;
        if let Ok((_, name)) = &reply {
            self.names = vec![name.clone()];
        }
        reply
    }

    /// These were made, and nothing else.
    pub(super) fn made(&mut self, names: &[String]) {
        self.names = names.to_vec();
    }

    /// The server refused: there is nothing to sweep, except where the session is in doubt.
    pub(super) fn refused(&mut self, why: &Error) {
        self.armed = why.outcome_unknown();
    }

    /// The nodes stay: somebody else answers for them now.
    pub fn keep(mut self) {
        self.armed = false;
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.armed {
            return;
        }
        for name in &self.names {
            drop(delete_in_background(&self.incarnation, child(&self.parent, name)));
        }
        if self.names.is_empty() {
            let (incarnation, sent) = (self.incarnation.clone(), self.sent.get_mut().take());
            let (parent, guid) = (std::mem::take(&mut self.parent), std::mem::take(&mut self.guid));
            incarnation.clone().runtime.spawn(async move {
                match sent {
                    Some(sent) => match sent.await {
                        Ok((_, name)) => drop(delete_in_background(&incarnation, child(&parent, &name))),
                        Err(error) if error.outcome_unknown() => sweep_in_background(&incarnation, parent, guid),
                        Err(_) => {}
                    },
                    None => sweep_in_background(&incarnation, parent, guid),
                }
            });
        }
    }
}

/// Creates `_c_<guid>-<marker><sequence>` below `parent` and lists the parent, in one flight.
/// Missing parents are made, as containers, only when the server says that they are missing.
///
/// # Errors
/// `SessionExpired` where the session ended first; `NotAuthorized`, `PayloadTooLarge` and the like.
pub async fn create_protected(
    incarnation: &Arc<Incarnation>,
    parent: &str,
    marker: &str,
    data: &[u8],
) -> Result<Created> {
    let guid = Uuid::new_v4().to_string();
    let prefix = child(parent, &format!("_c_{guid}-{marker}"));
    limits::check_size("create", &prefix, data.len())?;
    let client = incarnation.client()?;
    let mut attempt = Attempt::new(incarnation, parent, &guid);
    loop {
        let epoch = incarnation.link().epoch;
        // Both requests are queued before either is awaited; a session answers in order.
        attempt.send(&prefix, data);
        let list = client.list_children(parent);
        match attempt.answer().await {
            Ok((stat, name)) => {
                let siblings = match incarnation.request("list", parent, list).await {
                    Err(Error::ConnectionLost(_)) => list_again(incarnation, &client, parent).await,
                    listed => listed,
                };
                let siblings = none_where_gone(siblings)?;
                return Ok(Created { name, czxid: stat.czxid, siblings, epoch, attempt });
            }
            Err(Error::NoNode(_)) => make_parents(incarnation, &client, parent, zk::CreateMode::Container).await?,
            Err(Error::ConnectionLost(_)) => {
                let (mut ours, siblings) = find(incarnation, &client, parent, &guid, 1).await?;
                if let Some((name, czxid)) = ours.pop() {
                    attempt.made(std::slice::from_ref(&name));
                    return Ok(Created { name, czxid, siblings, epoch: incarnation.link().epoch, attempt });
                }
            }
            Err(error) => {
                attempt.refused(&error);
                return Err(error);
            }
        }
    }
}

/// Somebody deleted our node, and then the parent went too: nobody is there, as the caller sees from its own absence.
pub(super) fn none_where_gone(listed: Result<Vec<String>>) -> Result<Vec<String>> {
    match listed {
        Err(Error::NoNode(_)) => Ok(Vec::new()),
        listed => listed,
    }
}

/// Length of what precedes a child's name in its path.
fn parent_prefix(parent: &str) -> usize {
    if parent == "/" { 1 } else { parent.len() + 1 }
}

/// Lists until a server answers.
///
/// # Errors
/// Anything but a lost connection.
pub async fn list_again(incarnation: &Incarnation, client: &zk::Client, parent: &str) -> Result<Vec<String>> {
    loop {
        incarnation.connected().await?;
        match incarnation.request("list", parent, client.list_children(parent)).await {
            Err(Error::ConnectionLost(_)) => {}
            reply => return reply,
        }
    }
}

/// Looks for the nodes that a lost reply may have made: all `wanted` with their creation zxids, or none. What else
/// carries the GUID is deleted. Beside them, the names of all children.
pub(super) async fn find(
    incarnation: &Arc<Incarnation>,
    client: &zk::Client,
    parent: &str,
    guid: &str,
    wanted: usize,
) -> Result<(Vec<(String, i64)>, Vec<String>)> {
    'again: loop {
        incarnation.connected().await?;
        let sync = client.sync(parent);
        let list = client.list_children(parent);
        match incarnation.request("sync", parent, sync).await {
            Err(Error::ConnectionLost(_)) => continue,
            Err(Error::NoNode(_)) => return Ok((Vec::new(), Vec::new())),
            synced => synced?,
        }
        let siblings = match incarnation.request("list", parent, list).await {
            Err(Error::ConnectionLost(_)) => continue,
            Err(Error::NoNode(_)) => return Ok((Vec::new(), Vec::new())),
            listed => listed?,
        };
        let mut found = Vec::new();
        for name in siblings.iter().filter(|name| name.contains(guid)) {
            let path = child(parent, name);
            match incarnation.request("stat", &path, client.check_stat(&path)).await {
                Err(Error::ConnectionLost(_)) => continue 'again,
                Ok(Some(stat)) if stat.ephemeral_owner == incarnation.session_id() && found.len() < wanted => {
                    found.push((name.clone(), stat.czxid));
                }
                Ok(Some(_)) => drop(delete_in_background(incarnation, path)),
                Ok(None) => {}
                Err(error) => return Err(error),
            }
        }
        if found.len() < wanted {
            // Somebody deleted a part of them; what is made in one step stands together or not at all.
            for (name, _) in found.drain(..) {
                drop(delete_in_background(incarnation, child(parent, &name)));
            }
        }
        return Ok((found, siblings));
    }
}

/// Makes `path` and what is missing above it. Recipes make containers, which the server removes when they are
/// empty again; servers that know none get plain nodes. One that vanishes meanwhile is made again.
///
/// # Errors
/// `NotAuthorized` and the like; `SessionExpired` where the session ended first.
pub async fn make_parents(
    incarnation: &Incarnation,
    client: &zk::Client,
    path: &str,
    mut mode: zk::CreateMode,
) -> Result<()> {
    let mut missing = vec![path];
    while let Some(next) = missing.last() {
        let options = mode.with_acls(incarnation.acls());
        match incarnation.request("create", next, client.create(next, &[], &options)).await {
            Ok(_) | Err(Error::NodeExists(_)) => {
                missing.pop();
            }
            Err(Error::NoNode(_)) => match parent_of(next) {
                Some(above) if above != "/" => missing.push(above),
                _ => return Err(Error::no_node(format!("create '{next}': its parent is missing"))),
            },
            Err(Error::ConnectionLost(_)) => incarnation.connected().await?,
            Err(Error::Unsupported(_)) if mode == zk::CreateMode::Container => mode = zk::CreateMode::Persistent,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
