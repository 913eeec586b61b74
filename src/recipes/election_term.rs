//! A term: the time that one candidate leads, what it saves, and what the last one saved.
//!
//! Znodes: `<path>.checkpoint`, beside the election's own node so that it survives that node's deletion;
//! persistent, made by the first leader that saves something, overwritten by those after it, deleted by
//! nobody. Every write checks in the same step that the writer's term still stands.

use std::sync::{Arc, Mutex, PoisonError};

use super::ballot::Tally;
use super::candidates::hall;
use super::place::Place;
use crate::error::{Error, Result};
use crate::retry::delays;
use crate::session::{CreateKind, Created, Grant, NotWritten, Release, Session, Write};

/// A leadership. Dropping it does not step down: it stands until then, or until it is lost.
#[derive(Debug)]
pub struct Term {
    place: Place,
    id: String,
    grant: Arc<Grant>,
    /// Our node among the candidates, where the election is by ballot.
    stands: Mutex<Option<Created>>,
}

impl Term {
    pub(super) fn new(place: &Place, id: &str, grant: Arc<Grant>, stands: Option<Created>) -> Self {
        // It may last for days: an operator who deletes its node should not have to wait for the next beat.
        grant.follow();
        Self { place: place.clone(), id: id.to_owned(), grant, stands: Mutex::new(stands) }
    }

    /// What stands behind it: token, state, validity, loss.
    #[must_use]
    pub fn grant(&self) -> &Arc<Grant> {
        &self.grant
    }

    /// The election's path as the user wrote it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.place.name
    }

    /// Who leads.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Ends the term; of a lost one it is a no-op.
    ///
    /// # Cancel safety
    /// The deletion is queued here and seen through in the background; awaiting it is optional.
    pub fn step_down(&self) -> Release {
        let release = self.grant.release();
        drop(self.stands.lock().unwrap_or_else(PoisonError::into_inner).take());
        release
    }

    /// Saves `state` for the next leader, only while this term stands. After a lost connection it is written
    /// again until the outcome is known.
    ///
    /// # Errors
    /// `TermLost`, where the last write may have landed or not: the next leader's `restore` tells.
    /// `PayloadTooLarge`, before anything is sent.
    pub async fn checkpoint(&self, state: &[u8]) -> Result<()> {
        self.write(&checkpoint(&self.place), state).await
    }

    /// What was saved last, by this leader or one before it.
    ///
    /// # Errors
    /// `ConnectionLost` where the ensemble stays away.
    pub async fn restore(&self) -> Result<Option<Vec<u8>>> {
        // Nothing is behind what we see: the server that showed us at the front of the line had seen the last
        // leader go, and its writes before that.
        read(&self.place.session, &checkpoint(&self.place)).await
    }

    /// Puts the outcome of the vote that began this term where everybody can read it.
    pub(super) async fn publish(&self, tally: &Tally) -> Result<()> {
        let data = serde_json::to_vec(tally).map_err(|error| Error::server(format!("a tally: {error}")))?;
        self.write(self.place.session.relative(&hall(&self.place.path)), &data).await
    }

    async fn write(&self, path: &str, data: &[u8]) -> Result<()> {
        let (session, guards) = (&self.place.session, &[&*self.grant]);
        for delay in delays() {
            let mut written = session.multi(&[Write::Set(path, data, None)], guards).await.map(drop);
            if let Err(NotWritten { index: Some(0), error: Error::NoNode(_) }) = written {
                let created = session.create(path, data, CreateKind::default(), true, guards).await;
                written = created.map(drop).map_err(|error| NotWritten { index: None, error });
            }
            match written.map_err(Error::from) {
                // Made by an earlier try whose reply was lost, perhaps: then it is ours to overwrite.
                Err(Error::ConnectionLost(_) | Error::NodeExists(_)) => {}
                // The session's end is the term's.
                Err(error) if error.session_ended() => return Err(self.grant.loss()),
                written => return written,
            }
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                _ = self.grant.lost() => {}
            }
        }
        Err(self.grant.loss())
    }
}

/// Where an election's checkpoint is, in the session's namespace.
fn checkpoint(place: &Place) -> String {
    format!("{}.checkpoint", place.session.relative(&place.path))
}

/// A node's data, where there is such a node.
pub(super) async fn read(session: &Session, path: &str) -> Result<Option<Vec<u8>>> {
    match session.get(path).await {
        Ok((data, _)) => Ok(Some(data)),
        Err(Error::NoNode(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
