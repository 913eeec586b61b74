//! One attempt to write: begun, proposed as often as the head moves, committed once or never.
//!
//! `tx/<txid>` is created ACTIVE at version 0. The commit sets it COMMITTED at that version, an abort sets it
//! ABORTED at that version: whichever lands first is final, and the other can never pass.
//!
//! After a lost reply the job's znode says what happened. After an expiry the attempt goes on in the next session
//! (`keeper`); it fails only if somebody aborted it, took its guard, or moved its base.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use uuid::Uuid;

use crate::commit::app::Turn;
use crate::commit::chain::Chain;
use crate::commit::draft::{Attempt, Draft};
use crate::commit::files::DataFile;
use crate::commit::head::Head;
use crate::commit::keeper::Keeper;
use crate::commit::layout;
use crate::commit::manifest::{Operation, Sealed, Shape, Writer};
use crate::commit::record::{Committed, TransactionRecord};
use crate::commit::recover::State;
use crate::commit::rules::{self, Intent};
use crate::commit::table::{Table, ensure, until_answered};
use crate::error::{Error, Result};
use crate::recipes::{Held, Holder, Lock};
use crate::session::{CreateKind, Grant, NotWritten, Write};

/// Races lost before queueing for the table's commit lock.
const LOSSES: u32 = 3;
/// How long to queue: the lock only spares retries, the commit is safe without it.
const QUEUE: Duration = Duration::from_secs(30);
/// The version of a transaction's znode while it is ACTIVE.
pub(super) const ACTIVE: Option<i32> = Some(0);

pub(super) const NODE: CreateKind = CreateKind::PERSISTENT;
const EPHEMERAL: CreateKind = CreateKind::EPHEMERAL;

/// What a caller wants written.
#[derive(Clone, Debug, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own in the order's JSON")]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Exactly once under this name.
    pub job_id: String,
    /// What happens to the files before.
    pub operation: Operation,
    /// Replace whatever is there.
    pub blind: bool,
    /// Only as the table's first version.
    #[serde(default)]
    pub create: bool,
    /// Columns may be missing on either side.
    #[serde(default)]
    pub merge: bool,
    /// Only in the session it begins in, not merely unless somebody takes over.
    #[serde(default)]
    pub one_session: bool,
    /// The version to restore, which must be kept until then.
    #[serde(default)]
    pub source: Option<u64>,
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

/// An attempt that is on.
#[derive(Debug)]
pub struct Transaction {
    pub(super) table: Table,
    pub(super) attempt: Attempt,
    pub(super) record: TransactionRecord,
    pub(super) guards: Vec<Arc<Grant>>,
    /// Its turn, where it is a batch of a streaming query.
    pub(super) turn: Option<Turn>,
    /// The version whose files it makes live again.
    source: Option<u64>,
    /// The version of the floor's node at which `source` was seen to be kept.
    pub(super) floor: Option<i32>,
    /// Whether it ends with the session it began in.
    pub(super) one_session: bool,
    pub(super) chain: Chain,
    /// The head last read, and its znode's version.
    pub(super) target: Option<(Head, i32)>,
    pub(super) draft: Option<Draft>,
    pub(super) losses: u32,
    queue: Option<Held>,
    keeper: Option<Keeper>,
}

