//! A versioned value: what `zk.config` keeps. It is JSON text here; schemas are the caller's.
//!
//! Znodes: `<path>` is the head, with the newest version; `<path>/v<ten digits>` is each version that is kept. Both
//! hold `{"version", "by", "op", "restored", "value"}`. Writers create and set them, always together in one multi; they
//! delete versions that are older than the newest `keep`. Nobody deletes the head.
//!
//! Versions count from 1, without gaps. A write whose reply was lost is looked up by its operation id in the version
//! it would have made, so that it lands once and its outcome is known; it goes on in the next session after an expiry.

mod changes;
mod entry;

use futures_util::future::join_all;
use uuid::Uuid;

pub use self::changes::Changes;
pub use self::entry::Version;

use self::entry::{Entry, name, number};
use super::noticed::Noticed;
use super::place::Place;
use crate::error::{Error, Result};
use crate::path::{child, parent};
use crate::session::{CreateKind, Grant, MAX_REQUEST, NotWritten, Session, Stat, Write};

/// How many versions too many one write deletes at most; the next goes on with the rest.
const TIDY: usize = 32;

/// Room for paths and headers beside the two copies of a version.
const OVERHEAD: usize = 4096;

/// The versioned value at one path. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Versioned {
    place: Place,
    keep: u64,
    /// The newest version at our last look, and who wrote it; `None` where there was none.
    seen: Noticed<Option<(u64, String)>>,
}

/// How many versions to keep.
///
/// # Errors
/// `Config` where none would be kept.
pub(crate) fn checked(path: &str, keep: u64) -> Result<u64> {
    if keep == 0 {
        return Err(Error::config(format!("config '{path}': keep=0: at least the newest version is kept; give 1")));
    }
    Ok(keep)
}

impl Versioned {
    /// `keep` versions are kept, the newest included.
    ///
    /// # Errors
    /// `InvalidPath`; `Config` where none would be kept.
    pub fn new(session: &Session, path: &str, keep: u64) -> Result<Self> {
        let keep = checked(path, keep)?;
        Ok(Self { place: Place::new(session, "config", path)?, keep, seen: Noticed::default() })
    }

