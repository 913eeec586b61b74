//! Drafts: the manifest and the head that an attempt proposes, given the head it would replace.

use std::collections::{BTreeMap, BTreeSet};

use crate::commit::chain::Chain;
use crate::commit::files::{DataFile, Totals};
use crate::commit::head::Head;
use crate::commit::manifest::{Base, Batch, FORMAT, Manifest, Operation, Sealed, Shape, Writer};
use crate::commit::rules::{self, Intent};
use crate::commit::{mirror, schema};
use crate::error::{Error, Result};

/// Everything about an attempt that no rival can change.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The table's uuid.
    pub table: String,
    /// The transaction.
    pub tx: String,
    /// The job.
    pub job_id: String,
    /// What it does.
    pub intent: Intent,
    /// What the caller asked for beyond that.
    pub parameters: BTreeMap<String, String>,
    /// Who writes.
    pub writer: Writer,
    /// The batch that it writes, of a streaming query.
    pub batch: Option<Batch>,
    /// The guard's fencing token.
    pub token: Option<i64>,
    /// When it began, milliseconds since 1970.
    pub started: i64,
    /// The files it has put under their final names; those that are to be live, where it restores.
    pub added: Vec<DataFile>,
}

/// A proposal: once the manifest's file is in place, `head` may be set.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The next head.
    pub head: Head,
    /// The manifest it names.
    pub manifest: Manifest,
    /// That manifest as a file.
    pub sealed: Sealed,
}

/// What a commit does to the files that are live.
struct Change {
    added: Vec<DataFile>,
    removed: Vec<String>,
    carried: Vec<DataFile>,
}

impl Attempt {
    /// Which manifest to read before [`Attempt::draft`] can be made on `head`.
    #[must_use]
    pub fn missing(&self, head: &Head, chain: &Chain) -> Option<String> {
        let name = head.manifest.as_deref()?;
        chain
            .missing_since(name, self.intent.base)
            .or_else(|| if self.is_full(head) { chain.missing_for_live(name) } else { None })
    }

    /// Proposes the version after `head`; the rules must have agreed.
    ///
    /// # Errors
    /// `CorruptManifest` where [`Attempt::missing`] was not heeded; `HistoryLost` where the head names no manifest.
    pub fn draft(&self, head: &Head, chain: &Chain, now: i64) -> Result<Draft> {
        if head.manifest.is_none() && head.v > 0 {
            return Err(Error::history_lost(format!(
                "head of table {}: version {} names no manifest",
                self.table, head.v
            )));
        }
        let base = head.manifest.clone().map(|manifest| Base { version: head.v, manifest });
        let live = match &base {
            Some(base) if self.is_full(head) => chain.live(&base.manifest)?,
            _ => Vec::new(),
        };
        let replaces = self.intent.operation.removes();
        let id = self.id(head);
        let Change { mut added, removed, carried } = self.change(live);
        added.sort_by(|a, b| a.path.cmp(&b.path));
        let before = if replaces { Totals::of(&carried) } else { head.totals };
        let manifest = Manifest {
            format_version: FORMAT,
            table: self.table.clone(),
            version: head.v + 1,
            mirror: id,
            operation: self.intent.operation,
            parameters: self.parameters.clone(),
            shape: self.shape(base.as_ref().and_then(|base| chain.get(&base.manifest))),
            totals: before.plus(Totals::of(&added)),
            added,
            removed,
            carried: (base.is_none() || mirror::is_compact(id)).then_some(carried),
            base,
            writer: self.writer.clone(),
            job_id: self.job_id.clone(),
            tx: self.tx.clone(),
            batch: self.batch.clone(),
            token: self.token,
            started: self.started,
            made: now,
        };
        let sealed = manifest.seal()?;
        let next = Head {
            v: manifest.version,
            manifest: Some(sealed.name.clone()),
            sha256: Some(sealed.sha256.clone()),
            totals: manifest.totals,
            tx: Some(self.tx.clone()),
            closed: false,
            mirror: Some(id),
        };
        Ok(Draft { head: next, manifest, sealed })
    }

    /// What it does to the files that are live before it, of which an append knows only where it has to list them.
    fn change(&self, live: Vec<DataFile>) -> Change {
        let added = self.added.clone();
        let paths = |files: Vec<DataFile>| files.into_iter().map(|file| file.path).collect();
        match self.intent.operation {
            Operation::Append | Operation::Adopt => Change { added, removed: Vec::new(), carried: live },
            Operation::Overwrite => Change { added, removed: paths(live), carried: Vec::new() },
            Operation::OverwritePartitions => {
                let touched = rules::partitions(&added);
                let (gone, carried) = live.into_iter().partition(|file| touched.contains(&file.partition));
                Change { added, removed: paths(gone), carried }
            }
            Operation::Restore => {
                let wanted: BTreeSet<&str> = added.iter().map(|file| file.path.as_str()).collect();
                let (carried, gone): (Vec<_>, Vec<_>) =
                    live.into_iter().partition(|file| wanted.contains(file.path.as_str()));
                let there: BTreeSet<String> = carried.iter().map(|file| file.path.clone()).collect();
                let added = added.into_iter().filter(|file| !there.contains(&file.path)).collect();
                Change { added, removed: paths(gone), carried }
            }
        }
    }

    /// The form of the table after it.
    fn shape(&self, present: Option<&Manifest>) -> Shape {
        let Intent { operation, shape, .. } = &self.intent;
        match (operation, present) {
            (Operation::Append | Operation::OverwritePartitions, Some(present)) => {
                Shape { schema: schema::union(&shape.schema, &present.shape.schema), ..shape.clone() }
            }
            _ => shape.clone(),
        }
    }

    /// True where the proposal lists, or names as removed, every file that is live before it.
    fn is_full(&self, head: &Head) -> bool {
        mirror::is_compact(self.id(head))
    }

    /// The mirror id of the version after `head`.
    fn id(&self, head: &Head) -> u64 {
        let Intent { operation, .. } = &self.intent;
        mirror::next_id(head.mirror, operation.removes() || *operation == Operation::Adopt)
    }
}
