//! A table's znodes, over a session: opened or registered, its head, its jobs, its leftovers.
//!
//! `/tables/<uuid>` with `head`, `tx`, `jobs` and `/paths/<digest>` are created together by the first writer.

use std::future::Future;
use std::time::Duration;

use uuid::Uuid;

use crate::commit::head::Head;
use crate::commit::identity::{self, Directory, Identity, Opening, Registry};
use crate::commit::layout;
use crate::commit::record::{Committed, TransactionRecord};
use crate::commit::recover::{Action, Found, State, Survey, plan};
use crate::commit::uri::Location;
use crate::error::{Error, Result};
use crate::session::{CreateKind, NotWritten, Session, Write};

/// Survey rounds that only touch znodes, before what is left is left to the next caller.
const ROUNDS: usize = 4;

const NODE: CreateKind = CreateKind::PERSISTENT;

/// A table that is registered.
#[derive(Clone, Debug)]
pub struct Table {
    pub(super) session: Session,
    pub(super) identity: Identity,
}

/// A table as it was found.
#[derive(Clone, Debug)]
pub struct Opened {
    /// It.
    pub table: Table,
    /// Its head at that moment.
    pub head: Head,
    /// Whether the directory has to be given its `_zk/table.json` before anything else.
    pub identify: bool,
}

impl Table {
    /// Opens the table at `at`, given what its directory held just before; registers it where `create` says so,
    /// under the spelling that readers are to be sent to.
    ///
    /// # Errors
    /// `HistoryLost`, `NotATable`; `ConnectionLost` where the ensemble stays away.
    pub async fn open(
        session: &Session,
        at: &Location,
        directory: &Directory,
        create: Option<&Location>,
    ) -> Result<Opened> {
        loop {
            let opened = |identity, head, identify| Opened {
                table: Self { session: session.clone(), identity },
                head,
                identify,
            };
            match identity::open(at, directory, &registry(session, at, directory).await?)? {
                Opening::Table(identity, head) => return Ok(opened(identity, head, false)),
                Opening::Identify(identity, head) => return Ok(opened(identity, head, true)),
                Opening::Create => {
                    if let Some(spelling) = create {
                        register(session, at, spelling).await?;
                        continue;
                    }
                    return Err(Error::not_a_table(format!(
                        "table {}: nothing was written here; zk.write(df).save(path) makes a table",
                        at.canonical()
                    )));
                }
            }
        }
    }

    /// Its uuid and the place it was created at.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The head, and the znode's version to set the next one at.
    ///
    /// # Errors
    /// `HistoryLost` where it is gone or unreadable.
    pub async fn head(&self) -> Result<(Head, i32)> {
        let uuid = &self.identity.uuid;
        match self.session.get(&layout::head(uuid)).await {
            Ok((data, stat)) => Ok((Head::decode(uuid, &data)?, stat.version)),
            Err(Error::NoNode(_)) => Err(Error::history_lost(format!(
                "table {}: its head is gone from ZooKeeper; restore ZooKeeper's data",
                self.identity.uri
            ))),
            Err(error) => Err(error),
        }
    }

    /// The head, not older than this call.
    ///
    /// # Errors
    /// As [`Table::head`].
    pub async fn newest(&self) -> Result<Head> {
        self.session.sync(&layout::head(&self.identity.uuid)).await?;
        Ok(self.head().await?.0)
    }

    /// The commit that `job_id` made, if it made one.
    ///
    /// # Errors
    /// `Config` where the id is no name; `ConnectionLost` where the ensemble stays away.
    pub async fn job(&self, job_id: &str) -> Result<Option<Committed>> {
        let path = layout::job(&self.identity.uuid, job_id)?;
        let found = found(self.session.get(&path).await)?;
        found.map(|(data, _)| Committed::decode(&path, &data)).transpose()
    }

    /// Surveys, does what only concerns znodes, and returns what has to be done to files first.
    ///
    /// `stagings` are the directories in `_zk/tx`, listed before this call. Each action is settled by
    /// [`Table::forget`] once its files are gone.
    ///
    /// # Errors
    /// `ConnectionLost` where the ensemble stays away.
    pub async fn leftovers(&self, stagings: &[String], job_id: Option<&str>, grace: Duration) -> Result<Vec<Action>> {
        let mut survey =
            Survey { stagings: stagings.to_vec(), job_id: job_id.map(str::to_owned), grace, ..Survey::default() };
        if !stagings.is_empty() {
            // The server we talk to may lag, and a transaction it does not know yet would look left over.
            self.session.sync(&layout::transactions(&self.identity.uuid)).await?;
        }
        for _ in 0..ROUNDS {
            survey.transactions = self.transactions().await?;
            let (znodes, files): (Vec<_>, Vec<_>) = plan(&survey)
                .into_iter()
                .partition(|action| matches!(action, Action::Suspect(_) | Action::Clear(_) | Action::Abort(..)));
            if znodes.is_empty() {
                return Ok(files);
            }
            for action in znodes {
                self.settle(&action).await?;
            }
        }
        Ok(Vec::new())
    }

    /// Deletes the znode of a transaction that is over.
    ///
    /// # Errors
    /// `ConnectionLost` where the ensemble stays away.
    pub async fn forget(&self, tx: &str) -> Result<()> {
        let uuid = &self.identity.uuid;
        let (path, alive) = (layout::transaction(uuid, tx), layout::alive(uuid, tx));
        // One request for a writer whose session stands; what others left below it has to be listed.
        if self.session.multi(&[Write::Delete(&alive, None), Write::Delete(&path, None)], &[]).await.is_ok() {
            return Ok(());
        }
        found(until_answered(&self.session, || self.session.delete(&path, None, true, &[])).await)?;
        Ok(())
    }

