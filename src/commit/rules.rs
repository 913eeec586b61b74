//! Conflict rules: who may commit on top of commits it has not seen.
//!
//! An attempt was based on some version; the head has moved. Rebasing never writes data again, only the manifest.

use std::collections::{BTreeMap, BTreeSet};

use crate::commit::files::{DataFile, partition_values};
use crate::commit::manifest::{Manifest, Operation, Shape};
use crate::commit::schema;
use crate::error::{Error, Result};

/// Formats whose files name their columns, so that files with fewer of them can lie beside files with more.
const NAMED_COLUMNS: [&str; 3] = ["parquet", "orc", "json"];

/// What an attempt wants, as far as the rules ask.
#[derive(Clone, Debug)]
pub struct Intent {
    /// What it does to the files before it.
    pub operation: Operation,
    /// Replace whatever is there, seen or unseen.
    pub blind: bool,
    /// Only as the table's first version.
    pub create: bool,
    /// Columns may be missing here, or in the table.
    pub merge: bool,
    /// The form of the files it adds.
    pub shape: Shape,
    /// The version it was based on.
    pub base: u64,
}

/// Column to value, as the directories say.
pub type Partition = BTreeMap<String, Option<String>>;

/// The partitions that `files` lie in.
#[must_use]
pub fn partitions(files: &[DataFile]) -> BTreeSet<Partition> {
    files.iter().map(|file| file.partition.clone()).collect()
}

/// Whether `intent`, which adds files to `touched`, may be committed after `rivals`: the commits since its base, oldest
/// first.
///
/// # Errors
/// `CommitConflict`, naming the rival.
pub fn rebase(intent: &Intent, touched: &BTreeSet<Partition>, rivals: &[&Manifest]) -> Result<()> {
    let Some(last) = rivals.last() else { return Ok(()) };
    let conflict = |rival: &Manifest, why: &str| {
        Err(Error::commit_conflict(format!(
            "commit on version {}: job '{}' on {} (pid {}) committed version {} meanwhile, {why}",
            intent.base, rival.job_id, rival.writer.host, rival.writer.pid, rival.version
        )))
    };
    let fitting = || match fits(intent, &last.shape) {
        Ok(()) => Ok(()),
        Err(why) => conflict(last, &format!("and {why}; write again in its form")),
    };
    match intent.operation {
        _ if intent.create => conflict(last, "and this write was to be the first"),
        Operation::Append => fitting(),
        Operation::Adopt => conflict(last, "so that the directory is a table now"),
        Operation::OverwritePartitions => {
            fitting()?;
            let overlapping = rivals.iter().find_map(|rival| Some((rival, overlap(touched, rival)?)));
            match overlapping {
                Some((rival, partition)) if !intent.blind => conflict(
                    rival,
                    &format!(
                        "which touched {} that this one replaces unseen; run it again, or use blind()",
                        shown(&partition)
                    ),
                ),
                _ => Ok(()),
            }
        }
        Operation::Overwrite | Operation::Restore if intent.blind => Ok(()),
        Operation::Overwrite => {
            conflict(last, "which this overwrite has not seen; run it again, or use blind() to replace it unseen")
        }
        Operation::Restore => conflict(last, "which would be undone unseen; restore again if that is to be"),
    }
}

/// A partition that both touch.
fn overlap(touched: &BTreeSet<Partition>, rival: &Manifest) -> Option<Partition> {
    let added = rival.added.iter().map(|file| file.partition.clone());
    let removed = rival.removed.iter().map(|path| partition_values(path));
    added.chain(removed).find(|partition| touched.contains(partition))
}

fn shown(partition: &Partition) -> String {
    if partition.is_empty() {
        return "the table, which has no partitions".to_owned();
    }
    let values = partition.iter().map(|(column, value)| format!("{column}={}", value.as_deref().unwrap_or("NULL")));
    format!("the partition {}", values.collect::<Vec<_>>().join("/"))
}

