//! What is in a queue and who works on it.

use zookeeper_client as zk;

use super::Queue;
use super::dead::{every, read};
use super::name::id;
use super::pages::Shelf;
use super::record::{Tenure, parse};
use crate::error::{Error, Result};
use crate::path::{child, name};
use crate::session::Incarnation;

/// Somebody who has an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worker {
    /// The item's id.
    pub item: String,
    /// Who it says it is.
    pub owner: String,
    /// When its lease ends: milliseconds since 1970 on the server's wall clock.
    pub until: i64,
    /// Its session.
    pub session_id: i64,
    /// The claim's token.
    pub token: i64,
}

/// How much is in a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Items that were put and are neither done nor given up.
    pub queued: usize,
    /// Those of them that somebody works on.
    pub at_work: usize,
    /// Dead letters.
    pub dead: usize,
    /// Outcomes that nobody fetched yet.
    pub outcomes: usize,
}

impl Queue {
    /// How many items were put and are neither done nor given up: ready, waiting for their time, or at work.
    ///
    /// Two flights and some 30 bytes for each 500 items.
    ///
    /// # Errors
    /// `ConnectionLost` where the ensemble stays away.
    pub async fn len(&self) -> Result<usize> {
        let look = self.0.place.session.look(|incarnation| async move {
            let client = incarnation.client()?;
            let pages = paths(&self.0.items, &incarnation, &client).await?;
            count(&incarnation, &client, &pages).await
        });
        look.await
    }

    /// As [`Queue::len`], with how many are at work, and how many were given up.
    ///
    /// # Errors
    /// `ConnectionLost` where the ensemble stays away.
    pub async fn depth(&self) -> Result<Depth> {
        let look = self.0.place.session.look(|incarnation| async move {
            let client = incarnation.client()?;
            let pages = self.0.items.pages(&incarnation, &client).await?;
            let claims: Vec<String> = pages.iter().map(|page| child(&self.0.claims, &page.name())).collect();
            let items: Vec<String> = pages.iter().map(|page| self.0.items.page(page)).collect();
            let dead = paths(&self.0.dead, &incarnation, &client).await?;
            let outcomes = paths(&self.0.outcomes, &incarnation, &client).await?;
            Ok(Depth {
                queued: count(&incarnation, &client, &items).await?,
                at_work: count(&incarnation, &client, &claims).await?,
                dead: count(&incarnation, &client, &dead).await?,
                outcomes: count(&incarnation, &client, &outcomes).await?,
            })
        });
        look.await
    }

    /// Who has which item until when.
    ///
    /// # Errors
    /// `ConnectionLost` where the ensemble stays away.
    pub async fn workers(&self) -> Result<Vec<Worker>> {
        let look = self.0.place.session.look(|incarnation| async move {
            let client = incarnation.client()?;
            let claims = Shelf::new(self.0.claims.clone(), None);
            let marks = every(&claims, &incarnation, &client, |_| true).await?;
            let mut workers = Vec::new();
            for marks in marks.chunks(100) {
                for (path, data, stat) in read(&incarnation, &client, marks).await? {
                    let Tenure { owner, lease } = parse(path, &data)?;
                    let item = id(name(path)).to_owned();
                    workers.push(Worker {
                        item,
                        owner,
                        until: stat.mtime.saturating_add(lease),
                        session_id: stat.ephemeral_owner,
                        token: stat.czxid,
                    });
                }
            }
            Ok(workers)
        });
        look.await
    }
}

async fn paths(shelf: &Shelf, incarnation: &Incarnation, client: &zk::Client) -> Result<Vec<String>> {
    Ok(shelf.pages(incarnation, client).await?.iter().map(|page| shelf.page(page)).collect())
}

/// How many children these nodes have, all told.
async fn count(incarnation: &Incarnation, client: &zk::Client, paths: &[String]) -> Result<usize> {
    'again: loop {
        let looks: Vec<_> = paths.iter().map(|path| client.check_stat(path)).collect();
        let mut count = 0;
        for (path, look) in paths.iter().zip(looks) {
            match incarnation.request("stat", path, look).await {
                Ok(stat) => count += stat.map_or(0, |stat| usize::try_from(stat.num_children).unwrap_or(0)),
                Err(Error::ConnectionLost(_)) => {
                    incarnation.connected().await?;
                    continue 'again;
                }
                Err(error) => return Err(error),
            }
        }
        return Ok(count);
    }
}