impl Transaction {
    /// Begins an attempt on the version that `base` is, or finds that the job is done.
    ///
    /// # Errors
    /// `Config` where the job id is no name; `ConnectionLost` where the ensemble stays away, which leaves
    /// at most a transaction without files.
    pub async fn begin(
        table: &Table,
        base: &Head,
        order: Order,
        guards: Vec<Arc<Grant>>,
        turn: Option<Turn>,
    ) -> Result<Begun> {
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
            intent: Intent {
                operation: order.operation,
                blind: order.blind,
                create: order.create,
                merge: order.merge,
                shape: order.shape,
                base: base.v,
            },
            parameters: order.parameters,
            writer: order.writer,
            batch: turn.as_ref().map(|turn| turn.batch.clone()),
            token: guards.first().map(|guard| guard.token()),
            started,
            added: Vec::new(),
        };
        let mut begun = Self {
            table: table.clone(),
            attempt,
            record,
            guards,
            turn,
            source: order.source,
            floor: None,
            one_session: order.one_session,
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
        if let Some(source) = self.source {
            let (floor, at) = self.table.floor().await?;
            if source < floor {
                return Err(Error::config(format!(
                    "restore {} to version {source}: it was vacuumed, the oldest that is kept is {floor}",
                    self.place()
                )));
            }
            self.floor = Some(at);
        }
        let (head, at) = self.table.head().await?;
        if head.closed {
            return Err(Error::not_a_table(format!(
                "write to {}: the table was made a plain directory by export_plain() meanwhile; adopt() makes it a table again",
                self.place()
            )));
        }
        self.target = Some((head, at));
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
        let intent = &self.attempt.intent;
        let rivals = if head.v > intent.base { self.chain.since(name, intent.base)? } else { Vec::new() };
        rules::rebase(intent, &rules::partitions(&self.attempt.added), &rivals)?;
        match (intent.operation, self.chain.get(name)) {
            _ if intent.create => Err(Error::config(format!(
                "write to {}: it is a table with {} versions, and this write was to be the first; \
                 use mode(\"append\") or mode(\"overwrite\")",
                self.place(),
                head.v
            ))),
            (Operation::Append | Operation::OverwritePartitions, Some(present)) => rules::fits(intent, &present.shape)
                .map_err(|why| {
                    let merge = if intent.merge { "" } else { ", merge_schema() where columns may be missing" };
                    Error::config(format!(
                        "write to {}: {why}; write the table's columns{merge}, or overwrite it",
                        self.place()
                    ))
                }),
            _ => Ok(()),
        }
    }

    /// The manifest to write before [`commit`](super::decision::commit).
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

    /// Deletes its znode, once its files are where they belong, or gone.
    ///
    /// # Errors
    /// `ConnectionLost` where the ensemble stays away; whoever writes next does it then.
    pub async fn forget(&mut self) -> Result<()> {
        self.leave_queue();
        self.keeper = None;
        self.table.forget(&self.attempt.tx).await
    }

    /// Leaves what is left over to whoever comes next, who otherwise lets a living writer clean up after itself.
    ///
    /// # Errors
    /// `ConnectionLost` where the ensemble stays away; it is left over with this session's end then.
    pub async fn step_back(&mut self) -> Result<()> {
        self.leave_queue();
        self.keeper = None;
        let alive = layout::alive(&self.attempt.table, &self.attempt.tx);
        match until_answered(&self.table.session, || self.table.session.delete(&alive, None, false, &[])).await {
            Ok(()) | Err(Error::NoNode(_)) => Ok(()),
            Err(error) => Err(error),
        }
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
                    let keep = || Keeper::start(self.table.session.clone(), alive.clone(), owner);
                    self.keeper = (!self.one_session).then(keep);
                    return Ok(());
                }
                Err(refused) if refused.error.outcome_unknown() => self.table.session.sync(&tx).await?,
                Err(refused) => return Err(refused.error),
            }
        }
    }

    pub(super) fn leave_queue(&mut self) {
        if let Some(held) = self.queue.take() {
            // Released in the background; where that fails the node goes with the session.
            let _ = held.release();
        }
    }

    pub(super) fn fenced(&self) -> Error {
        Error::fenced(format!(
            "write of job '{}' to {}: its transaction {} was aborted by somebody who took it for dead or ran the job again; \
             nothing of it is visible. Look at the table's history, and run the job again if it is missing there",
            self.attempt.job_id,
            self.place(),
            self.attempt.tx
        ))
    }

    pub(super) fn znode(&self) -> String {
        layout::transaction(&self.attempt.table, &self.attempt.tx)
    }

    pub(super) fn place(&self) -> &str {
        &self.table.identity.uri
    }
}

/// Milliseconds since 1970, for the reader of a history; no rule asks it.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
