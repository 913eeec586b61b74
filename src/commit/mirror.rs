//! The mirror: `_spark_metadata`, from which plain Spark reads committed snapshots and nothing else.
//!
//! A reader lists the directory, takes the newest id, derives the compaction interval from the two newest `.compact`
//! names, and reads from the last compact on. So compacts stand exactly [`INTERVAL`] apart, ids between the newest
//! compact and the newest id are dense, and whatever removes files is a compact. Ids are not versions.
//!
//! Any actor may publish any committed version, in ascending order: a mirror file follows from its manifest alone.

use serde_json::json;

use crate::commit::files::DataFile;
use crate::commit::layout;
use crate::commit::manifest::Manifest;
use crate::commit::uri::Location;

/// Compacts stand this far apart, whatever a reader is configured with.
pub const INTERVAL: u64 = 10;

/// The first commit's id: the later of the two equal compacts that give away the interval.
const FIRST: u64 = 2 * INTERVAL - 1;

/// What Hadoop's local file system reports; readers plan their splits from other settings.
const BLOCK_SIZE: u64 = 32 * 1024 * 1024;

/// The id of a commit after the one with id `newest`.
#[must_use]
pub fn next_id(newest: Option<u64>, removes: bool) -> u64 {
    match newest {
        None => FIRST,
        Some(newest) if removes => (newest + 1) / INTERVAL * INTERVAL + INTERVAL - 1,
        Some(newest) => newest + 1,
    }
}

/// True where the mirror file of `id` lists everything that is live.
#[must_use]
pub fn is_compact(id: u64) -> bool {
    (id + 1).is_multiple_of(INTERVAL)
}

/// The newest id among the names in the mirror's directory.
#[must_use]
pub fn newest<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<u64> {
    // Hadoop leaves checksums and temporary files, which start with a dot and do not parse.
    names.into_iter().filter_map(|name| name.strip_suffix(".compact").unwrap_or(name).parse().ok()).max()
}

/// How a version becomes visible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Publication {
    /// The mirror itself appears, by one rename of a prepared directory: an empty one reads as an empty table.
    Directory(Vec<(String, Vec<u8>)>),
    /// One file appears in it, by rename.
    File(String, Vec<u8>),
}

/// What publishing `manifest` of the table at `root` writes.
#[must_use]
pub fn publication(root: &Location, manifest: &Manifest) -> Publication {
    let content = content(root, manifest.carried.iter().flatten().chain(&manifest.added));
    if manifest.base.is_none() {
        return Publication::Directory(vec![
            (file_name(FIRST - INTERVAL), content.clone()),
            (file_name(FIRST), content),
        ]);
    }
    Publication::File(format!("{}/{}", layout::MIRROR, file_name(manifest.mirror)), content)
}

/// The files of a mirror that somebody deleted, as of the version with mirror id `newest`, which has the files `live`:
/// the two compacts that give away the interval, and the ids after them, which add nothing.
#[must_use]
pub fn anew(root: &Location, newest: u64, live: &[DataFile]) -> Vec<(String, Vec<u8>)> {
    let compact = (newest + 1) / INTERVAL * INTERVAL - 1;
    let whole = content(root, live.iter());
    let mut files = vec![(file_name(compact - INTERVAL), whole.clone()), (file_name(compact), whole)];
    files.extend((compact + 1..=newest).map(|id| (file_name(id), content(root, [].iter()))));
    files
}

fn file_name(id: u64) -> String {
    if is_compact(id) { format!("{id}.compact") } else { id.to_string() }
}

/// The log's own form: its version, then an object a line, without a newline at the end.
fn content<'a>(root: &Location, files: impl Iterator<Item = &'a DataFile>) -> Vec<u8> {
    let mut text = String::from("v1");
    for file in files {
        let entry = json!({
            "path": root.child_uri(&file.path),
            "size": file.size,
            "isDir": false,
            "modificationTime": file.modified,
            "blockReplication": 1,
            "blockSize": BLOCK_SIZE,
            "action": "add",
        });
        text.push('\n');
        text.push_str(&entry.to_string());
    }
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commit::manifest::tests::sample;

    #[test]
    fn ids_follow_the_rules() {
        assert_eq!(next_id(None, false), 19);
        assert_eq!(next_id(None, true), 19);
        assert_eq!(next_id(Some(19), false), 20);
        assert_eq!(next_id(Some(19), true), 29);
        assert_eq!(next_id(Some(21), true), 29);
        assert_eq!(next_id(Some(28), true), 29);
        assert_eq!(next_id(Some(28), false), 29);
        assert!(is_compact(9) && is_compact(29) && !is_compact(20) && !is_compact(0));
    }

    #[test]
    fn a_deleted_mirror_is_made_anew() {
        let root = Location::parse("/t", "file:///").expect("valid");
        let names = |newest| anew(&root, newest, &[]).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(39), ["29.compact", "39.compact"]);
        assert_eq!(names(41), ["29.compact", "39.compact", "40", "41"]);
        assert_eq!(names(FIRST), ["9.compact", "19.compact"]);
    }

    #[test]
    fn the_newest_id_is_read_from_names() {
        assert_eq!(newest(["9.compact", "19.compact", "20", ".21.tmp", ".20.crc", "prepared"]), Some(20));
        assert_eq!(newest([]), None);
    }

    #[test]
    fn a_line_is_what_spark_writes() {
        let root = Location::parse("/out tablé", "file:///").expect("valid");
        let mut manifest = sample(1, &["p=50%25/part-0.parquet"]);
        let Publication::Directory(files) = publication(&root, &manifest) else { panic!("a first version") };
        assert_eq!(files.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["9.compact", "19.compact"]);
        let text = String::from_utf8(files[0].1.clone()).expect("text");
        let (version, line) = text.split_once('\n').expect("two lines");
        assert_eq!(version, "v1");
        let entry: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(
            entry,
            json!({
                "path": "file:///out%20tablé/p=50%2525/part-0.parquet", "size": 10, "isDir": false,
                "modificationTime": 1_700_000_000_000_i64, "blockReplication": 1, "blockSize": 33_554_432, "action": "add",
            })
        );
        manifest.base = Some(crate::commit::manifest::Base { version: 0, manifest: "m".into() });
        manifest.mirror = 20;
        assert!(matches!(publication(&root, &manifest), Publication::File(name, _) if name == "_spark_metadata/20"));
    }
}
