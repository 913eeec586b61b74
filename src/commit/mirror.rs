//! The mirror: `_spark_metadata`, from which plain Spark reads committed snapshots and nothing else.
//!
//! A reader lists the directory, takes the newest id, derives the compaction interval from the two newest `.compact`
//! names, and reads from the last compact on. So compacts stand exactly [`INTERVAL`] apart, ids between the newest
//! compact and the newest id are dense, and whatever removes files is a compact. Ids are not versions.
//!
//! It begins with two empty compacts before anybody puts a data file in place, so that nothing shows before the first
//! commit does; only what is adopted was in sight before, and gets its mirror with its commit. Any actor may publish any
//! committed version, in ascending order: a mirror file follows from its manifest alone.

use serde_json::json;

use crate::commit::files::DataFile;
use crate::commit::layout;
use crate::commit::manifest::Manifest;
use crate::commit::uri::Location;

/// Compacts stand this far apart, whatever a reader is configured with.
pub const INTERVAL: u64 = 10;

/// The last id before the first commit's: the later of the two equal compacts that give away the interval.
const BEGINNING: u64 = 2 * INTERVAL - 1;

/// The log's version, on its first line.
const HEADER: &str = "v1";

/// What Hadoop's local file system reports; readers plan their splits from other settings.
const BLOCK_SIZE: u64 = 32 * 1024 * 1024;

/// The id of a commit after the one with id `newest`: a compact for one that removes files, or is adopted.
#[must_use]
pub fn next_id(newest: Option<u64>, compact: bool) -> u64 {
    let newest = newest.unwrap_or(BEGINNING);
    if compact { (newest + 1) / INTERVAL * INTERVAL + INTERVAL - 1 } else { newest + 1 }
}

/// True where the mirror file of `id` lists everything that is live.
#[must_use]
pub fn is_compact(id: u64) -> bool {
    (id + 1).is_multiple_of(INTERVAL)
}

/// The newest id among the names in the mirror's directory; one that no commit has, where there was none yet.
#[must_use]
pub fn newest<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<u64> {
    // Hadoop leaves checksums and temporary files, which start with a dot and do not parse.
    names.into_iter().filter_map(|name| name.strip_suffix(".compact").unwrap_or(name).parse().ok()).max()
}

/// The newest id among these names that a commit has.
#[must_use]
pub fn committed<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<u64> {
    newest(names).filter(|id| is_committed(*id))
}

/// True where a commit has `id`, and not the mirror of a table without one.
#[must_use]
pub fn is_committed(id: u64) -> bool {
    id > BEGINNING
}

/// The mirror of a table without a commit: names and contents.
#[must_use]
pub fn beginning() -> Vec<(String, Vec<u8>)> {
    compacts(BEGINNING, &nothing())
}

/// How a version becomes visible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Publication {
    /// The mirror itself appears, by one rename of a prepared directory: an empty one reads as an empty table.
    Directory(Vec<(String, Vec<u8>)>),
    /// One file appears in it, by rename.
    File(String, Vec<u8>),
}

/// Whether a mirror whose newest id is this is whole: one that is made object by object may be half made.
#[must_use]
pub fn begun(newest: Option<u64>) -> bool {
    newest >= Some(BEGINNING)
}

/// What publishing `manifest` of the table at `root` writes, where the mirror's newest id is `newest`.
#[must_use]
pub fn publication(root: &Location, manifest: &Manifest, newest: Option<u64>) -> Publication {
    let (id, whole) = (manifest.mirror, written(root, manifest));
    if begun(newest) {
        Publication::File(format!("{}/{}", layout::MIRROR, file_name(id)), whole)
    } else if is_compact(id) {
        Publication::Directory(compacts(id, &whole))
    } else {
        Publication::Directory(beginning().into_iter().chain([(file_name(id), whole)]).collect())
    }
}

