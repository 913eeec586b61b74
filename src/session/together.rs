//! Protected create of several nodes at once: all are made in one step, or none.
//!
//! One `multi` makes `_c_<guid>-<marker><sequence>` below every parent, so all have one creation zxid, and
//! two such creates have the same order in every line that they share. After a lost reply we `sync`, list
//! the parents, and adopt the nodes only if all are there and ours; else what is there goes.

use std::sync::Arc;

use uuid::Uuid;
use zookeeper_client as zk;

use super::create::{Attempt, list_again, make_parents, none_where_gone};
use super::delete::delete_in_background;
use super::incarnation::Incarnation;
use super::limits;
use crate::error::{Error, Result};
use crate::path::child;

/// The nodes to make.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// One below each.
    pub parents: &'a [String],
    /// What the name has before its number.
    pub marker: &'a str,
    /// The number, where it is not the server that gives it.
    pub number: Option<&'a str>,
    /// What each says.
    pub data: &'a [u8],
    /// A node that must stand for these to be made.
    pub beside: Option<&'a str>,
}

/// Nodes of ours, each with its siblings as listed in the same flight or later.
#[derive(Debug)]
pub struct Together {
    /// The creation zxid of all.
    pub czxid: i64,
    /// The link's epoch before the requests were sent.
    pub epoch: u64,
    /// In the order of the parents.
    pub nodes: Vec<One>,
}

/// One of them.
#[derive(Debug)]
pub struct One {
    /// The last component of its path.
    pub name: String,
    /// Names of all children of its parent.
    pub siblings: Vec<String>,
    /// Removes the node unless told to keep it.
    pub attempt: Attempt,
}

/// Creates the nodes and lists their parents, in one flight. Missing parents are made, as containers, only
/// when the server says that they are missing.
///
/// # Cancel safety
/// Leaves no node: what was already sent is swept in the background.
///
/// # Errors
/// `Fenced` where the node they were to stand beside is gone; as [`create_protected`](super::create_protected).
pub async fn create_together(incarnation: &Arc<Incarnation>, wanted: Wanted<'_>) -> Result<Together> {
    let parents = wanted.parents;
    let guid = Uuid::new_v4().to_string();
    let number = wanted.number.unwrap_or_default();
    let paths: Vec<String> =
        parents.iter().map(|parent| child(parent, &format!("_c_{guid}-{}{number}", wanted.marker))).collect();
    let Some(first) = paths.first() else { return Err(Error::config("nothing to create together; name a path")) };
    limits::check_size("create", first, paths.iter().map(|path| path.len() + wanted.data.len() + 128).sum())?;
    let client = incarnation.client()?;
    let mode = if wanted.number.is_some() { zk::CreateMode::Ephemeral } else { zk::CreateMode::EphemeralSequential };
    let options = mode.with_acls(incarnation.acls());
    let mut sweep: Vec<Attempt> = parents.iter().map(|parent| Attempt::new(incarnation, parent, &guid)).collect();
    loop {
        let mut epoch = incarnation.link().epoch;
        let mut multi = client.new_multi_writer();
        if let Some(beside) = wanted.beside {
            multi.add_check_version(beside, -1).map_err(|error| Error::from_client(&error, "check", beside))?;
        }
        for path in &paths {
            let added = multi.add_create(path, wanted.data, &options);
            added.map_err(|error| Error::from_client(&error, "create", path))?;
        }
        // All requests are queued before any is awaited; a session answers in order.
        let commit = multi.commit();
        let lists: Vec<_> = parents.iter().map(|parent| client.list_children(parent)).collect();
        let landed = async { Ok::<_, zk::Error>(commit.await) };
        let landed = match incarnation.request("create", first, landed).await {
            Ok(Err(zk::MultiWriteError::RequestFailed { source })) => Err(Error::from_client(&source, "create", first)),
            Ok(landed) => Ok(landed),
            Err(ended) => Err(ended),
        };
        let checks = usize::from(wanted.beside.is_some());
        let nodes = match landed {
            Ok(Ok(results)) => made(results, parents, checks)?,
            Ok(Err(zk::MultiWriteError::OperationFailed { index, .. })) if index < checks => {
                sweep.drain(..).for_each(Attempt::keep);
                return Err(Error::fenced(format!("create '{first}': what it was to stand beside is gone")));
            }
            Ok(Err(zk::MultiWriteError::OperationFailed { index, source: zk::Error::NoNode })) => {
                // Those before it are there; those behind it were not tried.
                for parent in parents.get(index - checks..).unwrap_or(parents) {
                    make_parents(incarnation, &client, parent, zk::CreateMode::Container).await?;
                }
                continue;
            }
            Ok(Err(refused)) => {
                sweep.drain(..).for_each(Attempt::keep);
                return Err(Error::from_client(&refused.into(), "create", first));
            }
            Err(Error::ConnectionLost(_)) => match find(incarnation, &client, parents, &guid).await? {
                Some(found) => {
                    epoch = incarnation.link().epoch;
                    found
                }
                None => continue,
            },
            Err(error) => {
                if !error.outcome_unknown() {
                    sweep.drain(..).for_each(Attempt::keep);
                }
                return Err(error);
            }
        };
        for (attempt, (name, _)) in sweep.iter_mut().zip(&nodes) {
            attempt.made(std::slice::from_ref(name));
        }
        let mut siblings = Vec::with_capacity(parents.len());
        for (list, parent) in lists.into_iter().zip(parents) {
            siblings.push(none_where_gone(match incarnation.request("list", parent, list).await {
                Err(Error::ConnectionLost(_)) => list_again(incarnation, &client, parent).await,
                listed => listed,
            })?);
        }
        let czxid = match nodes.first() {
            Some((_, Some(czxid))) => *czxid,
            // Servers before 3.9 leave the stat out of a multi's reply.
            _ => match look(incarnation, &client, &child(&parents[0], &nodes[0].0)).await? {
                Some(stat) => stat.czxid,
                None => return Err(Error::session_expired(format!("create '{first}': it was deleted at once"))),
            },
        };
        let nodes = nodes.into_iter().zip(siblings).zip(sweep);
        let nodes = nodes.map(|(((name, _), siblings), attempt)| One { name, siblings, attempt }).collect();
        return Ok(Together { czxid, epoch, nodes });
    }
}

