//! The line that locks, semaphores and elections share: enter it, wait for one's turn, see who stands in it.
//!
//! Znodes: `<parent>/_c_<guid>-<marker><sequence>`, ephemeral, made by each contender, deleted by it
//! when it leaves. Data is the owner's text, and below it what others ask of the holder (see
//! [`revocation`](super::revocation)). The parent is a container and vanishes when it is empty.
//!
//! After a lost connection the wait goes on: the server tells what happened meanwhile. After an
//! expiry the place in line is gone, and `enter` says so.

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use zookeeper_client as zk;

use super::patience::Patience;
use super::place::Place;
use super::turn::{Rule, Ticket, Turn, ambiguous, line, positions};
use crate::error::{Error, Result};
use crate::path::child;
use crate::session::{
    Created, Grant, GrantKind, Incarnation, Session, Standing, create_protected, letter, list_again, siblings,
};

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
    /// 0 holds; 1 is next. Readers that hold together are all 0.
    pub position: usize,
}

impl Contender {
    /// From a node's data and stat.
    pub(super) fn new(data: &[u8], stat: &zk::Stat, position: usize) -> Self {
        Self {
            owner: letter::owner(data),
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
    /// Who is in, and whom the others watch.
    pub(super) rule: Rule,
    /// Whether others make the line's node: it is not made here.
    pub(super) settled: bool,
}

/// Enters by `enter` until it answers: where the place in line went with the session, it joins again with the next.
///
/// # Cancel safety
/// That of `enter`.
///
/// # Errors
/// What `enter` fails with; `Closed`, `AuthFailed`; without `wait` also `ConnectionLost`.
pub(super) async fn again<T, F: Future<Output = Result<T>>>(
    session: &Session,
    wait: bool,
    enter: impl Fn(Arc<Incarnation>) -> F,
) -> Result<T> {
    loop {
        let incarnation = if wait { session.next_live().await? } else { session.live().await? };
        match enter(incarnation).await {
            Err(Error::SessionExpired(_)) => {}
            entered => return entered,
        }
    }
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
    let mut created = create_protected(incarnation, parent, kind.marker, data, kind.settled).await?;
    if !advance(incarnation, resource, parent, kind, &mut created, wait).await? {
        return Ok(None);
    }
    incarnation.proven().await?;
    let paths = vec![child(parent, &created.name)];
    created.attempt.keep();
    let (resource, token, epoch) = (resource.clone(), created.czxid, created.epoch);
    let grant =
        Grant::new(incarnation, Standing { kind: kind.grant, resource, paths, mark: None, token, epoch, asked });
    grant.made_with(data);
    // A lease that ran out while we waited lets nobody in; the node goes with the grant.
    grant.check().map_err(|why| Error::session_expired(why.to_string()))?;
    Ok(Some(grant))
}

/// Waits until it is the turn of `created` in the line at `parent`. With `wait` false it only looks: true where it is.
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
    kind: LineKind,
    created: &mut Created,
    wait: bool,
) -> Result<bool> {
    let client = incarnation.client()?;
    let mut patience = Patience::new();
    loop {
        let line = ordered(incarnation, &client, parent, line(&created.siblings, kind.markers)).await?;
        match (kind.rule)(&line, &created.name) {
            Turn::In => return Ok(true),
            Turn::Gone => return Err(Error::session_expired(format!("'{resource}': our node in line was deleted"))),
            Turn::Watch(_) if !wait => return Ok(false),
            Turn::Watch(before) => {
                let first = line.first().map_or(&before, |ticket| &ticket.name);
                let others = line.iter().skip(1).take_while(|ticket| ticket.name != created.name).count();
                let (first, before) = (child(parent, first), child(parent, &before));
                patience.name(incarnation, &client, resource, &first, others).await;
                tokio::select! {
                    biased;
                    gone = gone(incarnation, &client, &before) => gone?,
                    () = patience.long() => {}
                }
            }
        }
        created.epoch = incarnation.link().epoch;
        created.siblings = siblings(incarnation, &client, parent).await?;
    }
}

/// Who stands in line, the holder first.
///
/// # Errors
/// `ConnectionLost` where the ensemble stays away.
pub(super) async fn contenders(incarnation: &Arc<Incarnation>, parent: &str, kind: LineKind) -> Result<Vec<Contender>> {
    let client = incarnation.client()?;
    let line = listed(incarnation, &client, parent, kind.markers).await?;
    let places: Vec<_> = line.iter().zip(positions(&line, kind.rule)).collect();
    describe(incarnation, &client, parent, &places).await
}

/// The nodes of those who hold, by name.
///
/// # Errors
/// `ConnectionLost` where the ensemble stays away.
pub(super) async fn holding(incarnation: &Arc<Incarnation>, parent: &str, kind: LineKind) -> Result<Vec<String>> {
    let client = incarnation.client()?;
    let line = listed(incarnation, &client, parent, kind.markers).await?;
    let places = positions(&line, kind.rule);
    Ok(line.into_iter().zip(places).filter(|(_, place)| *place == 0).map(|(ticket, _)| ticket.name).collect())
}

/// Who holds, and how many wait. It reads one node of the line: a crowd whose waits end together asks this at once.
///
/// # Errors
/// `ConnectionLost` where the ensemble stays away.
pub(super) async fn holder(
    incarnation: &Arc<Incarnation>,
    parent: &str,
    kind: LineKind,
) -> Result<Option<(Contender, usize)>> {
    let client = incarnation.client()?;
    loop {
        let line = listed(incarnation, &client, parent, kind.markers).await?;
        let Some((first, others)) = line.split_first() else { return Ok(None) };
        // None where it left meanwhile: then look again.
        if let Some(found) = describe(incarnation, &client, parent, &[(first, 0)]).await?.pop() {
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
    line: &[(&Ticket, usize)],
) -> Result<Vec<Contender>> {
    // All requests are queued before the first reply is awaited.
    let paths: Vec<String> = line.iter().map(|(ticket, _)| child(parent, &ticket.name)).collect();
    let replies: Vec<_> = paths.iter().map(|path| client.get_data(path)).collect();
    let mut found = Vec::with_capacity(line.len());
    for ((reply, path), (_, position)) in replies.into_iter().zip(&paths).zip(line) {
        match incarnation.request("get", path, reply).await {
            Ok((data, stat)) => found.push(Contender::new(&data, &stat, *position)),
            // It left the line meanwhile.
            Err(Error::NoNode(_)) => {}
            Err(error) => return Err(error),
        }
    }
    // Whoever left meanwhile leaves its place to those behind.
    let (mut place, mut last) = (0, None);
    for contender in &mut found {
        place += usize::from(last.is_some_and(|last| last != contender.position));
        last = Some(std::mem::replace(&mut contender.position, place));
    }
    Ok(found)
}

/// Resolves when the node `path` changed in any way, or was not there to begin with.
pub(super) async fn gone(incarnation: &Incarnation, client: &zk::Client, path: &str) -> Result<()> {
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