    /// The path as the user wrote it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.place.name
    }

    /// The number of the newest version when this handle last looked, and who wrote it, without asking the network.
    #[must_use]
    pub fn last(&self) -> Option<Option<(u64, String)>> {
        self.seen.last()
    }

    /// The newest version; `None` where none was written.
    ///
    /// # Errors
    /// `Config` where the node holds something else; `ConnectionLost` where the ensemble stays away.
    pub async fn current(&self) -> Result<Option<Version>> {
        Ok(self.head().await?.map(|(version, _)| version))
    }

    /// Writes `value`, JSON text, as the next version, and returns its number. With `expect`, only where that is
    /// the newest version now; 0 expects that there is none. Without, it is repeated until nobody came in between.
    ///
    /// # Cancel safety
    /// The write lands or not.
    ///
    /// # Errors
    /// `BadVersion`, naming what was found; `PayloadTooLarge`; the guard's own where it is lost; `ConnectionLost`
    /// where the reply was lost and the ensemble stayed away: only then the outcome is unknown.
    pub async fn set(&self, value: &str, expect: Option<u64>, guards: &[&Grant]) -> Result<u64> {
        self.write(value, None, expect, guards).await
    }

    /// Writes the value of `version` again, as the next version.
    ///
    /// # Errors
    /// `NoNode` where that version is not kept; as [`Versioned::set`].
    pub async fn rollback(&self, version: u64, expect: Option<u64>, guards: &[&Grant]) -> Result<u64> {
        let old = self.version(version).await?;
        self.write(old.value(), Some(version), expect, guards).await
    }

    /// A version that is kept.
    ///
    /// # Errors
    /// `NoNode`, naming those that are; as [`Versioned::current`].
    pub async fn version(&self, version: u64) -> Result<Version> {
        match self.kept(version).await? {
            Some(found) => Ok(found),
            None => Err(self.not_kept(version).await),
        }
    }

    /// The versions that are kept, the oldest first.
    ///
    /// # Errors
    /// As [`Versioned::current`].
    pub async fn history(&self) -> Result<Vec<Version>> {
        let numbers = self.numbers().await?;
        // A version may be tidied away meanwhile.
        let found = join_all(numbers.into_iter().map(|version| self.kept(version))).await;
        found.into_iter().filter_map(Result::transpose).collect()
    }

    /// Every change from now on.
    ///
    /// # Errors
    /// As [`Versioned::current`].
    pub async fn changes(&self) -> Result<Changes> {
        let now = match self.place.session.get(self.name()).await {
            Ok((_, stat)) => Some((stat.czxid, stat.mzxid)),
            Err(Error::NoNode(_)) => None,
            Err(error) => return Err(error),
        };
        Ok(Changes::new(self.place.clone(), now))
    }

    async fn write(&self, value: &str, restored: Option<u64>, expect: Option<u64>, guards: &[&Grant]) -> Result<u64> {
        let Self { place: Place { session, name: head, .. }, keep, seen } = self;
        let op = Uuid::new_v4().simple().to_string();
        let by = &session.config().owner;
        let (mut last_kept, mut tidy) = (0, false);
        loop {
            let found = self.head().await?;
            let current = found.as_ref().map_or(0, |(version, _)| version.number);
            if expect.is_some_and(|expect| expect != current) {
                return Err(self.unexpected(expect.unwrap_or_default(), found.map(|(version, _)| version)));
            }
            let next = current.max(last_kept) + 1;
            let body = Entry { version: next, by, op: &op, restored, value }.text()?;
            if 2 * body.len() > MAX_REQUEST - OVERHEAD {
                return Err(self.too_large(value));
            }
            let kept = self.at(next);
            let head_write = match &found {
                Some((_, stat)) => Write::Set(head, body.as_bytes(), Some(stat.version)),
                None => Write::Create(head, body.as_bytes(), CreateKind::default()),
            };
            let mut writes = vec![head_write, Write::Create(&kept, body.as_bytes(), CreateKind::default())];
            let children = found.as_ref().map_or(0, |(_, stat)| u64::try_from(stat.num_children).unwrap_or(0));
            let oldest = next.saturating_sub(*keep);
            let outdated = self.at(oldest);
            if children >= *keep && oldest > 0 && !tidy {
                writes.push(Write::Delete(&outdated, None));
            }
            match session.multi(&writes, guards).await {
                Ok(_) => {
                    seen.note(Some((next, by.clone())));
                    if tidy || children > *keep {
                        self.tidy(oldest).await;
                    }
                    return Ok(next);
                }
                Err(NotWritten { index: Some(0), error: Error::NoNode(_) }) if found.is_none() => {
                    self.make_parents().await?;
                }
                // Somebody came in between.
                Err(NotWritten {
                    index: Some(0),
                    error: Error::BadVersion(_) | Error::NodeExists(_) | Error::NoNode(_),
                }) => {}
                // Left from before somebody put the head back by hand.
                Err(NotWritten { index: Some(1), error: Error::NodeExists(_) }) => {
                    last_kept = self.numbers().await?.last().copied().unwrap_or_default();
                }
                // Versions went missing, or another writer keeps fewer.
                Err(NotWritten { index: Some(2), error: Error::NoNode(_) }) => tidy = true,
                Err(NotWritten { error, .. }) if error.outcome_unknown() => {
                    if self.landed(next, &op).await.map_err(|why| self.unknown(next, &why))? {
                        return Ok(next);
                    }
                }
                Err(NotWritten { error, .. }) => return Err(error.reworded(|text| format!("config '{head}': {text}"))),
            }
        }
    }

    async fn head(&self) -> Result<Option<(Version, Stat)>> {
        let found = match self.place.session.get(self.name()).await {
            Ok((data, stat)) => Some((Version::parse(self.name(), &data, &stat)?, stat)),
            Err(Error::NoNode(_)) => None,
            Err(error) => return Err(error),
        };
        self.seen.note(found.as_ref().map(|(version, _)| (version.number, version.by.clone())));
        Ok(found)
    }

    async fn kept(&self, version: u64) -> Result<Option<Version>> {
        match self.place.session.get(&self.at(version)).await {
            Ok((data, stat)) => Ok(Some(Version::parse(self.name(), &data, &stat)?)),
            Err(Error::NoNode(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether a write whose reply was lost landed. If not, it never will: the head is at another version by then,
    /// or still where we set it from, and the repetition comes first or finds this one.
    async fn landed(&self, version: u64, op: &str) -> Result<bool> {
        self.place.session.sync(self.name()).await?;
        let Some((head, _)) = self.head().await?.filter(|(head, _)| head.number >= version) else { return Ok(false) };
        if head.number == version {
            return Ok(head.op == op);
        }
        match self.kept(version).await? {
            Some(found) => Ok(found.op == op),
            None => Err(Error::connection_lost("the reply was lost, and that version is not kept any more")),
        }
    }

    async fn numbers(&self) -> Result<Vec<u64>> {
        let mut numbers: Vec<u64> = match self.place.session.children(self.name()).await {
            Ok(names) => names.iter().filter_map(|name| number(name)).collect(),
            Err(Error::NoNode(_)) => Vec::new(),
            Err(error) => return Err(error),
        };
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Deletes versions up to `newest`. What is left behind the next write finds.
    async fn tidy(&self, newest: u64) {
        let numbers = self.numbers().await.unwrap_or_default();
        let outdated = numbers.into_iter().filter(|number| *number <= newest).take(TIDY);
        let paths: Vec<_> = outdated.map(|number| self.at(number)).collect();
        for deleted in join_all(paths.iter().map(|path| self.place.session.delete(path, None, false, &[]))).await {
            if let Err(why) = deleted {
                tracing::debug!(%why, "an old version of a config was not deleted");
            }
        }
    }

    async fn make_parents(&self) -> Result<()> {
        let absolute = &self.place.path;
        let above = self.place.session.relative(parent(absolute).unwrap_or("/")).to_owned();
        match self.place.session.create(&above, &[], CreateKind::default(), true, &[]).await {
            Ok(_) | Err(Error::NodeExists(_) | Error::ConnectionLost(_) | Error::SessionExpired(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn at(&self, version: u64) -> String {
        child(self.name(), &name(version))
    }

    fn unexpected(&self, expect: u64, found: Option<Version>) -> Error {
        let found = match found {
            Some(Version { number, by, .. }) => format!("version {number}, written by {by}"),
            None => "none".to_owned(),
        };
        Error::bad_version(format!(
            "config '{}': expected version {expect}, found {found}; read it again and decide",
            self.name()
        ))
    }

    async fn not_kept(&self, version: u64) -> Error {
        let numbers = self.numbers().await.unwrap_or_default();
        let there = match (numbers.first(), numbers.last()) {
            (Some(first), Some(last)) => format!("there are {first} to {last}"),
            _ => "there are none".to_owned(),
        };
        Error::no_node(format!("config '{}': version {version} is not kept; {there}", self.name()))
    }

    fn too_large(&self, value: &str) -> Error {
        Error::payload_too_large(format!(
            "config '{}': the value has {} bytes of JSON; a version is written to two nodes in one request, which carries \
             {MAX_REQUEST} in all; nothing was sent; keep large values in files and their addresses here",
            self.name(),
            value.len()
        ))
    }

    fn unknown(&self, version: u64, why: &Error) -> Error {
        why.reworded(|text| {
            format!("config '{}': it is unknown whether version {version} was written: {text}", self.name())
        })
    }
}
