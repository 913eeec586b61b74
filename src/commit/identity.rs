//! Which table lives at a path: the directory says it (`_zk/table.json`), `ZooKeeper` says it (`/paths/<digest>`),
//! and a writer goes on only where they agree or one of them has plainly not been written yet.

use serde::{Deserialize, Serialize};

use crate::commit::head::Head;
use crate::commit::mirror;
use crate::commit::uri::Location;
use crate::error::{Error, Result};

/// What `_zk/table.json` and the path's znode hold, both written once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The table.
    pub uuid: String,
    /// Where it was created, as its first writer spelled it: plain readers find it there, whatever links lead to it.
    pub uri: String,
}

impl Identity {
    /// The bytes of either place.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        // Two strings always serialise.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Where plain readers find it.
    ///
    /// # Errors
    /// `Config` where that is no place.
    pub fn root(&self) -> Result<Location> {
        Location::parse(&self.uri, "")
    }

    /// Reads what was found at `place`.
    ///
    /// # Errors
    /// `NotATable`.
    pub fn decode(place: &str, data: &[u8]) -> Result<Self> {
        serde_json::from_slice(data)
            .map_err(|error| Error::not_a_table(format!("{place}: it does not identify a table ({error})")))
    }
}

/// What was found in the directory. Look here before asking `ZooKeeper`: it only ever is ahead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directory {
    /// What `_zk/table.json` says.
    pub identity: Option<Identity>,
    /// The newest id in the mirror.
    pub mirror: Option<u64>,
    /// Files that a plain reader would see and that are not ours.
    pub foreign: bool,
}

/// What was found in `ZooKeeper`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registry {
    /// What the path's znode says.
    pub identity: Option<Identity>,
    /// The head of the table that the path's znode names.
    pub head: Option<Head>,
    /// Whether the table that the *directory* names exists.
    pub known: bool,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opening {
    /// Both agree.
    Table(Identity, Head),
    /// Registered, and its writer died before it wrote `_zk/table.json`: write it.
    Identify(Identity, Head),
    /// Nobody has heard of it: register it.
    Create,
}

/// Compares.
///
/// # Errors
/// `HistoryLost` where the files know more than `ZooKeeper`; `NotATable` where the directory is another table's, was
/// emptied, or is somebody else's.
pub fn open(at: &Location, directory: &Directory, registry: &Registry) -> Result<Opening> {
    let place = at.canonical();
    let lost = |found: String| {
        Err(Error::history_lost(format!(
            "table {place}: {found}; ZooKeeper was wiped or restored from an old copy, or this is another ensemble or \
             namespace than the table's; \"local\" starts empty where SPARKEEPER_LOCAL_DATA names no folder for it. Reads \
             go on, writes are refused: connect where the table was written, restore ZooKeeper's data, or rebuild its \
             record from the directory with zk.table(spark, path).repair()"
        )))
    };
    match (&directory.identity, &registry.identity) {
        (Some(ours), Some(registered)) if ours.uuid != registered.uuid => Err(Error::not_a_table(format!(
            "table {place}: the directory is table {}, created at {}, and ZooKeeper knows this path as table {}; \
             it was replaced or copied, put the right directory here",
            ours.uuid, ours.uri, registered.uuid
        ))),
        (Some(ours), None) if registry.known => Err(Error::not_a_table(format!(
            "table {place}: the directory is table {}, which lives at {}; it was copied or moved, write it there",
            ours.uuid, ours.uri
        ))),
        (Some(ours), None) => lost(format!("the directory is table {}, of which ZooKeeper knows nothing", ours.uuid)),
        (None, None) if directory.mirror.is_some() => Err(Error::not_a_table(format!(
            "table {place}: its _spark_metadata was written by somebody else, perhaps a streaming query; choose another path"
        ))),
        (None, None) if directory.foreign => Err(Error::not_a_table(format!(
            "table {place}: the directory holds files that no commit names; make them a table with zk.table(spark, path).adopt(), \
             or choose an empty directory"
        ))),
        (None, None) => Ok(Opening::Create),
        (identity, Some(registered)) => {
            let Some(head) = registry.head.clone() else {
                return lost(format!("the head of table {} is missing", registered.uuid));
            };
            if directory.mirror.filter(|id| mirror::is_committed(*id)) > head.mirror {
                return lost(format!(
                    "readers see mirror id {}, and ZooKeeper's version {} has {}",
                    shown(directory.mirror),
                    head.v,
                    shown(head.mirror)
                ));
            }
            match identity {
                Some(_) => Ok(Opening::Table(registered.clone(), head)),
                None if head.v == 0 => Ok(Opening::Identify(registered.clone(), head)),
                None => Err(Error::not_a_table(format!(
                    "table {place}: ZooKeeper has version {} of table {}, but the directory has no _zk/table.json; \
                     it was deleted, perhaps by a plain overwrite, or is not mounted. Put it back, or forget it with \
                     zk.delete('{}') and adopt() what is there, or write anew into an empty directory",
                    head.v,
                    registered.uuid,
                    at.znode()
                ))),
            }
        }
    }
}

