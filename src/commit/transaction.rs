//! One attempt to write: begun, proposed as often as the head moves, committed once or never.
//!
//! `tx/<txid>` is created ACTIVE at version 0. The commit sets it COMMITTED at that version, an abort sets it
//! ABORTED at that version: whichever lands first is final, and the other can never pass.
//!
//! After a lost reply the job's znode says what happened. After an expiry the attempt goes on in the next session
//! ([`super::keeper`]); it fails only if somebody aborted it, took its guard, or moved its base.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use uuid::Uuid;

use crate::commit::chain::Chain;
use crate::commit::draft::{Attempt, Draft};
use crate::commit::files::{DataFile, Totals};
use crate::commit::head::Head;
use crate::commit::keeper::Keeper;
use crate::commit::layout;
use crate::commit::manifest::{Operation, Sealed, Shape, Writer};
use crate::commit::record::{Committed, TransactionRecord};
use crate::commit::recover::State;
use crate::commit::rules::{self, Intent};
use crate::commit::table::{Table, ensure};
use crate::error::{Error, Result};
use crate::recipes::lock::{Held, Holder, Lock};
use crate::session::{CreateKind, Grant, NotWritten, Write};

/// Races lost before queueing for the table's commit lock.
const LOSSES: u32 = 3;
/// How long to queue: the lock only spares retries, the commit is safe without it.
const QUEUE: Duration = Duration::from_secs(30);
/// How long to ask what became of a commit whose reply was lost.
const PATIENCE: Duration = Duration::from_secs(120);
/// The version of a transaction's znode while it is ACTIVE.
const ACTIVE: Option<i32> = Some(0);

const NODE: CreateKind = CreateKind { ephemeral: false, sequence: false };
const EPHEMERAL: CreateKind = CreateKind { ephemeral: true, sequence: false };

/// What a caller wants written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Exactly once under this name.
    pub job_id: String,
    /// What happens to the files before.
    pub operation: Operation,
    /// Replace whatever is there.
    pub blind: bool,
    /// The form of the files.
    pub shape: Shape,
    /// Anything else worth remembering.
    pub parameters: BTreeMap<String, String>,
    /// Who writes.
    pub writer: Writer,
}

/// How an attempt starts.
#[derive(Debug)]
pub enum Begun {
    /// The job's commit happened before.
    Replayed(Committed),
    /// It is on.
    Fresh(Box<Transaction>),
}

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

/// An attempt that is on.
#[derive(Debug)]
pub struct Transaction {
    table: Table,
    attempt: Attempt,
    record: TransactionRecord,
    guards: Vec<Arc<Grant>>,
    chain: Chain,
    /// The head last read, and its znode's version.
    target: Option<(Head, i32)>,
    draft: Option<Draft>,
    losses: u32,
    queue: Option<Held>,
    keeper: Option<Keeper>,
}

impl Transaction {
    /// Begins an attempt on the version that `base` is, or finds that the job is done.
    ///
    /// # Errors
    /// `Config` where the job id is no name; `ConnectionLost` where the ensemble stays away, which leaves
    /// at most a transaction without files.
    pub async fn begin(table: &Table, base: &Head, order: Order, guards: Vec<Arc<Grant>>) -> Result<Begun> {
        if let Some(done) = table.job(&order.job_id).await? {
            return Ok(Begun::Replayed(done));
        }
        let uuid = table.identity.uuid.clone();
        ensure(&table.session, &layout::job_shard(&uuid, &order.job_id)).await?;
        let tx = Uuid::new_v4().simple().to_string();
        let started = now();
        let record = TransactionRecord::new(State::Active, &order.job_id, &order.writer, started);
        let attempt = Attempt {
            table: uuid,
            tx,
            job_id: order.job_id,
            intent: Intent { operation: order.operation, blind: order.blind, shape: order.shape, base: base.v },
            parameters: order.parameters,
            writer: order.writer,
            token: guards.first().map(|guard| guard.token()),
            started,
            added: Vec::new(),
        };
        let mut begun = Self {
            table: table.clone(),
            attempt,
            record,
            guards,
            chain: Chain::default(),
            target: None,
            draft: None,
            losses: 0,
            queue: None,
            keeper: None,
        };
        begun.enter().await?;
        Ok(Begun::Fresh(Box::new(begun)))
    }

