//! The assignment as the leader publishes it. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::card::Card;
use super::item::Item;
use crate::assign::Certificate;
use crate::error::{Error, Result};

/// The document in `<path>/assignment`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Published {
    /// Grows by one with every assignment.
    pub generation: u64,
    /// The fencing token of the leader that made it.
    pub term: i64,
    /// The sum of what was divided, and how.
    #[serde(default)]
    pub spec: String,
    /// Over whom it was made, with what they said then.
    pub members: BTreeMap<String, Card>,
    /// Those of them that were away, and are expected back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absent: Vec<String>,
    /// What each is to work on, in the order of work. Who has nothing is not named.
    pub owners: BTreeMap<String, Vec<Item>>,
    /// Why items are left without an owner, such as limits that hold no more; `None` where none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unowned: Option<String>,
    /// What it achieved, in moves against the assignment before it. `None` where there was nobody, or nothing left.
    pub certificate: Option<Certificate>,
}

impl Published {
    /// # Errors
    /// `Server` where it is not what a leader writes.
    pub fn read(data: &[u8]) -> Result<Self> {
        serde_json::from_slice(data)
            .map_err(|why| Error::server(format!("an assignment that cannot be read: {why}; was it written by hand?")))
    }

    /// # Errors
    /// `Config` where JSON cannot say it.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|why| Error::config(format!("an assignment: {why}")))
    }

    /// What `member` is to work on.
    #[must_use]
    pub fn of(&self, member: &str) -> Vec<Item> {
        self.owners.get(member).cloned().unwrap_or_default()
    }
}
