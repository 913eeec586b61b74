//! A mirror's directory, and Spark's way of reading one: `CompactibleFileStreamLog`, step by step.

use std::collections::{BTreeMap, BTreeSet};

use crate::commit::mirror::Publication;

/// File names and contents.
#[derive(Clone, Default)]
pub(super) struct Mirror(BTreeMap<String, String>);

impl Mirror {
    /// Does what a publisher does.
    pub(super) fn publish(&mut self, publication: Publication) {
        let text = |bytes| String::from_utf8(bytes).expect("text");
        match publication {
            // Renaming a directory onto one that is there fails.
            Publication::Directory(_) if !self.0.is_empty() => {}
            Publication::Directory(files) => {
                self.0 = files.into_iter().map(|(name, data)| (name, text(data))).collect();
            }
            Publication::File(path, data) => {
                let name = path.strip_prefix("_spark_metadata/").expect("in the mirror");
                self.0.insert(name.to_owned(), text(data));
            }
        }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The interval that a reader with setting `configured` derives.
    pub(super) fn interval(&self, configured: u64) -> u64 {
        let mut compacts: Vec<u64> =
            self.names().filter_map(|name| name.strip_suffix(".compact")?.parse().ok()).collect();
        compacts.sort_unstable();
        match compacts[..] {
            [.., previous, latest] => latest - previous,
            [only] if (only + 1).is_multiple_of(configured) => configured,
            [only] => only + 1,
            [] => configured,
        }
    }

    /// The paths a reader sees that derived `interval`, perhaps some time ago.
    pub(super) fn read(&self, interval: u64) -> BTreeSet<String> {
        let latest = crate::commit::mirror::newest(self.names()).expect("a mirror is never empty");
        let start = ((latest + 1) / interval * interval).saturating_sub(1);
        (start..=latest)
            .flat_map(|id| {
                let compact = (id + 1).is_multiple_of(interval);
                let name = if compact { format!("{id}.compact") } else { id.to_string() };
                let content = self.0.get(&name).unwrap_or_else(|| panic!("{name} is missing"));
                let mut lines = content.lines();
                assert_eq!(lines.next(), Some("v1"));
                lines.map(path).collect::<Vec<_>>()
            })
            .collect()
    }
}

fn path(line: &str) -> String {
    let entry: serde_json::Value = serde_json::from_str(line).expect("JSON");
    let uri = entry["path"].as_str().expect("a path");
    uri.strip_prefix("file:///t/").expect("below the table").to_owned()
}
