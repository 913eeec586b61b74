//! What a counter's node holds, and what it tells about a write whose reply was lost. Pure.
//!
//! Data: `{"value": 5, "recent": [{"by": …, "seq": …, "version": …, "value": …, "at": …}, …]}`. Each client keeps one
//! entry, for its newest operation: the number it gave the operation, the node's version and value after it, and when it
//! was. They are in the order of their versions. A client has one operation under way at a time, and each write is
//! conditional on the version before it.
//!
//! So a client whose reply was lost, for a write on version `v`, finds one of these:
//! - the node still has version `v`: it did not land. It may yet, but so may another write on `v` with the same number,
//!   and only one of the two can: it writes again.
//! - its entry has the number: it landed, and the entry has the result.
//! - its entry has another number: it did not land, for it would have taken that entry's place. It never will.
//! - it has no entry, but one of version `v + 1` or older is there, or none was ever dropped: entries are dropped in
//!   the order of their versions, so its own would be there too. It did not land, and never will.
//! - else its entry may have been dropped. Only here the outcome cannot be known, and it is not guessed. For that, more
//!   than [`AT_LEAST`] other clients wrote, and [`KEPT_FOR`] passed or [`AT_MOST`] wrote, before it could ask.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// So many entries are kept, however old.
pub const AT_LEAST: usize = 64;
/// More are dropped, however young: an entry has some hundred bytes, and each write carries all.
pub const AT_MOST: usize = 1024;
/// Between the two an entry is dropped when it is older: milliseconds on the server's clock.
pub const KEPT_FOR: i64 = 60_000;

/// The newest operation of one client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The client.
    pub by: String,
    /// Its number for the operation.
    pub seq: u64,
    /// The node's version after it.
    pub version: i32,
    /// The counter after it.
    pub value: i64,
    /// When it was, in milliseconds since 1970 on the server's clock. Whoever writes next fills it in: the newest entry
    /// has the time of the write before it.
    pub at: i64,
}

/// What the node holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The counter.
    pub value: i64,
    /// One entry for each client that wrote lately, the newest last.
    #[serde(default)]
    pub recent: Vec<Entry>,
}

/// Which write is in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doubt<'a> {
    /// Who wrote.
    pub by: &'a str,
    /// Its number.
    pub seq: u64,
    /// The node's version that it was conditional on; `None` where it was to create the node.
    pub base: Option<i32>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It landed, with this result.
    Landed(i64),
    /// The node is as it was; the write may still land, and so may the same write again.
    Open,
    /// It did not land, and never will.
    Never,
    /// Its traces, if there were any, are gone.
    Unknown,
}

impl Record {
    /// A counter that nobody wrote.
    #[must_use]
    pub fn new(value: i64) -> Self {
        Self { value, recent: Vec::new() }
    }

    /// The record in a node's data; `default` where nobody wrote any.
    ///
    /// # Errors
    /// `Config` where it is something else.
    pub fn decode(path: &str, data: &[u8], default: i64) -> Result<Self> {
        if data.is_empty() {
            return Ok(Self::new(default));
        }
        serde_json::from_slice(data).map_err(|why| {
            let shown: String = String::from_utf8_lossy(data).chars().take(40).collect();
            Error::config(format!(
                "counter '{path}': the node holds {shown:?}, which no counter of ours wrote ({why}); kazoo's and \
                 Curator's counters keep other data: use another path, or delete the node"
            ))
        })
    }

    /// The bytes of the record.
    ///
    /// # Errors
    /// None in practice: it holds nothing that JSON cannot say.
    pub fn encode(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|why| Error::server(format!("counter: {why}")))
    }

    /// The record after an operation on version `doubt.base`, which was written at `mtime`.
    #[must_use]
    pub fn after(&self, operation: Doubt<'_>, mtime: i64, value: i64) -> Self {
        let Doubt { by, seq, base } = operation;
        let mut recent = self.recent.clone();
        if let Some(newest) = recent.last_mut() {
            newest.at = mtime;
        }
        recent.retain(|entry| entry.by != by);
        recent.push(Entry { by: by.to_owned(), seq, version: next(base), value, at: mtime });
        let spare = recent.len().saturating_sub(AT_LEAST);
        let over = recent.len().saturating_sub(AT_MOST);
        let old = recent.iter().take(spare).take_while(|entry| mtime.saturating_sub(entry.at) > KEPT_FOR).count();
        recent.drain(..old.max(over));
        Self { value, recent }
    }

    /// What became of a write, from the record found later at `version`; `None` where there is no node.
    #[must_use]
    pub fn fate(&self, version: Option<i32>, doubt: Doubt<'_>) -> Fate {
        match self.recent.iter().find(|entry| entry.by == doubt.by) {
            Some(entry) if entry.seq == doubt.seq => return Fate::Landed(entry.value),
            _ if version == doubt.base => return Fate::Open,
            Some(_) => return Fate::Never,
            None => {}
        }
        let reaches_back = |oldest: &Entry| next(doubt.base).wrapping_sub(oldest.version) >= 0;
        if self.recent.len() < AT_LEAST || self.recent.first().is_some_and(reaches_back) {
            Fate::Never
        } else {
            Fate::Unknown
        }
    }
}

/// The version after a write on `base`. The server's counter wraps.
fn next(base: Option<i32>) -> i32 {
    base.map_or(0, |base| base.wrapping_add(1))
}
