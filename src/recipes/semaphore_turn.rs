//! What the first in a semaphore's line does: look, wait for room, take its permits in one step.
//!
//! Only the first in line watches the leases and the limit, so a change wakes one waiter and not the herd. It writes
//! nothing before it saw room, and what it takes is counted again after it was made: a limit lowered meanwhile holds.

use std::sync::Arc;
use std::time::Instant;

use zookeeper_client as zk;

use super::patience::Patience;
use super::place::Place;
use super::semaphore_limit::PERMITS;
use super::semaphore_permits::{Room, decode, room, within};
use crate::error::{Error, Result};
use crate::path::{child, name};
use crate::session::{Created, Grant, GrantKind, Incarnation, Standing, Wanted, create_together};

/// Where the permits of one semaphore are, and what to assume where no limit is stored.
#[derive(Debug)]
pub(super) struct Leases {
    pub(super) place: Place,
    /// The parent of the leases.
    pub(super) path: String,
    /// The node with the limit.
    pub(super) limit: String,
    pub(super) default: i32,
}

/// What is out, and how much may be.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) leases: Vec<String>,
    pub(super) limit: i32,
}

impl Look {
    pub(super) fn room(&self, wanted: u32) -> Room {
        room(self.leases.len(), wanted, self.limit)
    }
}

impl Leases {
    pub(super) fn new(place: Place, default: i32) -> Self {
        Self { path: child(&place.path, "leases"), limit: child(&place.path, PERMITS), place, default }
    }

    /// Leases and limit, in one flight.
    pub(super) async fn look(&self, incarnation: &Incarnation, client: &zk::Client) -> Result<Look> {
        let leases = client.list_children(&self.path);
        let limit = client.get_data(&self.limit);
        let leases = match incarnation.request("list", &self.path, leases).await {
            Err(Error::NoNode(_)) => Vec::new(),
            listed => listed?,
        };
        let limit = incarnation.request("get", &self.limit, limit).await.map(|(data, _)| data);
        Ok(Look { leases, limit: self.limit_in(limit)? })
    }

    /// As [`Leases::look`], until a server answers.
    pub(super) async fn look_again(&self, incarnation: &Incarnation, client: &zk::Client) -> Result<Look> {
        loop {
            incarnation.connected().await?;
            match self.look(incarnation, client).await {
                Err(Error::ConnectionLost(_)) => {}
                looked => return looked,
            }
        }
    }

    /// Waits while there is no room, and says what ended that: room, or a limit that leaves none for ever.
    ///
    /// # Cancel safety
    /// Leaves no watch.
    pub(super) async fn until_room(&self, incarnation: &Incarnation, client: &zk::Client, wanted: u32) -> Result<Look> {
        let mut patience = Patience::new();
        loop {
            incarnation.connected().await?;
            // Watched for a change before it is read: none is missed, also where the node is not there yet.
            let leases = client.get_and_watch_children(&self.path);
            let watched = client.check_and_watch_stat(&self.limit);
            let limit = client.get_data(&self.limit);
            let leases = match incarnation.request("watch", &self.path, leases).await {
                Err(Error::ConnectionLost(_)) => continue,
                Err(Error::NoNode(_)) => None,
                listed => Some(listed?),
            };
            let raised = match incarnation.request("watch", &self.limit, watched).await {
                Err(Error::ConnectionLost(_)) => continue,
                watched => watched?.1,
            };
            let limit = match incarnation.request("get", &self.limit, limit).await {
                Err(Error::ConnectionLost(_)) => continue,
                limit => self.limit_in(limit.map(|(data, _)| data))?,
            };
            // Where nobody ever took a permit there is room, or there never will be.
            let Some((leases, _, given_back)) = leases else { return Ok(Look { leases: Vec::new(), limit }) };
            let look = Look { leases, limit };
            if look.room(wanted) != Room::Full {
                return Ok(look);
            }
            let holder = child(&self.path, look.leases.first().map_or("", String::as_str));
            patience.name(incarnation, client, &self.place.name, &holder, 0).await;
            tokio::select! {
                biased;
                _ = given_back.changed() => {}
                _ = raised.changed() => {}
                why = incarnation.ended() => return Err(why),
                () = patience.long() => {}
            }
        }
    }

    /// Takes the permits, where there is room for them still. `first` is our node at the front of the line.
    ///
    /// # Cancel safety
    /// Dropped, it takes none.
    ///
    /// # Errors
    /// `SessionExpired` where our place in line is gone.
    pub(super) async fn take(
        &self,
        incarnation: &Arc<Incarnation>,
        first: &str,
        owner: &str,
        wanted: u32,
        asked: Instant,
    ) -> Result<Option<Arc<Grant>>> {
        let client = incarnation.client()?;
        let made_below = Wanted {
            parents: std::slice::from_ref(&self.path),
            each: wanted as usize,
            marker: "lease-",
            number: None,
            data: owner.as_bytes(),
            beside: Some(first),
        };
        let (leases, look) = create_together(incarnation, made_below, || self.look(incarnation, &client)).await?;
        let look = match look {
            Err(Error::ConnectionLost(_)) => self.look_again(incarnation, &client).await?,
            look => look?,
        };
        if !within(look.leases.len(), look.limit)
            || !leases.paths.iter().all(|path| look.leases.iter().any(|lease| lease == name(path)))
        {
            return Ok(None);
        }
        let standing = Standing {
            kind: GrantKind::Permits,
            resource: self.place.name.clone(),
            paths: leases.paths,
            mark: None,
            token: leases.czxid,
            epoch: leases.epoch,
            asked,
        };
        incarnation.proven().await?;
        leases.attempt.keep();
        let grant = Grant::new(incarnation, standing);
        // A lease that ran out meanwhile lets nobody in; the nodes go with the grant.
        grant.check().map_err(|why| Error::session_expired(why.to_string()))?;
        Ok(Some(grant))
    }

    /// The limit in a reply about its node.
    fn limit_in(&self, reply: Result<Vec<u8>>) -> Result<i32> {
        match reply {
            Err(Error::NoNode(_)) => Ok(self.default),
            data => Ok(decode(&self.limit, &data?)?.unwrap_or(self.default)),
        }
    }
}

/// The path of a node in line.
pub(super) fn node(locks: &str, created: &Created) -> String {
    child(locks, &created.name)
}
