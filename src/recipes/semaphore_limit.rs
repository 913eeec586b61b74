//! How many permits a semaphore has: a number that everybody shares and anybody changes.
//!
//! Znode: `<path>/permits`, persistent, made by the first who sets a limit; nobody deletes it. Without it each handle
//! goes by its own number. Curator's jobs share it through a `SharedCount` there.

use zookeeper_client as zk;

use super::place::Place;
use super::semaphore_permits::{decode, encode};
use crate::error::{Error, Result};
use crate::path::child;
use crate::session::{CreateKind, make_parents};

/// The node's name.
pub(super) const PERMITS: &str = "permits";

/// The stored limit, or `None` where nobody set one.
///
/// # Errors
/// `Config` where the node holds something else; `ConnectionLost` where the ensemble stays away.
pub(super) async fn stored(place: &Place) -> Result<Option<i32>> {
    let path = child(&place.name, PERMITS);
    // A stale number would be one that somebody has already changed for everybody.
    match tokio::join!(biased; place.session.sync(&place.name), place.session.get(&path)) {
        (Err(why), _) if !matches!(why, Error::NoNode(_)) => Err(why),
        (_, Err(Error::NoNode(_))) => Ok(None),
        (_, found) => decode(&path, &found?.0),
    }
}

/// Stores a limit. After a lost reply it is stored again, unless it is there: the last word counts.
///
/// # Errors
/// `Config` where it is below 1; `ConnectionLost` where the ensemble stays away: it may be stored or not.
pub(super) async fn store(place: &Place, permits: i64) -> Result<()> {
    let limit = checked(&place.name, permits)?;
    let path = child(&place.name, PERMITS);
    let data = encode(limit);
    loop {
        match place.session.set(&path, &data, None, &[]).await {
            Err(Error::NoNode(_)) => {}
            Err(Error::ConnectionLost(_) | Error::SessionExpired(_)) => {
                // Waits for a server, and fails where none comes.
                if stored(place).await? == Some(limit) {
                    return Ok(());
                }
                continue;
            }
            set => return set.map(drop),
        }
        match place.session.create(&path, &data, CreateKind::default(), false, &[]).await {
            Err(Error::NoNode(_)) => {
                let incarnation = place.session.live().await?;
                let client = incarnation.client()?;
                make_parents(&incarnation, &client, &place.path, zk::CreateMode::Container).await?;
            }
            // Somebody was faster, or it was us and the reply was lost: both are seen by the next turn.
            Err(Error::NodeExists(_) | Error::ConnectionLost(_) | Error::SessionExpired(_)) => {}
            created => return created.map(drop),
        }
    }
}

/// A limit as it may be stored.
///
/// # Errors
/// `Config` where it is below 1, or beyond an int32.
pub(crate) fn checked(name: &str, permits: i64) -> Result<i32> {
    i32::try_from(permits).ok().filter(|permits| *permits >= 1).ok_or_else(|| {
        Error::config(format!(
            "semaphore '{name}': permits={permits}: give 1 to 2147483647; to let nobody in, acquire all of them"
        ))
    })
}
