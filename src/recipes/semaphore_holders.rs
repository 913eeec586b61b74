//! Who has a semaphore's permits.
//!
//! An acquisition's leases were made in one step, so they share a creation zxid: that tells acquisitions apart,
//! whoever made them. Curator and kazoo take one permit at a time.

use super::semaphore_turn::Leases;
use crate::error::{Error, Result};
use crate::path::child;
use crate::session::{Incarnation, list_again};

/// Somebody who has permits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PermitHolder {
    /// Who it says it is.
    pub owner: String,
    /// How many it acquired in one step.
    pub permits: usize,
    /// Its fencing token.
    pub token: i64,
    /// Since when: milliseconds since 1970 on the server's wall clock.
    pub since: i64,
    /// Its session.
    pub session_id: i64,
}

/// Everybody with permits, the longest holder first; beside them, how many permits are out. Of the leases it reads at
/// most `most`.
///
/// # Errors
/// `ConnectionLost` where the link broke.
pub(super) async fn holders(
    incarnation: &Incarnation,
    leases: &Leases,
    most: usize,
) -> Result<(Vec<PermitHolder>, usize)> {
    let client = incarnation.client()?;
    let names = match list_again(incarnation, &client, &leases.path).await {
        Err(Error::NoNode(_)) => return Ok((Vec::new(), 0)),
        names => names?,
    };
    let out = names.len();
    // All requests are queued before the first reply is awaited.
    let paths: Vec<String> = names.iter().take(most).map(|name| child(&leases.path, name)).collect();
    let replies: Vec<_> = paths.iter().map(|path| client.get_data(path)).collect();
    let mut found: Vec<PermitHolder> = Vec::new();
    for (reply, path) in replies.into_iter().zip(&paths) {
        let (data, stat) = match incarnation.request("get", path, reply).await {
            // It was given back meanwhile.
            Err(Error::NoNode(_)) => continue,
            reply => reply?,
        };
        match found.iter_mut().find(|holder| holder.token == stat.czxid) {
            Some(holder) => holder.permits += 1,
            None => found.push(PermitHolder {
                owner: String::from_utf8_lossy(&data).into_owned(),
                permits: 1,
                token: stat.czxid,
                since: stat.ctime,
                session_id: stat.ephemeral_owner,
            }),
        }
    }
    found.sort_by_key(|holder| holder.token);
    Ok((found, out))
}
