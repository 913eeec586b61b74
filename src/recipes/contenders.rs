//! The line that lock, semaphore and election share: enter it, wait for one's turn, see who stands in it.
//!
//! Znodes: `<parent>/_c_<guid>-<marker><sequence>`, ephemeral, made by each contender, deleted by it
//! when it leaves. Data is the owner's text. The parent is a container and vanishes when it is empty.
//!
//! After a lost connection the wait goes on: the server tells what happened meanwhile. After an
//! expiry the place in line is gone, and `enter` says so.

use std::sync::Arc;
use std::time::Instant;

use zookeeper_client as zk;

use super::place::Place;
use super::turn::{Ticket, Turn, ambiguous, line, turn};
use crate::error::{Error, Result};
use crate::path::child;
use crate::session::{Created, Grant, GrantKind, Incarnation, Standing, create_protected, list_again};

/// Somebody who stands in line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contender {
    /// Who it says it is.
    pub owner: String,
    /// The creation zxid of its node, which is its fencing token once it is first.
    pub token: i64,
    /// When it joined the line: milliseconds since 1970 on the server's wall clock.
    pub since: i64,
    /// Its session.
    pub session_id: i64,
    /// 0 holds; 1 is next.
    pub position: usize,
}

impl Contender {
    /// From a node's data and stat.
    pub(super) fn new(data: &[u8], stat: &zk::Stat, position: usize) -> Self {
        Self {
            owner: String::from_utf8_lossy(data).into_owned(),
            token: stat.czxid,
            since: stat.ctime,
            session_id: stat.ephemeral_owner,
            position,
        }
    }
}

/// What tells one kind of line from another.
#[derive(Clone, Copy, Debug)]
pub(super) struct LineKind {
    /// What we put before the sequence number.
    pub(super) marker: &'static str,
    /// What others in the same line put there.
    pub(super) markers: &'static [&'static str],
    pub(super) grant: GrantKind,
}

/// Joins the line at `place` and waits for the front. With `wait` false it leaves again
/// where somebody is before us, and answers `None`.
///
/// # Cancel safety
/// Leaves no node and no watch.
///
/// # Errors
/// `SessionExpired` where the place in line was lost with the session, or with the node; join again then.
pub(super) async fn enter(
    incarnation: &Arc<Incarnation>,
    kind: LineKind,
    place: &Place,
    data: &[u8],
    wait: bool,
    asked: Instant,
) -> Result<Option<Arc<Grant>>> {
    let Place { name: resource, path: parent, .. } = place;
    let mut created = create_protected(incarnation, parent, kind.marker, data).await?;
    if !advance(incarnation, resource, parent, kind.markers, &mut created, wait).await? {
        return Ok(None);
    }
    let paths = vec![child(parent, &created.name)];
    created.attempt.keep();
    let (resource, token, epoch) = (resource.clone(), created.czxid, created.epoch);
    let grant = Grant::new(incarnation, Standing { kind: kind.grant, resource, paths, token, epoch, asked });
    // A lease that ran out while we waited lets nobody in; the node goes with the grant.
    grant.check().map_err(|why| Error::session_expired(why.to_string()))?;
    Ok(Some(grant))
}

/// Waits until `created` is the first in the line at `parent`. With `wait` false it only looks: true where it is.
///
/// # Cancel safety
/// Leaves no watch; the node is the caller's.
///
/// # Errors
/// `SessionExpired` where the node is gone, with the session or without.
pub(super) async fn advance(
    incarnation: &Arc<Incarnation>,
    resource: &str,
    parent: &str,
    markers: &[&str],
    created: &mut Created,
    wait: bool,
) -> Result<bool> {
    let client = incarnation.client()?;
    loop {
        let line = ordered(incarnation, &client, parent, line(&created.siblings, markers)).await?;
        match turn(&line, &created.name, 1) {
            Turn::In => return Ok(true),
            Turn::Gone => return Err(Error::session_expired(format!("'{resource}': our node in line was deleted"))),
            Turn::Watch(_) if !wait => return Ok(false),
            Turn::Watch(before) => gone(incarnation, &client, &child(parent, &before)).await?,
        }
        created.epoch = incarnation.link().epoch;
        created.siblings = list_again(incarnation, &client, parent).await?;
    }
}

