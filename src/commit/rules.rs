//! Conflict rules: who may commit on top of commits it has not seen.
//!
//! An attempt was based on some version; the head has moved. Rebasing never writes data again, only the manifest.

use crate::commit::manifest::{Manifest, Operation, Shape};
use crate::commit::schema;
use crate::error::{Error, Result};

/// What an attempt wants, as far as the rules ask.
#[derive(Clone, Debug)]
pub struct Intent {
    /// What it does to the files before it.
    pub operation: Operation,
    /// Replace whatever is there, seen or unseen.
    pub blind: bool,
    /// The form of the files it adds.
    pub shape: Shape,
    /// The version it was based on.
    pub base: u64,
}

/// Whether `intent` may be committed after `rivals`, the commits since its base, oldest first.
///
/// # Errors
/// `CommitConflict`, naming the rival.
pub fn rebase(intent: &Intent, rivals: &[&Manifest]) -> Result<()> {
    let conflict = |rival: &Manifest, why: &str| {
        Err(Error::commit_conflict(format!(
            "commit on version {}: job '{}' on {} (pid {}) committed version {} meanwhile, {why}",
            intent.base, rival.job_id, rival.writer.host, rival.writer.pid, rival.version
        )))
    };
    let Some(last) = rivals.last() else { return Ok(()) };
    match intent.operation {
        Operation::Append => match fits(&intent.shape, &last.shape) {
            Ok(()) => Ok(()),
            Err(why) => conflict(last, &format!("and {why}; write again in its form")),
        },
        Operation::Overwrite if intent.blind => Ok(()),
        Operation::Overwrite => {
            conflict(last, "which this overwrite has not seen; run it again, or use blind() to replace it unseen")
        }
    }
}

/// Whether files of form `added` can lie beside those of form `present`.
///
/// # Errors
/// Why not.
pub fn fits(added: &Shape, present: &Shape) -> std::result::Result<(), String> {
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
    schema::difference(&added.schema, &present.schema).map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commit::manifest::tests::sample;

    fn intent(operation: Operation, blind: bool) -> Intent {
        Intent { operation, blind, shape: sample(1, &[]).shape, base: 1 }
    }

    #[test]
    fn an_append_lands_on_anything_of_its_form() {
        let mut rival = sample(2, &["x"]);
        assert_eq!(rebase(&intent(Operation::Append, false), &[&rival]), Ok(()));
        rival.operation = Operation::Overwrite;
        assert_eq!(rebase(&intent(Operation::Append, false), &[&rival]), Ok(()));
        rival.shape.partition_by = vec!["p".into()];
        let error = rebase(&intent(Operation::Append, false), &[&rival]).expect_err("another form");
        assert!(error.to_string().contains("partitioned by [p]"), "{error}");
    }

    #[test]
    fn an_overwrite_lands_only_on_what_it_saw() {
        let rival = sample(2, &["x"]);
        assert_eq!(rebase(&intent(Operation::Overwrite, false), &[]), Ok(()));
        let error = rebase(&intent(Operation::Overwrite, false), &[&rival]).expect_err("unseen");
        assert!(matches!(error, Error::CommitConflict(_)));
        assert_eq!(rebase(&intent(Operation::Overwrite, true), &[&rival]), Ok(()));
    }
}