/// Whether the files that `intent` adds can lie beside those of form `present`.
///
/// # Errors
/// Why not.
pub fn fits(intent: &Intent, present: &Shape) -> std::result::Result<(), String> {
    let added = &intent.shape;
    if added.format != present.format {
        return Err(format!("the table's files are {}, these are {}", present.format, added.format));
    }
    // Spark refuses a table whose directories disagree about the partition columns.
    if added.partition_by != present.partition_by {
        return Err(format!(
            "the table is partitioned by [{}], these files by [{}]",
            present.partition_by.join(", "),
            added.partition_by.join(", ")
        ));
    }
    if added.reading != present.reading {
        return Err(format!(
            "the table's files are read with {:?}, these were written with {:?}",
            present.reading, added.reading
        ));
    }
    let named = NAMED_COLUMNS.contains(&added.format.as_str());
    let difference = match (intent.merge, named) {
        (true, true) => schema::clash(&added.schema, &present.schema),
        (true, false) => {
            return Err(format!("{} files do not name their columns, so schemas cannot be merged", added.format));
        }
        (false, true) => schema::difference(&added.schema, &present.schema),
        (false, false) => schema::difference(&added.schema, &present.schema)
            .or_else(|| schema::misplaced(&added.schema, &present.schema, &present.partition_by)),
    };
    difference.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commit::manifest::tests::sample;

    fn intent(operation: Operation, blind: bool) -> Intent {
        Intent { operation, blind, create: false, merge: false, shape: sample(1, &[]).shape, base: 1 }
    }

    #[test]
    fn an_append_lands_on_anything_of_its_form() {
        let mut rival = sample(2, &["x"]);
        assert_eq!(rebase(&intent(Operation::Append, false), &BTreeSet::new(), &[&rival]), Ok(()));
        rival.operation = Operation::Overwrite;
        assert_eq!(rebase(&intent(Operation::Append, false), &BTreeSet::new(), &[&rival]), Ok(()));
        rival.shape.partition_by = vec!["p".into()];
        let error = rebase(&intent(Operation::Append, false), &BTreeSet::new(), &[&rival]).expect_err("another form");
        assert!(error.to_string().contains("partitioned by [p]"), "{error}");
    }

    #[test]
    fn an_overwrite_lands_only_on_what_it_saw() {
        let rival = sample(2, &["x"]);
        assert_eq!(rebase(&intent(Operation::Overwrite, false), &BTreeSet::new(), &[]), Ok(()));
        let error = rebase(&intent(Operation::Overwrite, false), &BTreeSet::new(), &[&rival]).expect_err("unseen");
        assert!(matches!(error, Error::CommitConflict(_)));
        assert_eq!(rebase(&intent(Operation::Overwrite, true), &BTreeSet::new(), &[&rival]), Ok(()));
    }

    #[test]
    fn partitions_are_replaced_side_by_side_where_they_differ() {
        let touched = |path: &str| partitions(&[DataFile::new(path, 1, 1)]);
        let replace = |blind| intent(Operation::OverwritePartitions, blind);
        let mut rival = sample(2, &["p=1/x"]);
        assert_eq!(rebase(&replace(false), &touched("p=2/y"), &[&rival]), Ok(()));
        let error = rebase(&replace(false), &touched("p=1/y"), &[&rival]).expect_err("the same");
        assert!(error.to_string().contains("partition p=1"), "{error}");
        assert_eq!(rebase(&replace(true), &touched("p=1/y"), &[&rival]), Ok(()));
        rival.removed = vec!["p=3/z".into()];
        assert!(rebase(&replace(false), &touched("p=3/y"), &[&rival]).is_err());
    }

    #[test]
    fn what_is_to_be_first_meets_no_rival() {
        let first = Intent { create: true, ..intent(Operation::Append, true) };
        assert!(rebase(&first, &BTreeSet::new(), &[&sample(1, &[])]).is_err());
    }

    #[test]
    fn files_without_names_of_columns_are_not_merged() {
        let mut merging = Intent { merge: true, ..intent(Operation::Append, false) };
        assert_eq!(fits(&merging, &merging.shape.clone()), Ok(()));
        merging.shape.format = "csv".into();
        let found = fits(&merging, &merging.shape.clone()).expect_err("csv");
        assert!(found.contains("cannot be merged"), "{found}");
    }
}
