//! Data files as manifests name them, and the partition values that their directories spell.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What Spark writes for a NULL (or empty) partition value.
const NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// One immutable file of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataFile {
    /// Below the table's directory, with `/`, unescaped.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Last modification, milliseconds since 1970.
    pub modified: i64,
    /// Column to value, as the directories say; `None` is NULL.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub partition: BTreeMap<String, Option<String>>,
}

impl DataFile {
    /// A file whose partition values are read from its path.
    #[must_use]
    pub fn new(path: impl Into<String>, size: u64, modified: i64) -> Self {
        let path = path.into();
        let partition = partition_values(&path);
        Self { path, size, modified, partition }
    }
}

/// The `column=value` directories of a path, unescaped as Spark escapes them.
#[must_use]
pub fn partition_values(path: &str) -> BTreeMap<String, Option<String>> {
    let mut components: Vec<&str> = path.split('/').collect();
    components.pop();
    components
        .into_iter()
        .filter_map(|directory| directory.split_once('='))
        .map(|(column, value)| (unescaped(column), (value != NULL).then(|| unescaped(value))))
        .collect()
}

/// `%XX` is a byte below 0x80 in the names that Spark makes; anything else stands for itself.
fn unescaped(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(at) = rest.find('%') {
        let code = rest.get(at + 1..at + 3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if let Some(code) = code.filter(u8::is_ascii) {
            text.push_str(&rest[..at]);
            text.push(char::from(code));
            rest = &rest[at + 3..];
        } else {
            text.push_str(&rest[..=at]);
            rest = &rest[at + 1..];
        }
    }
    text + rest
}

/// Number and bytes of a set of files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// How many.
    pub files: u64,
    /// Their bytes together.
    pub bytes: u64,
}

impl Totals {
    /// Counts.
    #[must_use]
    pub fn of(files: &[DataFile]) -> Self {
        Self { files: files.len() as u64, bytes: files.iter().map(|file| file.size).sum() }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { files: self.files + other.files, bytes: self.bytes + other.bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_values_as_spark_wrote_them() {
        let values = partition_values("p=a%2Fb/q=__HIVE_DEFAULT_PARTITION__/r=50%25/日=é ü/part-0");
        let expected = [("p", Some("a/b")), ("q", None), ("r", Some("50%")), ("日", Some("é ü"))];
        assert_eq!(values, expected.map(|(c, v)| (c.to_owned(), v.map(str::to_owned))).into());
        assert!(partition_values("part-p=1").is_empty());
    }

    #[test]
    fn a_lone_percent_sign_is_itself() {
        assert_eq!(unescaped("%"), "%");
        assert_eq!(unescaped("%zz%4"), "%zz%4");
        assert_eq!(unescaped("100%é"), "100%é");
    }
}
