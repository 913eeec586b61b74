//! What the queue's nodes hold: an item is a line of JSON and the payload after it; the rest is JSON.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What an item carries beside its payload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Attempts before the node was made; those since are counted by the server, as changes of its children.
    #[serde(default)]
    pub attempts: u32,
    /// Lower goes first.
    #[serde(default)]
    pub priority: i32,
    /// The caller's id of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dedupe: Option<String>,
    /// What was last reported to have gone wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// In which attempt.
    #[serde(default)]
    pub failed: u32,
}

/// What became of an item, stored with what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Ending {
    /// False where its attempts are used up, or it was cancelled.
    pub(super) ok: bool,
    pub(super) attempts: u32,
    /// Empty where nobody knows.
    pub(super) worker: String,
    /// The worker's size beside the others'.
    #[serde(default)]
    pub(super) capacity: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
}

/// What became of a dedupe id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// The item's id.
    pub item: String,
    /// True once it was acknowledged or became a dead letter.
    pub done: bool,
}

/// Who has an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tenure {
    pub(super) owner: String,
    /// For how many milliseconds from when this was written.
    pub(super) lease: i64,
}

impl Header {
    /// The node's data.
    pub(super) fn with(&self, payload: &[u8]) -> Vec<u8> {
        with(self, payload)
    }

    /// The header and the payload in a node's data.
    ///
    /// # Errors
    /// `Server` where it is no item of ours.
    pub(super) fn split(path: &str, data: Vec<u8>) -> Result<(Self, Vec<u8>)> {
        split(path, data)
    }
}

/// A line of JSON, and what follows it.
pub(super) fn with(header: &impl Serialize, payload: &[u8]) -> Vec<u8> {
    let mut data = json(header);
    data.push(b'\n');
    data.extend_from_slice(payload);
    data
}

/// The two parts of what [`with`] made.
///
/// # Errors
/// `Server` where it is not what we write.
pub(super) fn split<T: DeserializeOwned>(path: &str, mut data: Vec<u8>) -> Result<(T, Vec<u8>)> {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let header = parse(path, &data[..end])?;
    data.drain(..(end + 1).min(data.len()));
    Ok((header, data))
}

pub(super) fn json(value: &impl Serialize) -> Vec<u8> {
    // Plain structs of strings and numbers always serialise.
    serde_json::to_vec(value).unwrap_or_default()
}

/// # Errors
/// `Server` where it is not what we write.
pub(super) fn parse<'a, T: Deserialize<'a>>(path: &str, data: &'a [u8]) -> Result<T> {
    serde_json::from_slice(data).map_err(|why| {
        Error::server(format!("read '{path}': it is no node of a queue ({why}); remove it, or use another path"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_comes_out_as_it_went_in() {
        let header = Header { attempts: 2, dedupe: Some("a\nb".into()), ..Header::default() };
        for payload in [&b""[..], b"\n", b"{}\n{}", &[0, 255, 10]] {
            let (found, data) = Header::split("/q", header.with(payload)).expect("ours");
            assert_eq!((found, data.as_slice()), (header.clone(), payload));
        }
        assert!(Header::split("/q", b"plain".to_vec()).is_err());
    }
}