/// Names with their creation zxids, where the server told these.
type Made = Vec<(String, Option<i64>)>;

fn made(results: Vec<zk::MultiWriteResult>, parents: &[String], checks: usize) -> Result<Made> {
    let created = results.into_iter().skip(checks).zip(parents);
    created
        .map(|(result, parent)| match result {
            zk::MultiWriteResult::Create { path, stat } => {
                let name = path.rsplit('/').next().unwrap_or_default().to_owned();
                Ok((name, (!stat.is_invalid()).then_some(stat.czxid)))
            }
            other => Err(Error::server(format!("create below '{parent}': unexpected reply {other:?}"))),
        })
        .collect()
}

async fn look(incarnation: &Incarnation, client: &zk::Client, path: &str) -> Result<Option<zk::Stat>> {
    loop {
        match incarnation.request("stat", path, client.check_stat(path)).await {
            Err(Error::ConnectionLost(_)) => incarnation.connected().await?,
            reply => return reply,
        }
    }
}

/// Looks for the nodes that a lost reply may have made. What is not all ours and all there is deleted.
async fn find(
    incarnation: &Arc<Incarnation>,
    client: &zk::Client,
    parents: &[String],
    guid: &str,
) -> Result<Option<Made>> {
    loop {
        incarnation.connected().await?;
        match incarnation.request("sync", "/", client.sync("/")).await {
            Err(Error::ConnectionLost(_)) => {}
            synced => break synced?,
        }
    }
    let mut found = Vec::new();
    for parent in parents {
        let children = match list_again(incarnation, client, parent).await {
            Err(Error::NoNode(_)) => Vec::new(),
            listed => listed?,
        };
        for name in children.into_iter().filter(|name| name.contains(guid)) {
            if let Some(stat) = look(incarnation, client, &child(parent, &name)).await? {
                let ours = stat.ephemeral_owner == incarnation.session_id();
                found.push((parent, name, ours.then_some(stat.czxid)));
            }
        }
    }
    let czxid = found.first().and_then(|(.., czxid)| *czxid);
    let one_each = found.iter().map(|(parent, ..)| *parent).eq(parents.iter());
    if czxid.is_some() && one_each && found.iter().all(|(.., other)| *other == czxid) {
        return Ok(Some(found.into_iter().map(|(_, name, czxid)| (name, czxid)).collect()));
    }
    for (parent, name, _) in found {
        drop(delete_in_background(incarnation, child(parent, &name)));
    }
    Ok(None)
}
