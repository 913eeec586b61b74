//! Protected create of several nodes in one step: all are there, made at one zxid, or none is.
//!
//! Znodes: `<parent>/_c_<guid>-<marker><sequence>`, ephemeral, one GUID for all, in one `multi` with a check that
//! another node of ours still stands. After a lost reply they are found by the GUID, as in [`super::create`].

use std::future::Future;
use std::sync::Arc;

use uuid::Uuid;
use zookeeper_client as zk;

use super::create::{Attempt, find, make_parents};
use super::incarnation::Incarnation;
use super::limits;
use crate::error::{Error, Result};
use crate::path::child;

/// What the server notes beside path and data of each node in a request.
const OVERHEAD: usize = 64;

/// Nodes of ours that were made together.
#[derive(Debug)]
pub struct Group {
    /// The last components of their paths.
    pub names: Vec<String>,
    /// Their creation zxid.
    pub czxid: i64,
    /// The link's epoch before the request was sent.
    pub epoch: u64,
    /// Removes the nodes unless told to keep them.
    pub attempt: Attempt,
}

/// Creates `count` nodes below `parent` while the node `standing` exists, and runs `look` in the same flight, after it.
/// Where the reply to the creation was lost, `look` may have run before it was known to have happened.
///
/// # Cancel safety
/// Dropped, it leaves none of the nodes.
///
/// # Errors
/// `SessionExpired` where the session ended first, or `standing` is gone; `NotAuthorized`, `PayloadTooLarge` and the like.
pub async fn create_group<F: Future>(
    incarnation: &Arc<Incarnation>,
    standing: &str,
    parent: &str,
    marker: &str,
    data: &[u8],
    count: usize,
    look: impl Fn() -> F,
) -> Result<(Group, F::Output)> {
    let guid = Uuid::new_v4().to_string();
    let prefix = child(parent, &format!("_c_{guid}-{marker}"));
    limits::check_size("create", &prefix, (prefix.len() + data.len() + OVERHEAD).saturating_mul(count))?;
    let client = incarnation.client()?;
    let options = zk::CreateMode::EphemeralSequential.with_acls(incarnation.acls());
    let mut attempt = Attempt::new(incarnation, parent, &guid);
    loop {
        let epoch = incarnation.link().epoch;
        let mut multi = client.new_multi_writer();
        let filled = multi
            .add_check_version(standing, -1)
            .and_then(|()| (0..count).try_for_each(|_| multi.add_create(&prefix, data, &options)));
        filled.map_err(|error| Error::from_client(&error, "create", &prefix))?;
        let landing = multi.commit();
        let landing = async { Ok::<_, zk::Error>(landing.await) };
        // Both are queued before either is answered; a session answers in order.
        let (landed, seen) = tokio::join!(biased; incarnation.request("create", &prefix, landing), look());
        let error = match landed {
            Ok(Ok(made)) => {
                let (names, czxid) = read(made, parent);
                attempt.made(&names);
                let czxid = match names.first() {
                    // Servers before 3.7 answer without it.
                    Some(first) if czxid <= 0 => {
                        let path = child(parent, first);
                        let stat = incarnation.request("stat", &path, client.check_stat(&path)).await?;
                        stat.map_or(czxid, |stat| stat.czxid)
                    }
                    _ => czxid,
                };
                return Ok((Group { names, czxid, epoch, attempt }, seen));
            }
            Ok(Err(zk::MultiWriteError::OperationFailed { index: 0, source: zk::Error::NoNode })) => {
                return Err(Error::session_expired(format!("create '{prefix}': our node '{standing}' was deleted")));
            }
            Ok(Err(refused)) => Error::from_client(&zk::Error::from(refused), "create", &prefix),
            Err(error) => error,
        };
        match error {
            Error::NoNode(_) => make_parents(incarnation, &client, parent, zk::CreateMode::Container).await?,
            Error::ConnectionLost(_) => {
                let (ours, _) = find(incarnation, &client, parent, &guid, count).await?;
                if let Some((_, czxid)) = ours.first() {
                    let czxid = *czxid;
                    let names: Vec<String> = ours.into_iter().map(|(name, _)| name).collect();
                    attempt.made(&names);
                    return Ok((Group { names, czxid, epoch: incarnation.link().epoch, attempt }, look().await));
                }
            }
            error => {
                attempt.refused(&error);
                return Err(error);
            }
        }
    }
}

/// The names and the creation zxid in the reply to a multi.
fn read(made: Vec<zk::MultiWriteResult>, parent: &str) -> (Vec<String>, i64) {
    let (mut names, mut czxid) = (Vec::with_capacity(made.len()), 0);
    for result in made {
        if let zk::MultiWriteResult::Create { path, stat } = result {
            names.push(path.get(parent.len() + 1..).unwrap_or_default().to_owned());
            czxid = stat.czxid;
        }
    }
    (names, czxid)
}
