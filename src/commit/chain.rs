//! The manifests behind a head, as far as they have been read: what is live, and what was committed since.
//!
//! Rust does not read files. A caller asks what is missing, reads it, provides it, and asks again:
//!
//! ```text
//! while let Some(name) = chain.missing_for_live(head) { chain.provide(name, read(name))?; }
//! ```
//!
//! Manifests never change, so one that was read is good for ever.

use std::collections::{BTreeMap, BTreeSet};

use crate::commit::files::DataFile;
use crate::commit::manifest::Manifest;
use crate::error::{Error, Result};

/// Manifests by name.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    read: BTreeMap<String, Manifest>,
}

impl Chain {
    /// Adds what was read from the file `name`.
    ///
    /// # Errors
    /// `CorruptManifest`.
    pub fn provide(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.insert(name, Manifest::open(name, bytes)?);
        Ok(())
    }

    /// Adds a manifest that was just sealed under `name`.
    pub fn insert(&mut self, name: &str, manifest: Manifest) {
        self.read.insert(name.to_owned(), manifest);
    }

    /// The manifest `name`, if it was read.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Manifest> {
        self.read.get(name)
    }

    /// What to read before [`Chain::live`] can answer for the version of manifest `head`.
    #[must_use]
    pub fn missing_for_live(&self, head: &str) -> Option<String> {
        self.missing(head, |manifest| manifest.carried.is_some())
    }

    /// What to read before [`Chain::since`] can answer.
    #[must_use]
    pub fn missing_since(&self, head: &str, version: u64) -> Option<String> {
        self.missing(head, |manifest| manifest.version <= version + 1)
    }

    /// What to read before [`Chain::unpublished`] can answer.
    #[must_use]
    pub fn missing_unpublished(&self, head: &str, published: Option<u64>) -> Option<String> {
        self.missing(head, |manifest| Some(manifest.mirror) <= published)
    }

    /// The files live at the version of manifest `head`, by path.
    ///
    /// # Errors
    /// `CorruptManifest` where a manifest is missing, or the chain contradicts itself.
    pub fn live(&self, head: &str) -> Result<Vec<DataFile>> {
        let mut changes = self.walk(head, |manifest| manifest.carried.is_some())?;
        let Some(carried) = changes.last().and_then(|full| full.carried.as_ref()) else {
            return Err(Error::corrupt_manifest(format!(
                "manifest {head}: no full manifest among the {} behind it",
                changes.len()
            )));
        };
        let mut live: BTreeMap<&str, &DataFile> = carried.iter().map(|file| (file.path.as_str(), file)).collect();
        changes.reverse();
        for (at, manifest) in changes.iter().enumerate() {
            if at > 0 {
                let removed: BTreeSet<&str> = manifest.removed.iter().map(String::as_str).collect();
                live.retain(|path, _| !removed.contains(path));
            }
            live.extend(manifest.added.iter().map(|file| (file.path.as_str(), file)));
        }
        Ok(live.into_values().cloned().collect())
    }

    /// The commits from the last full manifest up to manifest `head`, oldest first: what a reader's log is made of.
    ///
    /// # Errors
    /// `CorruptManifest` where a manifest is missing.
    pub fn since_full(&self, head: &str) -> Result<Vec<&Manifest>> {
        let mut commits = self.walk(head, |manifest| manifest.carried.is_some())?;
        commits.reverse();
        Ok(commits)
    }

    /// The commits after `version` up to manifest `head`, oldest first.
    ///
    /// # Errors
    /// `CorruptManifest` where a manifest is missing.
    pub fn since(&self, head: &str, version: u64) -> Result<Vec<&Manifest>> {
        let mut commits = self.walk(head, |manifest| manifest.version <= version + 1)?;
        commits.retain(|manifest| manifest.version > version);
        commits.reverse();
        Ok(commits)
    }

    /// As [`Chain::since`], each with its manifest's name.
    ///
    /// # Errors
    /// `CorruptManifest` where a manifest is missing.
    pub fn named_since(&self, head: &str, version: u64) -> Result<Vec<(String, Manifest)>> {
        let commits = self.since(head, version)?;
        let later = commits.iter().skip(1).filter_map(|manifest| Some(manifest.base.as_ref()?.manifest.as_str()));
        let names: Vec<&str> = later.chain([head]).collect();
        Ok(names.into_iter().map(str::to_owned).zip(commits.into_iter().cloned()).collect())
    }

    /// The commits whose mirror files are newer than the newest published one, oldest first.
    ///
    /// # Errors
    /// `CorruptManifest` where a manifest is missing.
    pub fn unpublished(&self, head: &str, published: Option<u64>) -> Result<Vec<&Manifest>> {
        let mut commits = self.walk(head, |manifest| Some(manifest.mirror) <= published)?;
        commits.retain(|manifest| Some(manifest.mirror) > published);
        commits.reverse();
        Ok(commits)
    }

    fn missing(&self, head: &str, enough: impl Fn(&Manifest) -> bool) -> Option<String> {
        let mut name = head;
        loop {
            match self.read.get(name) {
                None => return Some(name.to_owned()),
                Some(manifest) if enough(manifest) => return None,
                Some(manifest) => name = &manifest.base.as_ref()?.manifest,
            }
        }
    }

    /// Newest first, the first one that is `enough` included.
    fn walk(&self, head: &str, enough: impl Fn(&Manifest) -> bool) -> Result<Vec<&Manifest>> {
        let mut walked: Vec<&Manifest> = Vec::new();
        let mut next = Some(head);
        while let Some(name) = next {
            let Some(manifest) = self.read.get(name) else {
                return Err(Error::corrupt_manifest(format!("manifest {name}: it was not read")));
            };
            // Versions fall by one, so a forged loop ends here.
            if walked.last().is_some_and(|later| manifest.version + 1 != later.version) {
                return Err(Error::corrupt_manifest(format!(
                    "manifest {name}: it holds version {}, which the one after it does not stand on",
                    manifest.version
                )));
            }
            walked.push(manifest);
            next = match &manifest.base {
                Some(base) if !enough(manifest) => Some(&base.manifest),
                _ => None,
            };
        }
        Ok(walked)
    }
}
