//! How far a streaming query came, and who runs it: `/tables/<uuid>/apps/<app_id>`, set inside every commit of a batch.
//!
//! A driver takes the node over before its first batch. The version that gives it is what its commits set the node at,
//! so the driver before it can never commit again.

use serde::{Deserialize, Serialize};

use crate::commit::layout;
use crate::commit::manifest::Batch;
use crate::commit::table::{Table, ensure, found};
use crate::commit::transaction::NODE;
use crate::error::{Error, Result};

/// The node's data, as JSON that an operator can read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppRecord {
    /// The last batch that was committed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<i64>,
    /// The driver that may commit the next: a name of its own.
    pub owner: String,
}

/// A batch that is to be committed, if its query is still ours.
#[derive(Clone, Debug)]
pub struct Turn {
    pub(super) path: String,
    pub(super) record: AppRecord,
    /// The node's version.
    pub(super) version: i32,
    pub(super) batch: Batch,
}

impl AppRecord {
    /// The bytes for the znode.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    fn decode(path: &str, data: &[u8]) -> Result<Self> {
        serde_json::from_slice(data).map_err(|error| Error::server(format!("streaming query '{path}': {error}")))
    }
}

impl Table {
    /// Lets `owner` commit the batches of the query `app_id` from `batch` on, instead of whoever did.
    ///
    /// # Errors
    /// `Config` where the id is no name, or a later batch was committed: Spark repeats the last batch after a crash and
    /// none before it, so what is called `batch` now need not be what was committed under that number. `ConnectionLost` where the ensemble stays away.
    pub async fn take_over(&self, app_id: &str, owner: &str, batch: i64) -> Result<()> {
        let path = layout::app(&self.identity.uuid, app_id)?;
        ensure(&self.session, &layout::apps(&self.identity.uuid)).await?;
        loop {
            let taken = match found(self.session.get(&path).await)? {
                None => {
                    let record = AppRecord { batch: None, owner: owner.to_owned() };
                    self.session.create(&path, &record.encode(), NODE, false, &[]).await.map(drop)
                }
                Some((data, stat)) => {
                    let record = AppRecord { owner: owner.to_owned(), ..AppRecord::decode(&path, &data)? };
                    if let Some(last) = record.batch.filter(|last| batch < *last) {
                        return Err(begun_again(app_id, &self.identity.uri, batch, last));
                    }
                    self.session.set(&path, &record.encode(), Some(stat.version), &[]).await.map(drop)
                }
            };
            match taken {
                Ok(()) => return Ok(()),
                // Somebody else did the same, or it landed and the reply was lost: look again.
                Err(Error::NodeExists(_) | Error::BadVersion(_)) => {}
                Err(error) if error.outcome_unknown() => self.session.sync(&path).await?,
                Err(error) => return Err(error),
            }
        }
    }

    /// The turn of `owner` to commit a batch; `None` where that or a later one was committed.
    ///
    /// # Errors
    /// `Fenced` where another driver took the query over.
    pub async fn next_turn(&self, batch: Batch, owner: &str) -> Result<Option<Turn>> {
        let path = layout::app(&self.identity.uuid, &batch.app_id)?;
        self.session.sync(&path).await?;
        let Some((data, stat)) = found(self.session.get(&path).await)? else {
            return Err(fenced(&batch, &self.identity.uri, "its record is gone from ZooKeeper"));
        };
        let record = AppRecord::decode(&path, &data)?;
        if record.owner != owner {
            return Err(fenced(&batch, &self.identity.uri, &format!("driver {} took it over", record.owner)));
        }
        if record.batch >= Some(batch.batch) {
            return Ok(None);
        }
        let record = AppRecord { batch: Some(batch.batch), ..record };
        Ok(Some(Turn { path, record, version: stat.version, batch }))
    }
}

fn begun_again(app_id: &str, place: &str, batch: i64, last: i64) -> Error {
    Error::config(format!(
        "streaming query '{app_id}' to {place}: it begins with batch {batch}, and batch {last} is committed, so this is not \
         the checkpoint that it had; nothing is written, as nobody can tell which rows are new. Restore the checkpoint, or \
         let the source begin after what was committed and give the query a new app_id"
    ))
}

pub(super) fn fenced(batch: &Batch, place: &str, why: &str) -> Error {
    Error::fenced(format!(
        "batch {} of the streaming query '{}' to {place}: {why}; nothing of it is visible. Stop this driver: two on one \
         checkpoint undo each other's work",
        batch.batch, batch.app_id
    ))
}
