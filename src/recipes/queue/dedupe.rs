//! Tickets of dedupe ids: `ids/<hh>/<digest>`, made with the item, marked in the step that ends it.
//!
//! A ticket whose window is over is replaced by the next put of its id, and swept by puts of others that share its
//! directory.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use zookeeper_client as zk;

use super::Queue;
use super::batch::Step;
use super::dead::read;
use super::record::{Ticket, json, parse};
use super::rules::{Repeat, repeat};
use crate::error::{Error, Result};
use crate::path::{child, parent};
use crate::session::{Incarnation, list_again, make_parents};

/// At least this long between two sweeps of one directory by one handle.
const BETWEEN: Duration = Duration::from_secs(10);

/// When each directory was swept last.
pub(super) type Swept = HashMap<String, Instant>;

impl Queue {
    /// Where the ticket of a dedupe id is.
    pub(super) fn ticket(&self, dedupe: &str) -> String {
        let digest = Sha256::digest(dedupe.as_bytes());
        let name = digest.iter().take(16).fold(String::new(), |mut name, byte| {
            // Writing to a string cannot fail.
            let _ = write!(name, "{byte:02x}");
            name
        });
        child(&child(&self.0.ids, &name[..2]), &name)
    }

    /// What a put amounts to whose ticket was refused, and the version to replace where it is a new one.
    pub(super) async fn judge(
        &self,
        incarnation: &Arc<Incarnation>,
        client: &zk::Client,
        path: &str,
        refused: Error,
    ) -> Result<(Repeat, Option<i32>)> {
        if !matches!(refused, Error::NodeExists(_) | Error::BadVersion(_) | Error::NoNode(_)) {
            return Err(refused);
        }
        let directory = parent(path).unwrap_or("/");
        loop {
            match incarnation.request("get", path, client.get_data(path)).await {
                Ok((data, stat)) => {
                    let ticket: Ticket = parse(path, &data)?;
                    let now =
                        if ticket.done { self.time(incarnation, client).await?.at_least(Instant::now()) } else { 0 };
                    return Ok((repeat(&ticket, stat.mtime, now, self.0.settings.dedupe_window), Some(stat.version)));
                }
                Err(Error::NoNode(_)) => {
                    make_parents(incarnation, client, directory, zk::CreateMode::Container).await?;
                    return Ok((Repeat::New, None));
                }
                Err(Error::ConnectionLost(_)) => incarnation.connected().await?,
                Err(error) => return Err(error),
            }
        }
    }

    /// What makes the ticket of a dead letter live again; nothing, where another item has the id now.
    pub(super) async fn reopened(
        &self,
        incarnation: &Incarnation,
        client: &zk::Client,
        dedupe: &str,
        item: &str,
    ) -> Result<Option<Step>> {
        let path = self.ticket(dedupe);
        let live = json(&Ticket { item: item.to_owned(), done: false });
        let found = read(incarnation, client, std::slice::from_ref(&path)).await?.pop();
        let Some((_, data, stat)) = found else { return Ok(None) };
        let ours = parse::<Ticket>(&path, &data)?.item == item;
        Ok(ours.then_some(Step::Set(path, live, Some(stat.version))))
    }

    /// Removes tickets whose window is over, in the background, where nobody did lately.
    pub(super) fn sweep(&self, incarnation: &Arc<Incarnation>, directory: &str) {
        let window = self.0.settings.dedupe_window;
        let mut swept = self.0.swept.lock().unwrap_or_else(PoisonError::into_inner);
        let due = swept.get(directory).is_none_or(|last| last.elapsed() >= (window / 4).max(BETWEEN));
        if due {
            swept.insert(directory.to_owned(), Instant::now());
            let (queue, incarnation, directory) = (self.clone(), incarnation.clone(), directory.to_owned());
            incarnation.clone().spawn(async move {
                if let Err(why) = queue.sweep_now(&incarnation, &directory).await {
                    tracing::debug!(directory, %why, "tickets not swept; the next put tries again");
                }
            });
        }
    }

    async fn sweep_now(&self, incarnation: &Arc<Incarnation>, directory: &str) -> Result<()> {
        let client = incarnation.client()?;
        let names = list_again(incarnation, &client, directory).await?;
        let now = self.time(incarnation, &client).await?.at_least(Instant::now());
        for names in names.chunks(100) {
            let paths: Vec<String> = names.iter().map(|name| child(directory, name)).collect();
            let replies: Vec<_> = paths.iter().map(|path| client.get_data(path)).collect();
            for (path, reply) in paths.iter().zip(replies) {
                // Gone meanwhile, or not to be read now: the next sweep sees to it.
                let Ok((data, stat)) = incarnation.request("get", path, reply).await else { continue };
                let Ok(ticket) = parse::<Ticket>(path, &data) else { continue };
                if repeat(&ticket, stat.mtime, now, self.0.settings.dedupe_window) == Repeat::New {
                    drop(client.delete(path, Some(stat.version)));
                }
            }
        }
        Ok(())
    }
}
