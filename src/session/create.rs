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

use super::delete::{delete_in_background, sweep};
use super::incarnation::Incarnation;
use super::limits;
use crate::error::{Error, Result};
use crate::path::{child, name, parent as parent_of};

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

/// A creation that was sent: the node's stat and path.
type Sent = BoxFuture<'static, Result<(zk::Stat, String)>>;

/// Cleans up after a create that was cancelled, timed out or failed.
///
/// # Cancel safety
/// Dropping it, at any moment, leaves no node with its GUID: what was already sent is removed in the background.
pub struct Attempt {
    incarnation: Arc<Incarnation>,
    parents: Vec<String>,
    guid: String,
    /// What was sent and not answered yet. Its answer names the node: whoever gives up under load must not have the
    /// server list all who wait, which would slow the next ones until they give up too. (Never locked: a future
    /// alone is not `Sync`.)
    sent: Mutex<Option<Sent>>,
    /// The paths of what was made, once a reply told it.
    made: Vec<String>,
    armed: bool,
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt").field("parents", &self.parents).field("made", &self.made).finish_non_exhaustive()
    }
}

impl Attempt {
    pub(super) fn new(incarnation: &Arc<Incarnation>, parents: &[String], guid: &str) -> Self {
        let (incarnation, parents, guid) = (incarnation.clone(), parents.to_vec(), guid.to_owned());
        Self { incarnation, parents, guid, sent: Mutex::new(None), made: Vec::new(), armed: true }
    }

