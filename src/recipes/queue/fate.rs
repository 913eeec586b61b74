//! What becomes of a claimed item, written in one multi with the end of its claim.

use zookeeper_client as zk;

use super::batch::{Refused, Step};
use super::claim::Claim;
use super::name::{Stream, stem};
use super::outcomes::OUTCOMES;
use super::pages::append;
use super::record::{Ending, Header, Ticket, json, with};
use super::rules::last_error;
use crate::error::{Error, Result};

/// What happens to the item in the step that ends the claim.
pub(super) enum Fate<'a> {
    /// In that attempt.
    Done(u32, Option<Note>),
    /// It stays where it is.
    Stays(Vec<u8>),
    /// It goes to the end of a stream.
    Waits(Stream, (String, Vec<u8>)),
    /// It becomes a dead letter.
    Buried(&'a Header, (String, Vec<u8>), Option<Note>),
}

/// What is written in the step that ends an item for good.
#[derive(Clone, Debug, Default)]
pub(crate) struct Note {
    /// Who worked on it, where it is known.
    pub(crate) worker: String,
    /// Its size beside the others'.
    pub(crate) capacity: f64,
    /// What came of it.
    pub(crate) value: Vec<u8>,
    /// A node of the worker's and what to set it to; left out where it is gone.
    pub(crate) tally: Option<(String, Vec<u8>)>,
}

impl Claim {
    /// Ends the claim together with what happens to the item. False where the claim stood no more.
    pub(super) async fn finish(
        &self,
        client: &zk::Client,
        fate: &Fate<'_>,
        dedupe: Option<&str>,
        token: i64,
    ) -> Result<bool> {
        // Only an end is noted on the ticket.
        let over = matches!(fate, Fate::Done(..) | Fate::Buried(..));
        let ticket = dedupe.filter(|_| over).map(|dedupe| {
            let done = Ticket { item: self.spot.id().to_owned(), done: true };
            Step::Set(self.queue.ticket(dedupe), json(&done), None)
        });
        let tally = match fate {
            Fate::Done(.., note) | Fate::Buried(.., note) => note.as_ref().and_then(|note| note.tally.clone()),
            _ => None,
        };
        let tally = tally.map(|(path, data)| Step::Set(path, data, None));
        let mut aside: Vec<Step> = ticket.into_iter().chain(tally).collect();
        let outcome = self.outcome(fate);
        loop {
            let mut steps = self.ending();
            steps.push(Step::Delete(self.item.clone()));
            let theirs = steps.len();
            steps.extend(aside.iter().cloned());
            let inner = &self.queue.0;
            let mut batches = Vec::new();
            let attempt = match fate {
                Fate::Done(..) => "acknowledge",
                Fate::Stays(data) => {
                    steps.push(Step::Create(self.item.clone(), data.clone(), zk::CreateMode::Persistent));
                    "give back"
                }
                Fate::Waits(stream, entry) => {
                    batches.push(inner.items.batch(*stream, std::slice::from_ref(entry)));
                    "give back"
                }
                Fate::Buried(header, entry, _) => {
                    let stream = Stream::ready(header.priority);
                    batches.push(inner.dead.batch(stream, std::slice::from_ref(entry)));
                    "give up"
                }
            };
            batches.extend(outcome.iter().map(|entry| inner.outcomes.batch(OUTCOMES, std::slice::from_ref(entry))));
            let landed = append(&self.incarnation, client, attempt, &steps, &batches).await;
            match landed {
                Ok(_) => return Ok(true),
                Err(Refused { at: Some(at), error: Error::NoNode(_) }) if at < theirs => return Ok(false),
                // The ticket, or the worker's node, was removed by hand.
                Err(Refused { at: Some(at), error: Error::NoNode(_) }) if at < theirs + aside.len() => {
                    aside.remove(at - theirs);
                }
                Err(Refused { error: Error::ConnectionLost(_), .. }) => {
                    if !self.stands(client).await? {
                        // Ours, where the item is gone or was made anew after the claim.
                        let item = self.look(client, &self.item).await?;
                        return Ok(item.is_none_or(|stat| stat.czxid > token));
                    }
                }
                Err(Refused { error, .. }) => return Err(error),
            }
        }
    }

    /// What is stored of an item that ends, where the queue keeps that.
    fn outcome(&self, fate: &Fate<'_>) -> Option<(String, Vec<u8>)> {
        let (note, ok, attempts, error) = match fate {
            Fate::Done(attempt, note) => (note, true, *attempt, None),
            Fate::Buried(header, _, note) => (note, false, header.attempts, header.error.clone()),
            Fate::Stays(_) | Fate::Waits(..) => return None,
        };
        let Note { worker, capacity, value, .. } = note.clone().unwrap_or_default();
        let ending = Ending { ok, attempts, worker, capacity, error };
        self.queue.0.settings.outcomes.then(|| (stem(self.spot.id(), 0), with(&ending, &value)))
    }

    /// Turns an item whose attempts are used up into a dead letter.
    pub(super) async fn bury(
        &mut self,
        client: &zk::Client,
        header: &Header,
        payload: &[u8],
        attempts: u32,
    ) -> Result<()> {
        let header = Header { attempts, error: Some(last_error(header, attempts)), failed: attempts, ..header.clone() };
        let entry = (stem(self.spot.id(), 0), header.with(payload));
        self.finish(client, &Fate::Buried(&header, entry, None), header.dedupe.as_deref(), i64::MAX).await?;
        self.kept = true;
        Ok(())
    }
}