/// What the mirror's file of this version holds.
#[must_use]
pub fn written(root: &Location, manifest: &Manifest) -> Vec<u8> {
    content(root, manifest.carried.iter().flatten().chain(&manifest.added))
}

/// The files that a reader of the last of `commits` goes by; the first of these is full.
#[must_use]
pub fn since_full(root: &Location, commits: &[&Manifest]) -> Vec<(String, Vec<u8>)> {
    let before = commits.first().is_some_and(|first| !is_compact(first.mirror));
    let begun = if before { beginning() } else { Vec::new() };
    begun.into_iter().chain(commits.iter().map(|one| (file_name(one.mirror), written(root, one)))).collect()
}

/// The files of a mirror that somebody deleted, as of the version with mirror id `newest`, which has the files `live`:
/// the two compacts that give away the interval, and the ids after them, which add nothing.
#[must_use]
pub fn anew(root: &Location, newest: u64, live: &[DataFile]) -> Vec<(String, Vec<u8>)> {
    let compact = (newest + 1) / INTERVAL * INTERVAL - 1;
    let mut files = compacts(compact, &content(root, live.iter()));
    files.extend((compact + 1..=newest).map(|id| (file_name(id), nothing())));
    files
}

/// The compact `id` and the one before, equal, so that every reader derives the interval from names alone.
fn compacts(id: u64, whole: &[u8]) -> Vec<(String, Vec<u8>)> {
    [id - INTERVAL, id].map(|id| (file_name(id), whole.to_owned())).into()
}

fn file_name(id: u64) -> String {
    if is_compact(id) { format!("{id}.compact") } else { id.to_string() }
}

fn nothing() -> Vec<u8> {
    HEADER.into()
}

/// The log's own form: its version, then an object a line, without a newline at the end.
fn content<'a>(root: &Location, files: impl Iterator<Item = &'a DataFile>) -> Vec<u8> {
    let mut text = String::from(HEADER);
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
        assert_eq!(next_id(None, false), 20);
        assert_eq!(next_id(None, true), 29);
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
        assert_eq!(names(29), ["19.compact", "29.compact"]);
    }

    #[test]
    fn the_newest_id_is_read_from_names() {
        assert_eq!(newest(["9.compact", "19.compact", "20", ".21.tmp", ".20.crc", "prepared"]), Some(20));
        assert_eq!(newest([]), None);
        assert_eq!(committed(["9.compact", "19.compact"]), None);
        assert_eq!(committed(["9.compact", "19.compact", "20"]), Some(20));
    }

    #[test]
    fn a_line_is_what_spark_writes() {
        let root = Location::parse("/out tablé", "file:///").expect("valid");
        let manifest = sample(1, &["p=50%25/part-0.parquet"]);
        let text = String::from_utf8(written(&root, &manifest)).expect("text");
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
    }

    #[test]
    fn a_mirror_begins_empty_or_with_what_is_adopted() {
        let root = Location::parse("/t", "file:///").expect("valid");
        let mut manifest = sample(1, &["a.parquet"]);
        let names = |publication| match publication {
            Publication::Directory(files) => files.into_iter().map(|(name, data)| (name, data.len() > 2)).collect(),
            Publication::File(name, _) => vec![(name, true)],
        };
        assert_eq!(beginning(), [("9.compact".into(), b"v1".to_vec()), ("19.compact".into(), b"v1".to_vec())]);
        for (id, name) in [(20, "20"), (29, "29.compact")] {
            manifest.mirror = id;
            assert_eq!(names(publication(&root, &manifest, Some(19))), [(format!("_spark_metadata/{name}"), true)]);
        }
        let whole = |name: &str| (name.to_owned(), true);
        assert_eq!(names(publication(&root, &manifest, Some(9))), [whole("19.compact"), whole("29.compact")]);
        manifest.mirror = 20;
        let empty = |name: &str| (name.to_owned(), false);
        assert_eq!(
            names(publication(&root, &manifest, Some(9))),
            [empty("9.compact"), empty("19.compact"), whole("20")]
        );
    }
}
