//! A read/write lock: many readers or one writer, fair in order of arrival.
//!
//! Znodes: `<path>/_c_<guid>-__READ__<sequence>` and `…-__WRIT__<sequence>` in one directory, the names of
//! Curator's `InterProcessReadWriteLock`, which shares and excludes with us both ways. A writer is in when it
//! is first, a reader when no writer is before it: readers that arrive after a waiting writer wait for it.
//!
//! A holder of the write lock may take the read lock too. Its reader's node is not sequential but carries the
//! writer's number, so that it stands before every other when the writer goes; it is made in one step with a
//! check that the writer's node stands. Each is deleted by its own release.
//!
//! Guarantees: as [`Lock`], for each side.

use std::future::ready;
use std::sync::Arc;
use std::time::Instant;

use super::contenders::LineKind;
use super::holds::{Holds, Mode};
use super::lock::Lock;
use super::place::Place;
use super::turn::{self, READ_WRITE};
use crate::error::{Error, Result};
use crate::path::name;
use crate::session::{Grant, GrantKind, Incarnation, Session, Standing, Wanted, create_together};

const READ: LineKind = LineKind {
    marker: "__READ__",
    markers: READ_WRITE,
    grant: GrantKind::Lock,
    rule: turn::read_write,
    settled: false,
};
const WRITE: LineKind = LineKind { marker: "__WRIT__", ..READ };

/// A handle on the read/write lock at one path.
#[derive(Clone, Debug)]
pub struct ReadWriteLock {
    read: Lock,
    write: Lock,
}

impl ReadWriteLock {
    /// A handle on the lock at `path`; `owner` is what the others see, the session's owner by default.
    ///
    /// # Errors
    /// `InvalidPath`; the root is none either, because a lock needs a node of its own.
    pub fn new(session: &Session, path: &str, owner: Option<String>) -> Result<Self> {
        let place = Place::new(session, "read/write lock", path)?;
        let holds = Holds::new(session, vec![path.to_owned()], owner);
        Ok(Self {
            read: Lock::side(place.clone(), Mode::Read, READ, holds.clone()),
            write: Lock::side(place, Mode::Write, WRITE, holds),
        })
    }

    /// The side that readers share.
    #[must_use]
    pub fn read(&self) -> &Lock {
        &self.read
    }

    /// The side that excludes everybody.
    #[must_use]
    pub fn write(&self) -> &Lock {
        &self.write
    }
}

/// The read lock for who holds the write lock by `writer`; `None` where that stands no more.
///
/// # Cancel safety
/// Leaves no node.
pub(super) async fn beside(
    incarnation: &Arc<Incarnation>,
    place: &Place,
    owner: &str,
    writer: &Grant,
    asked: Instant,
) -> Result<Option<Arc<Grant>>> {
    // What another session holds is gone, or soon is.
    let Some(path) = writer.paths().first().filter(|_| writer.session_id() == incarnation.session_id()) else {
        return Ok(None);
    };
    let number = turn::companion(name(path)).ok_or_else(|| {
        Error::would_deadlock(format!(
            "read lock '{}': the path has used up its sequence numbers, so a writer cannot become a reader; \
             release the write lock first, and remove the path when nobody holds it",
            place.name
        ))
    })?;
    let wanted = Wanted {
        parents: std::slice::from_ref(&place.path),
        each: 1,
        marker: READ.marker,
        number: Some(number),
        data: owner.as_bytes(),
        beside: Some(path),
    };
    let made = match create_together(incarnation, wanted, || ready(())).await {
        // The writer's node is gone, so the next may be in already: line up as everybody does.
        Err(Error::SessionExpired(_)) => return Ok(None),
        made => made?.0,
    };
    incarnation.proven().await?;
    made.attempt.keep();
    let standing = Standing {
        kind: READ.grant,
        resource: place.name.clone(),
        paths: made.paths,
        mark: None,
        token: made.czxid,
        epoch: made.epoch,
        asked,
    };
    let grant = Grant::new(incarnation, standing);
    grant.made_with(owner.as_bytes());
    grant.check().map_err(|why| Error::session_expired(why.to_string()))?;
    Ok(Some(grant))
}
