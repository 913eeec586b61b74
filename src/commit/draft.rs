//! Drafts: the manifest and the head that an attempt proposes, given the head it would replace.

use std::collections::BTreeMap;

use crate::commit::chain::Chain;
use crate::commit::files::{DataFile, Totals};
use crate::commit::head::Head;
use crate::commit::manifest::{Base, FORMAT, Manifest, Sealed, Writer};
use crate::commit::mirror;
use crate::commit::rules::Intent;
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
    /// The guard's fencing token.
    pub token: Option<i64>,
    /// When it began, milliseconds since 1970.
    pub started: i64,
    /// The files it has put under their final names.
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
        let mut added = self.added.clone();
        added.sort_by(|a, b| a.path.cmp(&b.path));
        let replaces = self.intent.operation.removes();
        let before = if replaces { Totals::default() } else { head.totals };
        let id = mirror::next_id(head.mirror, replaces);
        let (removed, carried) = if replaces {
            (live.into_iter().map(|file| file.path).collect(), Some(Vec::new()))
        } else {
            (Vec::new(), mirror::is_compact(id).then_some(live))
        };
        let manifest = Manifest {
            format_version: FORMAT,
            table: self.table.clone(),
            version: head.v + 1,
            base,
            mirror: id,
            operation: self.intent.operation,
            parameters: self.parameters.clone(),
            shape: self.intent.shape.clone(),
            totals: before.plus(Totals::of(&added)),
            added,
            removed,
            carried,
            writer: self.writer.clone(),
            job_id: self.job_id.clone(),
            tx: self.tx.clone(),
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
            mirror: Some(id),
        };
        Ok(Draft { head: next, manifest, sealed })
    }

    /// True where the proposal lists, or names as removed, every file that is live before it.
    fn is_full(&self, head: &Head) -> bool {
        let replaces = self.intent.operation.removes();
        replaces || mirror::is_compact(mirror::next_id(head.mirror, replaces))
    }
}