    /// The transactions that have a znode.
    ///
    /// # Errors
    /// `ConnectionLost` where the ensemble stays away.
    pub async fn transaction_ids(&self) -> Result<Vec<String>> {
        let parent = layout::transactions(&self.identity.uuid);
        self.session.sync(&parent).await?;
        self.session.children(&parent).await
    }

    async fn settle(&self, action: &Action) -> Result<()> {
        match until_answered(&self.session, || self.carry_out(action)).await {
            // Somebody else was faster, or its writer came back; the next survey tells.
            Err(Error::NoNode(_) | Error::NodeExists(_) | Error::BadVersion(_)) => Ok(()),
            done => done,
        }
    }

    async fn carry_out(&self, action: &Action) -> Result<()> {
        let uuid = &self.identity.uuid;
        match action {
            Action::Suspect(tx) => {
                self.session.create(&layout::suspect(uuid, tx), b"", NODE, false, &[]).await.map(drop)
            }
            Action::Clear(tx) => self.session.delete(&layout::suspect(uuid, tx), None, false, &[]).await,
            Action::Abort(tx, version) => {
                let path = layout::transaction(uuid, tx);
                let aborted =
                    TransactionRecord::decode(&path, &self.session.get(&path).await?.0)?.turned(State::Aborted);
                self.session.set(&path, &aborted.encode(), Some(*version), &[]).await.map(drop)
            }
            Action::RollBack(_) | Action::Finish(_) | Action::Sweep(_) => Ok(()),
        }
    }

    async fn transactions(&self) -> Result<Vec<Found>> {
        let uuid = &self.identity.uuid;
        let parent = layout::transactions(uuid);
        let mut transactions = Vec::new();
        let mut now = None;
        for tx in self.session.children(&parent).await? {
            let path = layout::transaction(uuid, &tx);
            let Some((data, stat)) = found(self.session.get(&path).await)? else { continue };
            let record = TransactionRecord::decode(&path, &data)?;
            let alive = self.session.exists(&layout::alive(uuid, &tx)).await?.is_some();
            let missed = match self.session.exists(&layout::suspect(uuid, &tx)).await? {
                None => None,
                Some(suspect) => {
                    // Both times are the servers': ours may be an hour off.
                    let now = if let Some(now) = now {
                        now
                    } else {
                        let touched = until_answered(&self.session, || self.session.set(&parent, b"", None, &[]));
                        *now.insert(touched.await?.mtime)
                    };
                    Some(Duration::from_millis(u64::try_from(now - suspect.ctime).unwrap_or_default()))
                }
            };
            let state = record.state();
            transactions.push(Found { tx, version: stat.version, state, job_id: record.job_id, alive, missed });
        }
        Ok(transactions)
    }
}

/// What `ZooKeeper` says, not older than this call.
async fn registry(session: &Session, at: &Location, directory: &Directory) -> Result<Registry> {
    // The server we talk to may lag behind the one through which the mirror was published.
    session.sync(&at.znode()).await?;
    let identity = match found(session.get(&at.znode()).await)? {
        Some((data, _)) => Some(Identity::decode(&at.znode(), &data)?),
        None => None,
    };
    let head = match &identity {
        Some(Identity { uuid, .. }) => match found(session.get(&layout::head(uuid)).await)? {
            Some((data, _)) => Some(Head::decode(uuid, &data)?),
            None => None,
        },
        None => None,
    };
    let known = match &directory.identity {
        Some(ours) => session.exists(&layout::table(&ours.uuid)).await?.is_some(),
        None => false,
    };
    Ok(Registry { identity, head, known })
}

/// Registers a new table; that somebody else did is as good.
async fn register(session: &Session, at: &Location, spelling: &Location) -> Result<()> {
    for parent in ["/tables", "/paths"] {
        ensure(session, parent).await?;
    }
    let identity = Identity { uuid: Uuid::new_v4().to_string(), uri: spelling.canonical() };
    let (uuid, data, head) = (&identity.uuid, identity.encode(), Head::default().encode());
    let (table, cell) = (layout::table(uuid), layout::head(uuid));
    let (transactions, jobs, path) = (layout::transactions(uuid), layout::jobs(uuid), at.znode());
    let writes = [
        Write::Create(&path, &data, NODE),
        Write::Create(&table, &data, NODE),
        Write::Create(&cell, &head, NODE),
        Write::Create(&transactions, b"", NODE),
        Write::Create(&jobs, b"", NODE),
    ];
    match session.multi(&writes, &[]).await {
        Ok(_) | Err(NotWritten { index: Some(0), error: Error::NodeExists(_) }) => Ok(()),
        // The caller looks again, which tells whether it landed.
        Err(refused) if refused.error.outcome_unknown() => Ok(()),
        Err(refused) => Err(refused.error),
    }
}

/// Makes a node, with its parents, that may be there already.
pub(super) async fn ensure(session: &Session, path: &str) -> Result<()> {
    if session.exists(path).await?.is_some() {
        return Ok(());
    }
    match until_answered(session, || session.create(path, b"", NODE, true, &[])).await {
        Ok(_) | Err(Error::NodeExists(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Repeats a request whose reply was lost. Only for those whose second run does no harm, or finds the first one's traces
/// and says so.
pub(super) async fn until_answered<T, F>(session: &Session, request: impl Fn() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    loop {
        match request().await {
            // The sync waits for the link, or says that there will be none.
            Err(error) if error.outcome_unknown() => session.sync("/").await?,
            answer => return answer,
        }
    }
}

/// `None` where the node is not there.
pub(super) fn found<T>(reply: Result<T>) -> Result<Option<T>> {
    match reply {
        Ok(value) => Ok(Some(value)),
        Err(Error::NoNode(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
