//! Putting: each item lands exactly once, also when the reply is lost.
//!
//! One multi checks the page, writes the operation's id into the producer's slot, creates the items, and the
//! ticket of their dedupe id where they have one. After a lost reply the slot tells. Where the session
//! ended as well, the items are looked for.

use std::time::{Duration, Instant};

use uuid::Uuid;
use zookeeper_client as zk;
use zookeeper_client::MultiWriteResult;

use super::Queue;
use super::batch::{Refused, Step};
use super::clock::millis;
use super::name::{PRIORITIES, Stream, id, stem};
use super::order::Order;
use super::pages::append;
use super::record::{Header, Ticket, json};
use super::rules::Repeat;
use crate::error::{Error, Result};
use crate::session::{Incarnation, list_again};

/// How many items, and how many bytes, go into one request.
const TOGETHER: usize = 200;
const BYTES: usize = 600_000;

/// How an item is put.
#[derive(Clone, Debug, Default)]
pub struct Put {
    /// Lower goes first; -999 to 999.
    pub priority: i32,
    /// Not delivered before.
    pub delay: Duration,
    /// Puts with one id are one item: while it is queued or at work, and for the window after it was done.
    pub dedupe: Option<String>,
}

/// What is put in one request.
struct Parcel {
    stream: Stream,
    entries: Vec<(String, Vec<u8>)>,
    ticket: Option<(String, Ticket)>,
}

impl Queue {
    /// Puts one item and returns its id: that of the earlier item where it repeats one.
    ///
    /// # Cancel safety
    /// What was sent before lands all the same.
    ///
    /// # Errors
    /// `PayloadTooLarge`; `Config` for a priority out of range; `ConnectionLost` where the ensemble stays away, or where
    /// the reply and then the session were lost and the item is not in the queue: it may have been delivered
    /// and done by then. A put with a dedupe id always knows.
    pub async fn put(&self, payload: &[u8], how: &Put) -> Result<String> {
        let mut ids = self.put_together(&[payload], how).await?;
        ids.pop().ok_or_else(|| Error::server("put: no id"))
    }

    /// Puts many, in order, some hundred in each request, and returns their ids. `how.dedupe` is not looked at.
    ///
    /// # Cancel safety
    /// What was sent before lands all the same: some items, from the first on.
    ///
    /// # Errors
    /// As [`Queue::put`]; those before the one that failed have landed.
    pub async fn put_many(&self, payloads: &[impl AsRef<[u8]>], how: &Put) -> Result<Vec<String>> {
        let how = Put { dedupe: None, ..how.clone() };
        let mut ids = Vec::with_capacity(payloads.len());
        let mut rest: Vec<&[u8]> = payloads.iter().map(AsRef::as_ref).collect();
        while !rest.is_empty() {
            let mut bytes = 0;
            let fit = rest.iter().take(TOGETHER).take_while(|payload| {
                bytes += payload.len();
                bytes <= BYTES
            });
            let later = rest.split_off(fit.count().max(1));
            ids.extend(self.put_together(&rest, &how).await?);
            rest = later;
        }
        Ok(ids)
    }

    async fn put_together(&self, payloads: &[&[u8]], how: &Put) -> Result<Vec<String>> {
        if !PRIORITIES.contains(&how.priority) {
            let Put { priority, .. } = how;
            return Err(Error::config(format!("put: priority={priority}; give -999 to 999, lower goes first")));
        }
        if how.dedupe.as_deref() == Some("") {
            return Err(Error::config(
                "put: dedupe=\"\" would make one item of all puts without an id; give an id, or none".to_owned(),
            ));
        }
        let ids: Vec<String> = payloads.iter().map(|_| Uuid::new_v4().simple().to_string()).collect();
        let header = Header { priority: how.priority, dedupe: how.dedupe.clone(), ..Header::default() };
        let mut doubt = false;
        loop {
            let incarnation = self.0.place.session.live().await?;
            let client = incarnation.client()?;
            if doubt && how.dedupe.is_none() {
                if self.has(&incarnation, &client, &ids[0]).await? {
                    return Ok(ids);
                }
                return Err(self.unknown());
            }
            let landed = async {
                let (stream, due) = self.stream(&incarnation, &client, how.priority, how.delay).await?;
                let entry = |(id, payload): (&String, &&[u8])| (stem(id, due), header.with(payload));
                let entries = ids.iter().zip(payloads).map(entry).collect();
                let ticket = |dedupe: &String| (self.ticket(dedupe), Ticket { item: ids[0].clone(), done: false });
                let parcel = Parcel { stream, entries, ticket: how.dedupe.as_ref().map(ticket) };
                self.land(&incarnation, &client, &parcel).await
            };
            match landed.await {
                Ok(None) => return Ok(ids),
                Ok(Some(earlier)) => return Ok(vec![earlier]),
                Err(Error::SessionExpired(_)) => doubt = true,
                // A read before anything was sent.
                Err(Error::ConnectionLost(_)) => drop(incarnation.connected().await),
                Err(error) => return Err(error),
            }
        }
    }