/// Who stands in line, the holder first.
///
/// # Errors
/// `ConnectionLost` where the ensemble stays away.
pub(super) async fn contenders(
    incarnation: &Arc<Incarnation>,
    parent: &str,
    markers: &[&str],
) -> Result<Vec<Contender>> {
    let client = incarnation.client()?;
    let line = listed(incarnation, &client, parent, markers).await?;
    describe(incarnation, &client, parent, &line).await
}

/// Who holds, and how many wait. It reads one node of the line: a crowd whose waits end together asks this at once.
///
/// # Errors
/// `ConnectionLost` where the ensemble stays away.
pub(super) async fn holder(
    incarnation: &Arc<Incarnation>,
    parent: &str,
    markers: &[&str],
) -> Result<Option<(Contender, usize)>> {
    let client = incarnation.client()?;
    loop {
        let line = listed(incarnation, &client, parent, markers).await?;
        let Some((first, others)) = line.split_first() else { return Ok(None) };
        // None where it left meanwhile: then look again.
        if let Some(found) = describe(incarnation, &client, parent, std::slice::from_ref(first)).await?.pop() {
            return Ok(Some((found, others.len())));
        }
    }
}

async fn listed(incarnation: &Incarnation, client: &zk::Client, parent: &str, markers: &[&str]) -> Result<Vec<Ticket>> {
    match list_again(incarnation, client, parent).await {
        Err(Error::NoNode(_)) => Ok(Vec::new()),
        children => ordered(incarnation, client, parent, line(&children?, markers)).await,
    }
}

async fn describe(
    incarnation: &Incarnation,
    client: &zk::Client,
    parent: &str,
    line: &[Ticket],
) -> Result<Vec<Contender>> {
    // All requests are queued before the first reply is awaited.
    let paths: Vec<String> = line.iter().map(|ticket| child(parent, &ticket.name)).collect();
    let replies: Vec<_> = paths.iter().map(|path| client.get_data(path)).collect();
    let mut found = Vec::with_capacity(line.len());
    for (reply, path) in replies.into_iter().zip(&paths) {
        match incarnation.request("get", path, reply).await {
            Ok((data, stat)) => found.push(Contender::new(&data, &stat, found.len())),
            // It left the line meanwhile.
            Err(Error::NoNode(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Resolves when the node `path` changed in any way, or was not there to begin with.
async fn gone(incarnation: &Incarnation, client: &zk::Client, path: &str) -> Result<()> {
    // Reading the data, not its existence: on a node that is gone this leaves no watch behind.
    match incarnation.request("watch", path, client.get_and_watch_data(path)).await {
        Ok((_, _, watcher)) => tokio::select! {
            _ = watcher.changed() => Ok(()),
            why = incarnation.ended() => Err(why),
        },
        Err(Error::NoNode(_)) => Ok(()),
        Err(Error::ConnectionLost(_)) => incarnation.connected().await,
        Err(error) => Err(error),
    }
}

/// The line in order of arrival also where sequence numbers repeat: then creation zxids decide.
pub(super) async fn ordered(
    incarnation: &Incarnation,
    client: &zk::Client,
    parent: &str,
    line: Vec<Ticket>,
) -> Result<Vec<Ticket>> {
    if !ambiguous(&line) {
        return Ok(line);
    }
    let mut dated = Vec::with_capacity(line.len());
    for ticket in line {
        let path = child(parent, &ticket.name);
        loop {
            match incarnation.request("stat", &path, client.check_stat(&path)).await {
                Ok(Some(stat)) => dated.push((stat.czxid, ticket)),
                Ok(None) => {}
                Err(Error::ConnectionLost(_)) => {
                    incarnation.connected().await?;
                    continue;
                }
                Err(error) => return Err(error),
            }
            break;
        }
    }
    dated.sort_by_key(|(czxid, _)| *czxid);
    Ok(dated.into_iter().map(|(_, ticket)| ticket).collect())
}
