//! The head: the one mutable cell of a table. What it names is committed, nothing else is.

use serde::{Deserialize, Serialize};

use crate::commit::files::Totals;
use crate::error::{Error, Result};

/// The state of a table, as its znode holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The version, 0 for a table without a commit.
    pub v: u64,
    /// The manifest of that version, `None` at version 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<String>,
    /// The digest of that manifest's bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Live files and their bytes.
    #[serde(flatten)]
    pub totals: Totals,
    /// The transaction that made this version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tx: Option<String>,
    /// True once the table is being made a plain directory again: nothing is committed any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub closed: bool,
    /// This version's id in the mirror. Ids are not versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirror: Option<u64>,
}

impl Head {
    /// The bytes for the znode.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        // Strings and integers always serialise.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads the znode of table `uuid`.
    ///
    /// # Errors
    /// `HistoryLost` where the bytes are none of ours: what was committed can no longer be known from here.
    pub fn decode(uuid: &str, data: &[u8]) -> Result<Self> {
        serde_json::from_slice(data).map_err(|error| {
            Error::history_lost(format!("head of table {uuid}: the znode's data is not a head ({error}); restore it"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_table_has_version_zero() {
        let head = Head::default();
        assert_eq!(String::from_utf8(head.encode()).expect("text"), r#"{"v":0,"files":0,"bytes":0}"#);
        assert_eq!(Head::decode("u", &head.encode()), Ok(head));
    }

    #[test]
    fn survives_the_wire() {
        let head = Head {
            v: 7,
            manifest: Some("7-0123456789ab.json.gz".into()),
            sha256: Some("0123".into()),
            totals: Totals { files: 3, bytes: 99 },
            tx: Some("t".into()),
            closed: false,
            mirror: Some(29),
        };
        assert_eq!(Head::decode("u", &head.encode()), Ok(head));
    }

    #[test]
    fn nonsense_is_not_an_empty_table() {
        for data in [&b""[..], b"{}", b"null", b"{\"v\":-1}"] {
            assert!(matches!(Head::decode("u", data), Err(Error::HistoryLost(_))), "{data:?}");
        }
    }
}