    /// Its id, which goes in front of its files' names.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.attempt.tx
    }

    /// What was read of the table's history.
    #[must_use]
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The draft that was committed or is about to be.
    #[must_use]
    pub fn draft(&self) -> Option<&Draft> {
        self.draft.as_ref()
    }

    /// Passes while nobody aborted it and every guard stands. Nothing to rely on: a chance to stop early.
    ///
    /// # Errors
    /// `Fenced`; a guard's own.
    pub async fn check(&self) -> Result<()> {
        for guard in &self.guards {
            guard.check()?;
        }
        match self.table.session.get(&self.znode()).await {
            Ok((_, stat)) if Some(stat.version) == ACTIVE => Ok(()),
            Ok(_) | Err(Error::NoNode(_)) => Err(self.fenced()),
            Err(error) => Err(error),
        }
    }

    /// Says which files it put under their final names.
    pub fn add(&mut self, files: Vec<DataFile>) {
        self.attempt.added = files;
    }

    /// Reads the head to propose on; after too many lost races, in turn.
    ///
    /// # Errors
    /// `HistoryLost`; `ConnectionLost` where the ensemble stays away.
    pub async fn aim(&mut self) -> Result<()> {
        if self.losses >= LOSSES && self.queue.is_none() {
            let lock = Lock::new(&self.table.session, &layout::commit_lock(&self.attempt.table), None)?;
            // Safety does not hang on it: without the lock the commit races as before.
            self.queue = lock.acquire(Holder(0), Some(QUEUE)).await.ok();
        }
        self.target = Some(self.table.head().await?);
        Ok(())
    }

    /// The manifest to read next, before [`Transaction::propose`] can answer.
    #[must_use]
    pub fn missing(&self) -> Option<String> {
        let (head, _) = self.target.as_ref()?;
        self.attempt.missing(head, &self.chain)
    }

    /// Takes what was read from the manifest file `name`.
    ///
    /// # Errors
    /// `CorruptManifest`.
    pub fn provide(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.chain.provide(name, bytes)
    }

    /// Asks the rules whether this may become the next version as the table is now.
    ///
    /// # Errors
    /// `CommitConflict` for what changed since the base; `Config` for what never fitted.
    pub fn admit(&self) -> Result<()> {
        let Some((head, _)) = &self.target else { return Ok(()) };
        let Some(name) = &head.manifest else { return Ok(()) };
        let Intent { operation, base, ref shape, .. } = self.attempt.intent;
        let rivals = if head.v > base { self.chain.since(name, base)? } else { Vec::new() };
        rules::rebase(&self.attempt.intent, &rivals)?;
        match (operation, self.chain.get(name)) {
            (Operation::Append, Some(present)) => rules::fits(shape, &present.shape).map_err(|why| {
                Error::config(format!("append to {}: {why}; write the table's columns, or overwrite it", self.place()))
            }),
            _ => Ok(()),
        }
    }

    /// The manifest to write before [`Transaction::commit`].
    ///
    /// # Errors
    /// Those of [`Transaction::admit`]; `CorruptManifest` where something is still missing.
    pub fn propose(&mut self) -> Result<&Sealed> {
        self.admit()?;
        let Some((head, _)) = &self.target else {
            return Err(Error::config("propose: read the head first"));
        };
        let draft = self.attempt.draft(head, &self.chain, now())?;
        Ok(&self.draft.insert(draft).sealed)
    }

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
                Err(NotWritten { index: Some(0), .. }) => match self.verdict().await? {
                    Some(Outcome::Committed(done)) => break Outcome::Committed(done),
                    _ => return Err(self.fenced()),
                },
                Err(NotWritten { index: Some(1), error: Error::NodeExists(_) }) => {
                    if let Some(outcome) = self.verdict().await? {
                        break outcome;
                    }
                }
                Err(NotWritten { index: Some(2), error: Error::BadVersion(_) }) => break Outcome::Moved,
                Err(refused) if refused.error.outcome_unknown() => {
                    if let Some(outcome) = self.resolve(&refused.error).await? {
                        break outcome;
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
                Err(Error::BadVersion(_) | Error::NoNode(_)) => {
                    return Ok(match self.verdict().await? {
                        Some(Outcome::Committed(done)) => Some(done),
                        _ => None,
                    });
                }
                // To set it again is harmless: one of the two meets a version that moved.
                Err(error) if error.outcome_unknown() => {
                    if let Some(Outcome::Committed(done)) = self.resolve(&error).await? {
                        return Ok(Some(done));
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Deletes its znode, once its files are where they belong, or gone.
    ///
    /// # Errors
    /// `ConnectionLost` where the ensemble stays away; whoever writes next does it then.
    pub async fn forget(&mut self) -> Result<()> {
        self.leave_queue();
        self.keeper = None;
        self.table.forget(&self.attempt.tx).await
    }

    async fn enter(&mut self) -> Result<()> {
        let (tx, alive) = (self.znode(), layout::alive(&self.attempt.table, &self.attempt.tx));
        let data = self.record.encode();
        let writes = [Write::Create(&tx, &data, NODE), Write::Create(&alive, b"", EPHEMERAL)];
        loop {
            let owner = self.table.session.live().await?.session_id();
            match self.table.session.multi(&writes, &[]).await {
                // The name is nobody else's, so one that exists came from a request whose reply was lost.
                Ok(_) | Err(NotWritten { index: Some(0), error: Error::NodeExists(_) }) => {
                    self.keeper = Some(Keeper::start(self.table.session.clone(), alive, owner));
                    return Ok(());
                }
                Err(refused) if refused.error.outcome_unknown() => self.table.session.sync(&tx).await?,
                Err(refused) => return Err(refused.error),
            }
        }
    }

    /// What the job's znode says: committed by this attempt, by another, or not.
    async fn verdict(&self) -> Result<Option<Outcome>> {
        Ok(self
            .table
            .job(&self.attempt.job_id)
            .await?
            .map(|done| if done.tx == self.attempt.tx { Outcome::Committed(done) } else { Outcome::Replayed(done) }))
    }

    /// After a lost reply: the outcome, or `None` where the request has not landed.
    async fn resolve(&self, lost: &Error) -> Result<Option<Outcome>> {
        let asked = async {
            loop {
                let answer = async {
                    self.table.session.sync(&self.znode()).await?;
                    self.verdict().await
                };
                match answer.await {
                    Err(error) if error.outcome_unknown() => {}
                    answer => return answer,
                }
            }
        };
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::commit_unknown(format!(
                "commit of job '{}' to {}: {lost}; and for {PATIENCE:?} no server said whether it landed. \
                 Run it again with the same job_id: it returns the commit, or makes it",
                self.attempt.job_id,
                self.place()
            ))),
        }
    }

    fn leave_queue(&mut self) {
        if let Some(held) = self.queue.take() {
            // Released in the background; where that fails the node goes with the session.
            let _ = held.release();
        }
    }

    fn fenced(&self) -> Error {
        Error::fenced(format!(
            "write of job '{}' to {}: its transaction {} was aborted by somebody who took it for dead or ran the job again; \
             nothing of it is visible. Look at the table's history, and run the job again if it is missing there",
            self.attempt.job_id,
            self.place(),
            self.attempt.tx
        ))
    }

    fn znode(&self) -> String {
        layout::transaction(&self.attempt.table, &self.attempt.tx)
    }

    fn place(&self) -> &str {
        &self.table.identity.uri
    }
}

/// Milliseconds since 1970, for the reader of a history; no rule asks it.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