    /// Where an item goes that is due after `delay`, and when that is.
    pub(super) async fn stream(
        &self,
        incarnation: &std::sync::Arc<Incarnation>,
        client: &zk::Client,
        priority: i32,
        delay: Duration,
    ) -> Result<(Stream, i64)> {
        if delay.is_zero() {
            let order = self.0.settings.order;
            let now = match order {
                Order::Strict => 0,
                Order::Ageing(_) => self.time(incarnation, client).await?.at_least(Instant::now()),
            };
            return Ok((order.stream(priority, now), 0));
        }
        let delay = millis(delay);
        let due = self.time(incarnation, client).await?.at_most(Instant::now()).saturating_add(delay);
        Ok((Stream::delayed(priority, due, delay), due))
    }

    /// `None` where it landed, else the id of the item that it repeats.
    async fn land(
        &self,
        incarnation: &std::sync::Arc<Incarnation>,
        client: &zk::Client,
        parcel: &Parcel,
    ) -> Result<Option<String>> {
        let mut slot = self.slot(incarnation);
        let operation = Uuid::new_v4().simple().to_string();
        // Which version of the ticket to replace, where it is an old one.
        let mut old = None;
        let landed = loop {
            let ticket = parcel.ticket.as_ref().map(|(path, ticket)| match old {
                Some(version) => Step::Set(path.clone(), json(ticket), Some(version)),
                None => Step::Create(path.clone(), json(ticket), zk::CreateMode::Persistent),
            });
            let prefix: Vec<Step> = std::iter::once(slot.step(&operation)).chain(ticket).collect();
            let sent = Instant::now();
            let batch = self.0.items.batch(parcel.stream, &parcel.entries);
            let appended = append(incarnation, client, "put into", &prefix, &[batch]).await;
            match appended.inspect_err(|refused| slot.refused(&refused.error)) {
                Ok(results) => {
                    slot.made = true;
                    if let Some(MultiWriteResult::SetData { stat }) = results.first() {
                        self.0.clock.note(stat.mtime, sent);
                    }
                    if let Some((path, _)) = &parcel.ticket {
                        self.sweep(incarnation, crate::path::parent(path).unwrap_or("/"));
                    }
                    break None;
                }
                Err(Refused { at: Some(0), error }) => slot.mend(client, error, &self.0.clients).await?,
                Err(Refused { at: Some(1), error }) if prefix.len() == 2 => {
                    let Some((path, ticket)) = &parcel.ticket else { return Err(error) };
                    match self.judge(incarnation, client, path, error).await? {
                        // Ours, of a session before this one.
                        (Repeat::Of(earlier), _) if earlier == ticket.item => break None,
                        (Repeat::Of(earlier), _) => break Some(earlier),
                        (Repeat::New, version) => old = version,
                    }
                }
                Err(Refused { error: Error::ConnectionLost(_), .. }) => {
                    if slot.holds(client, &operation).await? {
                        break None;
                    }
                }
                Err(Refused { error, .. }) => return Err(error),
            }
        };
        self.put_back(slot);
        Ok(landed)
    }

    /// Whether an item is queued, at work or a dead letter.
    async fn has(&self, incarnation: &Incarnation, client: &zk::Client, item: &str) -> Result<bool> {
        for shelf in [&self.0.items, &self.0.dead] {
            for page in shelf.pages(incarnation, client).await? {
                let names = match list_again(incarnation, client, &shelf.page(&page)).await {
                    Err(Error::NoNode(_)) => continue,
                    names => names?,
                };
                if names.iter().any(|name| id(name) == item) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn unknown(&self) -> Error {
        Error::connection_lost(format!(
            "put into '{}': the reply and then the session were lost, and the item is not in the queue: it was never put, \
             or was done meanwhile; put with a dedupe id where that must be known",
            self.name()
        ))
    }
}
