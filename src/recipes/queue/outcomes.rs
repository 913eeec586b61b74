//! What became of items: stored in the step that ended them, in the order of their ends, until somebody fetched it.

use std::time::Duration;

use tokio::task::JoinSet;
use zookeeper_client as zk;

use super::Queue;
use super::dead::read;
use super::find::{List, await_first};
use super::name::{Stream, id, sequence};
use super::order::Order;
use super::pages::parse;
use super::record::{Ending, split};
use crate::error::{Error, Result};
use crate::path::{child, name};
use crate::retry::Deadline;
use crate::session::Incarnation;

/// Where outcomes go: there is one stream of them.
pub(super) const OUTCOMES: Stream = Stream { priority: 0, start: 0 };

/// Outcomes fetched at once: each may have 64 KiB, say.
const FLIGHT: usize = 100;

/// After how long what is queued is counted again: items that are removed by hand leave no outcome.
const AGAIN: Duration = Duration::from_secs(1);

/// What became of one item.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The item's id.
    pub id: String,
    /// False where its attempts are used up, or it was cancelled.
    pub ok: bool,
    /// How many times it was delivered.
    pub attempts: u32,
    /// Who ended it; empty where nobody knows.
    pub worker: String,
    /// Its size beside the others'.
    pub capacity: f64,
    /// What went wrong.
    pub error: Option<String>,
    /// What came of it; where it was cancelled, what was put.
    pub value: Vec<u8>,
    /// Where it is stored, to be forgotten once it was made use of.
    pub path: String,
    /// The transaction that stored it, which no other outcome has.
    pub zxid: i64,
}

impl Queue {
    /// Forgets the outcomes at `done`, and waits for others: some of the first, in the order of the items' ends.
    /// `None` where no item is queued or at work and no outcome is left; no outcomes where the timeout passed.
    ///
    /// Two flights where outcomes wait.
    ///
    /// # Cancel safety
    /// Leaves no watch. What is at `done` may be forgotten.
    ///
    /// # Errors
    /// `Closed`, `AuthFailed`, `NotAuthorized`.
    pub async fn outcomes(&self, done: &[String], timeout: Duration) -> Result<Option<Vec<Outcome>>> {
        Deadline::after(Some(timeout)).bound(self.await_outcomes(done)).await.unwrap_or_else(|| Ok(Some(Vec::new())))
    }

    /// Forgets the outcomes at `done`.
    ///
    /// # Errors
    /// `ConnectionLost` where the ensemble stays away.
    pub async fn forget(&self, done: &[String]) -> Result<()> {
        let incarnation = self.0.place.session.live().await?;
        let client = incarnation.client()?;
        let replies: Vec<_> = done.iter().map(|path| client.delete(path, None)).collect();
        for (path, reply) in done.iter().zip(replies) {
            match incarnation.request("forget", path, reply).await {
                Ok(()) | Err(Error::NoNode(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn await_outcomes(&self, done: &[String]) -> Result<Option<Vec<Outcome>>> {
        // Whether nothing was queued before the last look: then nothing more can come.
        let mut over = false;
        loop {
            let incarnation = self.0.place.session.next_live().await?;
            let looked = async {
                let mut changes = JoinSet::new();
                let ((), found) =
                    tokio::try_join!(self.forget(done), self.look_for_outcomes(&incarnation, &mut changes))?;
                if !found.is_empty() || over {
                    return Ok((!found.is_empty()).then_some(found));
                }
                over = self.len().await? == 0;
                if !over {
                    tokio::select! {
                        _ = changes.join_next() => {}
                        () = tokio::time::sleep(AGAIN) => {}
                        why = incarnation.ended() => return Err(why),
                    }
                }
                Ok(Some(found))
            };
            match looked.await {
                Ok(Some(found)) if found.is_empty() => {}
                Err(Error::SessionExpired(_)) => over = false,
                Err(Error::ConnectionLost(_)) => {
                    over = false;
                    drop(incarnation.connected().await);
                }
                found => return found,
            }
        }
    }

    async fn look_for_outcomes(&self, incarnation: &Incarnation, changes: &mut JoinSet<()>) -> Result<Vec<Outcome>> {
        let client = incarnation.client()?;
        let stored = &self.0.outcomes;
        let Some(names) = List::send(&client, stored.path.clone(), true).receive(incarnation, changes).await? else {
            await_first(incarnation, &client, &stored.path, changes).await?;
            return Ok(Vec::new());
        };
        let mut pages = parse(&names);
        Order::Strict.pages(&mut pages);
        let mut paths = Vec::new();
        for page in &pages {
            let path = stored.page(page);
            let names = List::send(&client, path.clone(), true).receive(incarnation, changes).await?;
            let mut names = names.unwrap_or_default();
            if names.is_empty() && pages.last() != Some(page) {
                // It takes no more. Refused where it has some by now.
                drop(client.delete(&path, None));
            }
            names.sort_by_key(|name| sequence(name));
            paths.extend(names.iter().map(|name| child(&path, name)));
            if paths.len() >= FLIGHT {
                break;
            }
        }
        paths.truncate(FLIGHT);
        let found = read(incarnation, &client, &paths).await?;
        found.into_iter().map(|(path, data, stat)| Outcome::new(path, data, &stat)).collect()
    }
}

impl Outcome {
    fn new(path: &str, data: Vec<u8>, stat: &zk::Stat) -> Result<Self> {
        let (Ending { ok, attempts, worker, capacity, error }, value) = split(path, data)?;
        let id = id(name(path)).to_owned();
        Ok(Self { id, ok, attempts, worker, capacity, error, value, path: path.to_owned(), zxid: stat.czxid })
    }
}
