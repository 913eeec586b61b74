//! How an attempt ends: its commit, or its abort, whichever lands first.
//!
//! Both set the transaction's znode at the version it has while ACTIVE, so the other can never pass. After a lost reply
//! the job's znode says what happened.

use crate::commit::draft::Draft;
use crate::commit::files::Totals;
use crate::commit::layout;
use crate::commit::record::Committed;
use crate::commit::recover::State;
use crate::commit::transaction::{ACTIVE, NODE, Transaction};
use crate::error::{Error, Result};
use crate::session::{Grant, NotWritten, Write};

/// How many session timeouts to ask what became of a commit whose reply was lost.
const PATIENCE: u32 = 12;

/// How a proposal ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is the table's next version.
    Committed(Committed),
    /// Another run of the same job was first; this attempt is to be rolled back.
    Replayed(Committed),
    /// The head moved: propose again.
    Moved,
}

impl Transaction {
    /// Commits the proposal.
    ///
    /// # Cancel safety
    /// A request that was sent takes effect all the same; [`Transaction::abort`] tells.
    ///
    /// # Errors
    /// `Fenced`, or the guard's own, where somebody took over; `CommitUnknown` where the reply was lost and the
    /// ensemble stayed away: nothing may be deleted then, and the job is to be run again under the same id.
    pub async fn commit(&mut self) -> Result<Outcome> {
        let (Some(draft), Some((_, version))) = (&self.draft, &self.target) else {
            return Err(Error::config("commit: propose first"));
        };
        let totals = Totals::of(&self.attempt.added);
        let done = Committed::new(&draft.head, &self.attempt.tx, totals.files, totals.bytes);
        let (tx, head) = (self.znode(), layout::head(&self.attempt.table));
        let job = layout::job(&self.attempt.table, &self.attempt.job_id)?;
        let (turned, record, next) =
            (self.record.turned(State::Committed).encode(), done.encode(), draft.head.encode());
        // The first refusal is the one reported: being fenced, then being done, then being late.
        let writes = [
            Write::Set(&tx, &turned, ACTIVE),
            Write::Create(&job, &record, NODE),
            Write::Set(&head, &next, Some(*version)),
        ];
        let guards: Vec<&Grant> = self.guards.iter().map(AsRef::as_ref).collect();
        let outcome = loop {
            match self.table.session.multi(&writes, &guards).await {
                Ok(_) => break Outcome::Committed(done),
                Err(NotWritten { index: Some(0), error }) => match self.ours(&error).await? {
                    Some(done) => break Outcome::Committed(done),
                    None => return Err(self.fenced()),
                },
                Err(NotWritten { index: Some(1), error: Error::NodeExists(why) }) => {
                    match self.done(&Error::NodeExists(why)).await? {
                        Some(done) if done.tx == self.attempt.tx => break Outcome::Committed(done),
                        Some(done) => break Outcome::Replayed(done),
                        // It was swept in between.
                        None => {}
                    }
                }
                Err(NotWritten { index: Some(2), error: Error::BadVersion(_) }) => break Outcome::Moved,
                // Sent again, the first refusal tells whether this attempt was fenced or another run was faster.
                Err(refused) if refused.error.outcome_unknown() => {
                    if let Some(done) = self.ours(&refused.error).await? {
                        break Outcome::Committed(done);
                    }
                }
                Err(refused) => return Err(refused.error),
            }
        };
        match outcome {
            Outcome::Moved => self.losses += 1,
            Outcome::Committed(_) | Outcome::Replayed(_) => self.leave_queue(),
        }
        if let (Outcome::Committed(_), Some(Draft { manifest, sealed, .. })) = (&outcome, &self.draft) {
            self.chain.insert(&sealed.name, manifest.clone());
        }
        Ok(outcome)
    }

    /// Gives up, for good; or finds that it was committed after all.
    ///
    /// # Errors
    /// `CommitUnknown` where that cannot be told: nothing may be deleted.
    pub async fn abort(&mut self) -> Result<Option<Committed>> {
        self.leave_queue();
        let aborted = self.record.turned(State::Aborted).encode();
        loop {
            match self.table.session.set(&self.znode(), &aborted, ACTIVE, &[]).await {
                Ok(_) => return Ok(None),
                Err(error @ (Error::BadVersion(_) | Error::NoNode(_))) => return self.ours(&error).await,
                // To set it again is harmless: one of the two meets a version that moved.
                Err(error) if error.outcome_unknown() => {
                    if let Some(done) = self.ours(&error).await? {
                        return Ok(Some(done));
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The commit, if it is this attempt's.
    async fn ours(&self, after: &Error) -> Result<Option<Committed>> {
        Ok(self.done(after).await?.filter(|done| done.tx == self.attempt.tx))
    }

    /// The commit of the job, by this attempt or another, asked for until a server answers.
    async fn done(&self, after: &Error) -> Result<Option<Committed>> {
        let asked = async {
            loop {
                let answer = async {
                    // In another session the server may lag behind the one that answered before.
                    self.table.session.sync(&self.znode()).await?;
                    self.table.job(&self.attempt.job_id).await
                };
                match answer.await {
                    Err(error) if error.outcome_unknown() => {}
                    answer => return answer,
                }
            }
        };
        let patience = self.table.session.config().session_timeout * PATIENCE;
        let found = match tokio::time::timeout(patience, asked).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("for {patience:?} no server said whether it landed"),
        };
        Err(Error::commit_unknown(format!(
            "commit of job '{}' to {}: {after}; and then: {found}. \
             Run it again with the same job_id: it returns the commit, or makes it",
            self.attempt.job_id,
            self.place()
        )))
    }
}