fn shown(id: Option<u64>) -> String {
    id.map_or_else(|| "none".to_owned(), |id| id.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> Location {
        Location::parse("/t", "file:///").expect("valid")
    }

    fn identity(uuid: &str) -> Identity {
        Identity { uuid: uuid.into(), uri: "file:///t".into() }
    }

    fn head(v: u64, mirror: Option<u64>) -> Head {
        Head { v, mirror, ..Head::default() }
    }

    fn directory(uuid: Option<&str>, mirror: Option<u64>) -> Directory {
        Directory { identity: uuid.map(identity), mirror, foreign: false }
    }

    fn registry(uuid: Option<&str>, head: Option<Head>, known: bool) -> Registry {
        Registry { identity: uuid.map(identity), head, known }
    }

    #[test]
    fn an_empty_directory_nobody_knows_is_a_new_table() {
        assert_eq!(open(&at(), &directory(None, None), &registry(None, None, false)), Ok(Opening::Create));
    }

    #[test]
    fn a_writer_that_died_between_the_two_is_helped() {
        let found = open(&at(), &directory(None, None), &registry(Some("u"), Some(head(0, None)), true));
        assert!(matches!(found, Ok(Opening::Identify(..))), "{found:?}");
    }

    #[test]
    fn an_unpublished_head_is_in_order_and_a_mirror_ahead_is_not() {
        let zookeeper = registry(Some("u"), Some(head(2, Some(20))), true);
        let none = registry(Some("u"), Some(head(0, None)), true);
        assert!(matches!(open(&at(), &directory(Some("u"), Some(19)), &none), Ok(Opening::Table(..))));
        for mirror in [None, Some(19), Some(20)] {
            let found = open(&at(), &directory(Some("u"), mirror), &zookeeper);
            assert!(matches!(found, Ok(Opening::Table(..))), "{found:?}");
        }
        let found = open(&at(), &directory(Some("u"), Some(21)), &zookeeper);
        assert!(matches!(found, Err(Error::HistoryLost(_))), "{found:?}");
    }

    #[test]
    fn a_wiped_zookeeper_and_a_copied_directory_are_told_apart() {
        let found = open(&at(), &directory(Some("u"), Some(19)), &registry(None, None, false));
        assert!(matches!(found, Err(Error::HistoryLost(_))), "{found:?}");
        let found = open(&at(), &directory(Some("u"), Some(19)), &registry(None, None, true));
        assert!(matches!(found, Err(Error::NotATable(_))), "{found:?}");
        let found = open(&at(), &directory(Some("u"), None), &registry(Some("w"), Some(head(1, Some(19))), true));
        assert!(matches!(found, Err(Error::NotATable(_))), "{found:?}");
    }

    #[test]
    fn what_is_not_ours_is_never_hidden_behind_a_mirror() {
        let mut found = directory(None, Some(3));
        assert!(matches!(open(&at(), &found, &registry(None, None, false)), Err(Error::NotATable(_))));
        found = Directory { foreign: true, ..Directory::default() };
        assert!(matches!(open(&at(), &found, &registry(None, None, false)), Err(Error::NotATable(_))));
    }

    #[test]
    fn a_deleted_directory_is_not_an_empty_table() {
        let found = open(&at(), &directory(None, None), &registry(Some("u"), Some(head(3, Some(21))), true));
        assert!(matches!(found, Err(Error::NotATable(_))), "{found:?}");
    }
}
