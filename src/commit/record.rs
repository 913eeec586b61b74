//! What the znodes of a transaction and of a job hold, as JSON that an operator can read.

use serde::{Deserialize, Serialize};

use crate::commit::head::Head;
use crate::commit::manifest::Writer;
use crate::commit::recover::State;
use crate::error::{Error, Result};

/// `/tables/<uuid>/tx/<txid>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionRecord {
    state: String,
    /// The job it writes for.
    pub job_id: String,
    /// Who writes.
    pub writer: Writer,
    /// When it began, milliseconds since 1970.
    pub started: i64,
}

impl TransactionRecord {
    /// A record in state `state`.
    #[must_use]
    pub fn new(state: State, job_id: &str, writer: &Writer, started: i64) -> Self {
        Self { state: state.word().to_owned(), job_id: job_id.to_owned(), writer: writer.clone(), started }
    }

    /// The state; what is no word of ours is taken for [`State::Active`], which nobody deletes.
    #[must_use]
    pub fn state(&self) -> State {
        State::parse(&self.state).unwrap_or(State::Active)
    }

    /// The same in another state.
    #[must_use]
    pub fn turned(&self, state: State) -> Self {
        Self { state: state.word().to_owned(), ..self.clone() }
    }

    /// The bytes for the znode.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads the znode at `path`.
    ///
    /// # Errors
    /// `Server` where the data is none of ours.
    pub fn decode(path: &str, data: &[u8]) -> Result<Self> {
        serde_json::from_slice(data).map_err(|error| Error::server(format!("transaction '{path}': {error}")))
    }
}

/// `/tables/<uuid>/jobs/<hh>/<job_id>`: the commit that a job made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Committed {
    /// The table's version.
    pub version: u64,
    /// The transaction that made it.
    pub tx: String,
    /// Its manifest.
    pub manifest: String,
    /// Files added.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Committed {
    /// The commit that sets `head` and adds what `files` and `bytes` say.
    #[must_use]
    pub fn new(head: &Head, tx: &str, files: u64, bytes: u64) -> Self {
        let manifest = head.manifest.clone().unwrap_or_default();
        Self { version: head.v, tx: tx.to_owned(), manifest, files, bytes }
    }

    /// The bytes for the znode.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads the znode at `path`.
    ///
    /// # Errors
    /// `Server` where the data is none of ours.
    pub fn decode(path: &str, data: &[u8]) -> Result<Self> {
        serde_json::from_slice(data).map_err(|error| Error::server(format!("job '{path}': {error}")))
    }
}
