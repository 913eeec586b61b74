//! Manifests: immutable, content-addressed records of what one commit changed.
//!
//! Most carry only their own change and the name of the manifest before them, so that an append costs what it adds.
//! Those whose mirror id is a compact, and the first, carry the full list as well ([`Manifest::carried`]): the mirror
//! needs it there anyway, and it bounds the walk to the live files to K manifests ([`crate::commit::chain`]).
//! Each is therefore enough to write its own mirror file, whoever publishes it, and whenever.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::commit::files::{DataFile, Totals};
use crate::commit::layout;
use crate::error::{Error, Result};

/// The newest form that this code reads, and the one it writes.
pub const FORMAT: u32 = 1;

/// How much of the digest goes into the name.
const NAME_DIGITS: usize = 12;

/// What a commit does to the files that are live before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Keeps them.
    Append,
    /// Replaces them all.
    Overwrite,
    /// Replaces those of the partitions that it adds files to.
    OverwritePartitions,
    /// Makes what was live at an earlier version live again.
    Restore,
    /// Takes files that were there before the table was one.
    Adopt,
}

impl Operation {
    /// True where files may cease to be live, which readers must see as one flip.
    #[must_use]
    pub fn removes(self) -> bool {
        match self {
            Self::Append | Self::Adopt => false,
            Self::Overwrite | Self::OverwritePartitions | Self::Restore => true,
        }
    }
}

/// How the table's rows are kept in files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Spark's name of the file format.
    pub format: String,
    /// Partition columns, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partition_by: Vec<String>,
    /// The schema of the rows, as Spark's JSON: what a job writes, or what a table has.
    pub schema: Value,
    /// Options of Spark's writer that a reader needs as well, such as a separator.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reading: BTreeMap<String, String>,
}

/// A batch of a streaming query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// The query's name.
    pub app_id: String,
    /// Spark's number of the batch.
    pub batch: i64,
}

/// Who wrote, for the reader of a history.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Writer {
    /// Spark's application id.
    pub app: String,
    /// Where the driver ran.
    pub host: String,
    /// Its process.
    pub pid: u32,
    /// Its user.
    pub user: String,
    /// Its Spark version.
    pub spark: String,
}

/// The commit before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// Its version.
    pub version: u64,
    /// Its manifest.
    pub manifest: String,
}

/// One commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`] when it was written.
    pub format_version: u32,
    /// The table's uuid.
    pub table: String,
    /// The version this commit makes.
    pub version: u64,
    /// What it stands on; `None` for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
    /// This version's id in the mirror.
    pub mirror: u64,
    /// What it does to the files before.
    pub operation: Operation,
    /// What the caller asked for beyond that.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
    /// The form of the table's files after it.
    pub shape: Shape,
    /// Files that were not live before, by path.
    pub added: Vec<DataFile>,
    /// Paths of files that no longer are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<String>,
    /// In a full manifest, the files that were live before and still are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carried: Option<Vec<DataFile>>,
    /// What is live after it.
    pub totals: Totals,
    /// Who wrote.
    pub writer: Writer,
    /// The job, created once.
    pub job_id: String,
    /// The transaction.
    pub tx: String,
    /// The batch that it was, of a streaming query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<Batch>,
    /// The guard's fencing token, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<i64>,
    /// When the attempt began, milliseconds since 1970.
    pub started: i64,
    /// When this manifest was made.
    pub made: i64,
}

/// A manifest as a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// `<version>-<digest>.json.gz`.
    pub name: String,
    /// The digest of the bytes.
    pub sha256: String,
    /// What the file holds.
    pub bytes: Vec<u8>,
}