    /// Queues the creation of `prefix` and a sequence number; [`Self::answer`] has the reply.
    fn send(&mut self, prefix: &str, data: &[u8]) {
        let (incarnation, prefix, data) = (self.incarnation.clone(), prefix.to_owned(), data.to_vec());
        let mut sent: Sent = Box::pin(async move {
            let client = incarnation.client()?;
            let options = zk::CreateMode::EphemeralSequential.with_acls(incarnation.acls());
            let create = client.create(&prefix, &data, &options);
            // The reply names what is to be removed, also after the end of a branch.
            let (stat, sequence) = incarnation.root().request("create", &prefix, create).await?;
            Ok((stat, format!("{prefix}{sequence}")))
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
        if let Ok((_, path)) = &reply {
            self.made = vec![path.clone()];
        }
        reply
    }

    /// These were made, and nothing else.
    pub(super) fn made(&mut self, paths: &[String]) {
        self.made = paths.to_vec();
    }

    /// The server refused: there is nothing to sweep, except where the session is in doubt, or a branch ended first.
    pub(super) fn refused(&mut self, why: &Error) {
        self.armed = why.outcome_unknown() || why.is_terminated();
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
        if !self.made.is_empty() {
            for path in self.made.drain(..) {
                drop(delete_in_background(&self.incarnation, path));
            }
            return;
        }
        let (incarnation, sent) = (self.incarnation.clone(), self.sent.get_mut().take());
        let (parents, guid) = (std::mem::take(&mut self.parents), std::mem::take(&mut self.guid));
        incarnation.clone().runtime.spawn(async move {
            match sent {
                Some(sent) => match sent.await {
                    Ok((_, path)) => drop(delete_in_background(&incarnation, path)),
                    Err(error) if error.outcome_unknown() => sweep(&incarnation, &parents, &guid).await,
                    Err(_) => {}
                },
                None => sweep(&incarnation, &parents, &guid).await,
            }
        });
    }
}

/// Creates `_c_<guid>-<marker><sequence>` below `parent` and lists the parent, in one flight.
/// Missing parents are made, as containers, only when the server says that they are missing, unless `settled` says that
/// this is for others to do.
///
/// # Errors
/// `NoNode` where a settled parent is missing; `SessionExpired` where the session ended first; `NotAuthorized`, `PayloadTooLarge` and the like.
pub async fn create_protected(
    incarnation: &Arc<Incarnation>,
    parent: &str,
    marker: &str,
    data: &[u8],
    settled: bool,
) -> Result<Created> {
    let guid = Uuid::new_v4().to_string();
    let prefix = child(parent, &format!("_c_{guid}-{marker}"));
    limits::check_size("create", &prefix, data.len())?;
    let client = incarnation.client()?;
    let parents = [parent.to_owned()];
    let mut attempt = Attempt::new(incarnation, &parents, &guid);
    loop {
        let mut epoch = incarnation.link().epoch;
        // Both requests are queued before either is awaited; a session answers in order.
        attempt.send(&prefix, data);
        let list = client.list_children(parent);
        let (path, czxid, listed) = match attempt.answer().await {
            Ok((stat, path)) => (path, stat.czxid, incarnation.request("list", parent, list).await),
            Err(Error::NoNode(_)) if !settled => {
                make_parents(incarnation, &client, parent, zk::CreateMode::Container).await?;
                continue;
            }
            Err(why @ Error::ConnectionLost(_)) => {
                let Some((mut paths, czxid)) = find(incarnation, &client, &parents, &guid, 1).await? else { continue };
                attempt.made(&paths);
                epoch = incarnation.link().epoch;
                (paths.pop().unwrap_or_default(), czxid, Err(why))
            }
            Err(error) => {
                attempt.refused(&error);
                return Err(error);
            }
        };
        let siblings = match listed {
            Err(Error::ConnectionLost(_)) => siblings(incarnation, &client, parent).await?,
            listed => none_where_gone(listed)?,
        };
        return Ok(Created { name: name(&path).to_owned(), czxid, siblings, epoch, attempt });
    }
}

/// Somebody deleted our node, and then the parent went too: nobody is there, as the caller sees from its own absence.
fn none_where_gone(listed: Result<Vec<String>>) -> Result<Vec<String>> {
    match listed {
        Err(Error::NoNode(_)) => Ok(Vec::new()),
        listed => listed,
    }
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

/// Lists who is in a line that we entered; nobody, where somebody deleted our node and then the parent went too.
///
/// # Errors
/// Anything but a lost connection.
pub async fn siblings(incarnation: &Incarnation, client: &zk::Client, parent: &str) -> Result<Vec<String>> {
    none_where_gone(list_again(incarnation, client, parent).await)
}

/// Looks for the nodes that a lost reply may have made in one step: the paths of all `wanted`, in the order of the
/// parents, and their creation zxid. Where somebody deleted a part of them, or they are another session's, what
/// carries the GUID is deleted.
pub(super) async fn find(
    incarnation: &Arc<Incarnation>,
    client: &zk::Client,
    parents: &[String],
    guid: &str,
    wanted: usize,
) -> Result<Option<(Vec<String>, i64)>> {
    'again: loop {
        incarnation.connected().await?;
        let sync = client.sync("/");
        let lists: Vec<_> = parents.iter().map(|parent| client.list_children(parent)).collect();
        match incarnation.request("sync", "/", sync).await {
            Err(Error::ConnectionLost(_)) => continue,
            synced => synced?,
        }
        let (mut paths, mut made_at) = (Vec::new(), Vec::new());
        for (list, parent) in lists.into_iter().zip(parents) {
            let names = match incarnation.request("list", parent, list).await {
                Err(Error::ConnectionLost(_)) => continue 'again,
                listed => none_where_gone(listed)?,
            };
            for name in names.iter().filter(|name| name.contains(guid)) {
                let path = child(parent, name);
                match incarnation.request("stat", &path, client.check_stat(&path)).await {
                    Err(Error::ConnectionLost(_)) => continue 'again,
                    found => {
                        if let Some(stat) = found? {
                            let ours = stat.ephemeral_owner == incarnation.session_id();
                            made_at.push(ours.then_some(stat.czxid));
                            paths.push(path);
                        }
                    }
                }
            }
        }
        made_at.dedup();
        if let [Some(czxid)] = made_at[..]
            && paths.len() == wanted
        {
            return Ok(Some((paths, czxid)));
        }
        for path in paths {
            drop(delete_in_background(incarnation, path));
        }
        return Ok(None);
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
