//! One version as its node holds it: JSON that an operator reads in zkCli.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error::{Error, Result};
use crate::session::Stat;

/// Digits of a version in its node's name, so that names sort as versions do.
const DIGITS: usize = 10;

/// One version of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// From 1 on.
    pub number: u64,
    /// Who wrote it.
    pub by: String,
    /// When: milliseconds since 1970 on the server's wall clock.
    pub at: i64,
    /// The version whose value it restored, where it was a rollback.
    pub restored: Option<u64>,
    /// The write that made it.
    pub(super) op: String,
    value: String,
}

/// As it is written.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub(super) version: u64,
    pub(super) by: &'a str,
    pub(super) op: &'a str,
    pub(super) restored: Option<u64>,
    /// JSON text.
    pub(super) value: &'a str,
}

#[derive(Deserialize, Serialize)]
struct Text<'a> {
    version: u64,
    by: String,
    op: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    restored: Option<u64>,
    /// Kept as text: a number of any size stays what it is.
    #[serde(borrow)]
    value: &'a RawValue,
}

impl Entry<'_> {
    /// # Errors
    /// `Config`, where the value is no JSON.
    pub(super) fn text(&self) -> Result<String> {
        let wrong = |error: serde_json::Error| Error::config(format!("the value is no JSON: {error}"));
        let value: &RawValue = serde_json::from_str(self.value).map_err(wrong)?;
        let Self { version, restored, .. } = *self;
        let text = Text { version, by: self.by.to_owned(), op: self.op.to_owned(), restored, value };
        serde_json::to_string(&text).map_err(wrong)
    }
}

impl Version {
    /// # Errors
    /// `Config`, where the node holds no version.
    pub(super) fn parse(path: &str, data: &[u8], stat: &Stat) -> Result<Self> {
        let text: Text<'_> = serde_json::from_slice(data).map_err(|error| {
            Error::config(format!(
                "config '{path}': the node holds no version of a config ({error}); somebody else wrote it, at zxid {}; \
                 use another path, or delete the node",
                stat.mzxid
            ))
        })?;
        let Text { version: number, by, op, restored, value } = text;
        Ok(Self { number, by, at: stat.mtime, restored, op, value: value.get().to_owned() })
    }

    /// The value, as JSON text.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }
}

/// The name of a version's node.
pub(super) fn name(version: u64) -> String {
    format!("v{version:0DIGITS$}")
}

/// The inverse of [`name`]; `None` for nodes that are none of ours.
pub(super) fn number(name: &str) -> Option<u64> {
    let digits = name.strip_prefix('v').filter(|digits| digits.len() >= DIGITS)?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_versions_are_inverse_and_sort_alike() {
        for version in [1, 99, 4_294_967_296, 99_999_999_999] {
            assert_eq!(number(&name(version)), Some(version));
        }
        assert!(name(9) < name(10));
        for foreign in ["v1", "lock", "v00000000x1", "v+000000001"] {
            assert_eq!(number(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn a_value_stays_what_it_is() {
        let value = r#"{"big":123456789012345678901234567890,"x":0.1,"s":"ü\u0000"}"#;
        let entry = Entry { version: 7, by: "me \"and\" you", op: "op", restored: Some(3), value };
        let text = entry.text().expect("JSON");
        let stat = Stat { mtime: 5, ..EMPTY };
        let read = Version::parse("c", text.as_bytes(), &stat).expect("ours");
        assert_eq!((read.number, read.at, read.restored, read.value()), (7, 5, Some(3), value));
        assert_eq!((read.by.as_str(), read.op.as_str()), ("me \"and\" you", "op"));
        assert!(matches!(Version::parse("c", b"hello", &stat), Err(Error::Config(text)) if text.contains("'c'")));
        assert!(matches!(Entry { value: "{", ..entry }.text(), Err(Error::Config(_))));
    }

    const EMPTY: Stat = Stat {
        czxid: 0,
        mzxid: 0,
        pzxid: 0,
        ctime: 0,
        mtime: 0,
        version: 0,
        cversion: 0,
        aversion: 0,
        ephemeral_owner: 0,
        data_length: 0,
        num_children: 0,
    };
}