impl Manifest {
    /// The bytes of the file, and the name that they give it. The same manifest seals to the same bytes.
    ///
    /// # Errors
    /// `CorruptManifest` where it cannot be written as JSON.
    pub fn seal(&self) -> Result<Sealed> {
        let unwritable = |why: String| Error::corrupt_manifest(format!("manifest of version {}: {why}", self.version));
        let json = serde_json::to_vec(self).map_err(|error| unwritable(error.to_string()))?;
        // The encoder's header carries no time and no file name.
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&json).map_err(|error| unwritable(error.to_string()))?;
        let bytes = encoder.finish().map_err(|error| unwritable(error.to_string()))?;
        let sha256 = layout::digest(&bytes);
        Ok(Sealed { name: format!("{}-{}.json.gz", self.version, &sha256[..NAME_DIGITS]), sha256, bytes })
    }

    /// Reads the file `name`.
    ///
    /// # Errors
    /// `CorruptManifest` where the bytes are not those that the name promises, or are of a later form.
    pub fn open(name: &str, bytes: &[u8]) -> Result<Self> {
        let corrupt = |found: &str| {
            Error::corrupt_manifest(format!(
                "manifest {}: {found}; restore the file from a copy, its name says what it must hold",
                layout::manifest(name)
            ))
        };
        let sha256 = layout::digest(bytes);
        let promised = name.strip_suffix(".json.gz").and_then(|stem| stem.split_once('-'));
        let Some((version, digits)) = promised.filter(|(_, digits)| digits.len() == NAME_DIGITS) else {
            return Err(corrupt("that is not a manifest's name"));
        };
        if !sha256.starts_with(digits) {
            return Err(corrupt(&format!("its {} bytes have the digest {}", bytes.len(), &sha256[..NAME_DIGITS])));
        }
        let mut json = Vec::new();
        GzDecoder::new(bytes).read_to_end(&mut json).map_err(|error| corrupt(&error.to_string()))?;
        // The form is read first: a later one may not parse at all, and the reader deserves the reason.
        let form: Form = serde_json::from_slice(&json).map_err(|error| corrupt(&error.to_string()))?;
        if form.format_version > FORMAT {
            return Err(corrupt(&format!(
                "it has form {} and this version of sparkeeper reads up to {FORMAT}; upgrade",
                form.format_version
            )));
        }
        let manifest: Self = serde_json::from_slice(&json).map_err(|error| corrupt(&error.to_string()))?;
        if manifest.version.to_string() != version {
            return Err(corrupt(&format!("it holds version {}", manifest.version)));
        }
        Ok(manifest)
    }
}

#[derive(Deserialize)]
struct Form {
    format_version: u32,
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A first commit of `files`.
    pub(crate) fn sample(version: u64, files: &[&str]) -> Manifest {
        let added: Vec<DataFile> = files.iter().map(|path| DataFile::new(*path, 10, 1_700_000_000_000)).collect();
        Manifest {
            format_version: FORMAT,
            table: "u".into(),
            version,
            base: None,
            mirror: 19,
            operation: Operation::Append,
            parameters: BTreeMap::new(),
            shape: Shape {
                format: "parquet".into(),
                partition_by: vec![],
                schema: serde_json::json!({"fields": []}),
                reading: BTreeMap::new(),
            },
            totals: Totals::of(&added),
            added,
            removed: vec![],
            carried: Some(vec![]),
            writer: Writer::default(),
            job_id: "job".into(),
            tx: "tx".into(),
            batch: None,
            token: None,
            started: 1,
            made: 2,
        }
    }

    #[test]
    fn the_same_manifest_is_the_same_file() {
        let manifest = sample(7, &["p=a b/part-0", "é"]);
        let sealed = manifest.seal().expect("seals");
        assert_eq!(sealed, manifest.seal().expect("seals"));
        assert!(sealed.name.starts_with("7-") && sealed.name.ends_with(".json.gz"));
        assert_eq!(sealed.bytes[4..8], [0; 4], "the time in the header");
        assert_eq!(Manifest::open(&sealed.name, &sealed.bytes), Ok(manifest));
    }

    #[test]
    fn says_when_it_is_too_new() {
        let mut manifest = sample(1, &[]);
        manifest.format_version = FORMAT + 1;
        let sealed = manifest.seal().expect("seals");
        let error = Manifest::open(&sealed.name, &sealed.bytes).expect_err("too new");
        assert!(error.to_string().contains("upgrade"), "{error}");
    }

    #[test]
    fn a_renamed_manifest_is_noticed() {
        let sealed = sample(1, &["a"]).seal().expect("seals");
        for name in [sealed.name.replacen('1', "2", 1).as_str(), "1.json.gz", "1-.json.gz", ""] {
            assert!(matches!(Manifest::open(name, &sealed.bytes), Err(Error::CorruptManifest(_))), "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_changed_byte_is_noticed(at in any::<prop::sample::Index>(), bit in 0..8_u8) {
            let sealed = sample(1, &["a", "b"]).seal().expect("seals");
            let mut bytes = sealed.bytes.clone();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert!(matches!(Manifest::open(&sealed.name, &bytes), Err(Error::CorruptManifest(_))));
        }

        #[test]
        fn a_lost_tail_is_noticed(at in any::<prop::sample::Index>()) {
            let sealed = sample(1, &["a", "b"]).seal().expect("seals");
            let cut = &sealed.bytes[..at.index(sealed.bytes.len())];
            prop_assert!(matches!(Manifest::open(&sealed.name, cut), Err(Error::CorruptManifest(_))));
        }
    }
}
