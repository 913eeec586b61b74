//! Protected create of several nodes at once: all are made in one step, at one zxid, or none.
//!
//! One `multi` makes `_c_<guid>-<marker><sequence>` below every parent, so two such creates have the same order in
//! every line that they share. One GUID is for all; after a lost reply they are found by it, as in [`super::create`].

use std::future::Future;
use std::sync::Arc;

use uuid::Uuid;
use zookeeper_client as zk;

use super::create::{Attempt, find, make_parents};
use super::incarnation::Incarnation;
use super::limits;
use crate::error::{Error, Result};
use crate::path::child;

/// What the server notes of each node beside path and data.
const OVERHEAD: usize = 64;

/// The nodes to make.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Below which nodes.
    pub parents: &'a [String],
    /// How many below each.
    pub each: usize,
    /// What the name has before its number.
    pub marker: &'a str,
    /// The number, where it is not the server that gives it.
    pub number: Option<&'a str>,
    /// What each says.
    pub data: &'a [u8],
    /// A node of ours that must stand for these to be made.
    pub beside: Option<&'a str>,
}

/// Nodes of ours that were made together.
#[derive(Debug)]
pub struct Together {
    /// In the order of the parents.
    pub paths: Vec<String>,
    /// The creation zxid of all.
    pub czxid: i64,
    /// The link's epoch before the requests were sent.
    pub epoch: u64,
    /// Removes the nodes unless told to keep them.
    pub attempt: Attempt,
}

/// Creates the nodes, and runs `look` in the same flight, after it; again, where the reply to the creation was lost.
/// Missing parents are made, as containers, only when the server says that they are missing.
///
/// # Cancel safety
/// Leaves no node: what was already sent is swept in the background.
///
/// # Errors
/// `SessionExpired` where the session ended first, or the node to stand beside is gone; as
/// [`create_protected`](super::create_protected).
pub async fn create_together<F: Future>(
    incarnation: &Arc<Incarnation>,
    wanted: Wanted<'_>,
    look: impl Fn() -> F,
) -> Result<(Together, F::Output)> {
    let Wanted { parents, each, marker, number, data, beside } = wanted;
    let guid = Uuid::new_v4().to_string();
    let named = format!("_c_{guid}-{marker}{}", number.unwrap_or_default());
    let prefixes: Vec<String> = parents.iter().map(|parent| child(parent, &named)).collect();
    let Some(first) = prefixes.first() else { return Err(Error::config("nothing to create together; name a path")) };
    let bytes: usize = prefixes.iter().map(|prefix| prefix.len() + data.len() + OVERHEAD).sum();
    limits::check_nodes(first, prefixes.len().saturating_mul(each), bytes.saturating_mul(each))?;
    let client = incarnation.client()?;
    let mode = if number.is_some() { zk::CreateMode::Ephemeral } else { zk::CreateMode::EphemeralSequential };
    let options = mode.with_acls(incarnation.acls());
    let nodes = || prefixes.iter().flat_map(|prefix| std::iter::repeat_n(prefix, each));
    let mut attempt = Attempt::new(incarnation, parents, &guid);
    loop {
        let epoch = incarnation.link().epoch;
        let mut multi = client.new_multi_writer();
        let filled = beside
            .map_or(Ok(()), |beside| multi.add_check_version(beside, -1))
            .and_then(|()| nodes().try_for_each(|prefix| multi.add_create(prefix, data, &options)));
        filled.map_err(|error| Error::from_client(&error, "create", first))?;
        let landing = multi.commit();
        let landing = async { Ok::<_, zk::Error>(landing.await) };
        // Both are queued before either is answered; a session answers in order.
        let (landed, seen) = tokio::join!(biased; incarnation.request("create", first, landing), look());
        let checks = usize::from(beside.is_some());
        let error = match landed {
            Ok(Ok(results)) => {
                let (paths, czxid) = made(results);
                attempt.made(&paths);
                let czxid = match paths.first() {
                    // Older servers leave the stat out of a multi's reply.
                    Some(first) if czxid <= 0 => created_at(incarnation, &client, first).await?,
                    _ => czxid,
                };
                return Ok((Together { paths, czxid, epoch, attempt }, seen));
            }
            Ok(Err(zk::MultiWriteError::OperationFailed { index, source: zk::Error::NoNode })) => {
                if index < checks {
                    attempt.keep();
                    let beside = beside.unwrap_or_default();
                    return Err(Error::session_expired(format!("create '{first}': our node '{beside}' was deleted")));
                }
                // Those before it are there; those behind it were not tried.
                for parent in parents.get((index - checks) / each..).unwrap_or(parents) {
                    make_parents(incarnation, &client, parent, zk::CreateMode::Container).await?;
                }
                continue;
            }
            Ok(Err(refused)) => Error::from_client(&refused.into(), "create", first),
            Err(error) => error,
        };
        if !matches!(error, Error::ConnectionLost(_)) {
            attempt.refused(&error);
            return Err(error);
        }
        if let Some((paths, czxid)) = find(incarnation, &client, parents, &guid, prefixes.len() * each).await? {
            attempt.made(&paths);
            let epoch = incarnation.link().epoch;
            return Ok((Together { paths, czxid, epoch, attempt }, look().await));
        }
    }
}

/// The paths and the creation zxid in the reply to a multi.
fn made(results: Vec<zk::MultiWriteResult>) -> (Vec<String>, i64) {
    let (mut paths, mut czxid) = (Vec::with_capacity(results.len()), 0);
    for result in results {
        if let zk::MultiWriteResult::Create { path, stat } = result {
            czxid = stat.czxid;
            paths.push(path);
        }
    }
    (paths, czxid)
}

async fn created_at(incarnation: &Incarnation, client: &zk::Client, path: &str) -> Result<i64> {
    loop {
        match incarnation.request("stat", path, client.check_stat(path)).await {
            Err(Error::ConnectionLost(_)) => incarnation.connected().await?,
            Ok(None) => return Err(Error::session_expired(format!("create '{path}': it was deleted at once"))),
            found => return found.map(|stat| stat.map_or(0, |stat| stat.czxid)),
        }
    }
}
