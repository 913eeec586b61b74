//! Writes that land together or not at all, while every guard stands.
//!
//! One `multi`: a check of each node of each guard, then the writes. It is not repeated: where the reply was lost the
//! caller gets `ConnectionLost`, which says that it may have landed, and decides.

use zookeeper_client as zk;

use super::create_kind::CreateKind;
use super::grant::Grant;
use super::incarnation::Incarnation;
use super::limits::check_size;
use super::supervisor::Session;
use crate::config::Access;
use crate::error::{Error, Result};

/// One step of a multi. Paths are in the session's namespace.
#[derive(Clone, Debug)]
pub enum Write<'a> {
    /// Create a node; its parent must exist.
    Create(&'a str, &'a [u8], CreateKind),
    /// As `Create`, with rights of its own.
    CreateWith(&'a str, &'a [u8], CreateKind, &'a Access),
    /// Set a node's data, at a version where one is given.
    Set(&'a str, &'a [u8], Option<i32>),
    /// Delete a node, at a version where one is given.
    Delete(&'a str, Option<i32>),
    /// Only check that the node exists, at a version where one is given.
    Check(&'a str, Option<i32>),
}

/// Why a multi did not land. Nothing of it did.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{error}")]
pub struct NotWritten {
    /// Which of the writes the server refused, where it was one of them.
    pub index: Option<usize>,
    /// What it said.
    pub error: Error,
}

impl From<NotWritten> for Error {
    fn from(refused: NotWritten) -> Self {
        refused.error
    }
}

impl Session {
    /// Lands all writes or none, in one request, and only while every guard's node stands.
    ///
    /// # Errors
    /// The first refusal with its index; the guard's own error (`LockLost`) where a guard is lost;
    /// `PayloadTooLarge` before anything is sent; `ConnectionLost` where it is unknown whether it landed.
    pub async fn multi(
        &self,
        writes: &[Write<'_>],
        guards: &[&Grant],
    ) -> Result<Vec<zk::MultiWriteResult>, NotWritten> {
        let whole = |error| NotWritten { index: None, error };
        for guard in guards {
            guard.check().map_err(|_| whole(guard.fenced()))?;
        }
        let paths =
            writes.iter().map(|write| self.absolute(write.path())).collect::<Result<Vec<_>>>().map_err(whole)?;
        let (first, attempt) = match (paths.first(), writes) {
            (Some(path), [write]) => (path.as_str(), write.attempt()),
            (Some(path), _) => (path.as_str(), "write together at"),
            (None, _) => return Ok(Vec::new()),
        };
        let bytes = match writes {
            // The message tells the caller the size of the value it gave.
            [write] => write.bytes(),
            _ => writes.iter().zip(&paths).map(|(write, path)| write.bytes() + path.len() + 64).sum(),
        };
        check_size(attempt, first, bytes).map_err(whole)?;
        let (incarnation, client) = self.live_client().await.map_err(whole)?;
        let mut multi = client.new_multi_writer();
        let filled = fill(&mut multi, &incarnation, writes, &paths, guards);
        filled.map_err(|error| whole(Error::from_client(&error, attempt, first)))?;
        // One check for each node of each guard, in this order.
        let checks: Vec<&Grant> = guards.iter().flat_map(|guard| guard.paths().iter().map(|_| *guard)).collect();
        let landed = async { Ok::<_, zk::Error>(multi.commit().await) };
        let landed = incarnation.request(attempt, first, landed).await.map_err(whole)?;
        match landed {
            Ok(results) => Ok(results.into_iter().skip(checks.len()).collect()),
            Err(zk::MultiWriteError::RequestFailed { source }) => {
                Err(whole(Error::from_client(&source, attempt, first)))
            }
            Err(zk::MultiWriteError::OperationFailed { index, source }) => {
                if let Some(guard) = checks.get(index) {
                    return Err(whole(guard.fenced()));
                }
                let index = index - checks.len();
                let attempt = writes.get(index).map_or(attempt, Write::attempt);
                let path = paths.get(index).map_or(first, String::as_str);
                Err(NotWritten { index: Some(index), error: Error::from_client(&source, attempt, path) })
            }
        }
    }
}

impl Write<'_> {
    fn path(&self) -> &str {
        match self {
            Self::Create(path, ..)
            | Self::CreateWith(path, ..)
            | Self::Set(path, ..)
            | Self::Delete(path, _)
            | Self::Check(path, _) => path,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Create(_, data, _) | Self::CreateWith(_, data, ..) | Self::Set(_, data, _) => data.len(),
            Self::Delete(..) | Self::Check(..) => 0,
        }
    }

    fn attempt(&self) -> &'static str {
        match self {
            Self::Create(..) | Self::CreateWith(..) => "create",
            Self::Set(..) => "set",
            Self::Delete(..) => "delete",
            Self::Check(..) => "check",
        }
    }
}

fn fill(
    multi: &mut zk::MultiWriter<'_>,
    incarnation: &Incarnation,
    writes: &[Write<'_>],
    paths: &[String],
    guards: &[&Grant],
) -> Result<(), zk::Error> {
    for path in guards.iter().flat_map(|guard| guard.paths()) {
        multi.add_check_version(path, -1)?;
    }
    for (write, path) in writes.iter().zip(paths) {
        match write {
            Write::Create(_, data, kind) => multi.add_create(path, data, &kind.options(incarnation.acls()))?,
            Write::CreateWith(_, data, kind, access) => {
                multi.add_create(path, data, &kind.options(zk::Acls::new(&access.acls())))?;
            }
            Write::Set(_, data, version) => multi.add_set_data(path, data, *version)?,
            Write::Delete(_, version) => multi.add_delete(path, *version)?,
            Write::Check(_, version) => multi.add_check_version(path, version.unwrap_or(-1))?,
        }
    }
    Ok(())
}
