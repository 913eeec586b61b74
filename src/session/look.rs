//! Reads that outlive a lost connection and a session: asking again changes nothing.

use std::future::Future;
use std::sync::Arc;

use super::incarnation::Incarnation;
use super::supervisor::Session;
use crate::error::{Error, Result};

impl Session {
    /// Reads with `read` until a server answers, in this session or the next.
    ///
    /// # Errors
    /// What `read` fails with; `ConnectionLost` where the ensemble stays away: no server answered until the session
    /// ended, and none for as long as [`Session::live`] waits for the next.
    pub async fn look<T, F: Future<Output = Result<T>>>(&self, read: impl Fn(Arc<Incarnation>) -> F) -> Result<T> {
        loop {
            let incarnation = self.live().await?;
            match read(incarnation.clone()).await {
                // Its end is seen by the next turn of the loop, which asks for the next session.
                Err(Error::ConnectionLost(_)) => drop(incarnation.connected().await),
                Err(Error::SessionExpired(_)) => {}
                read => return read,
            }
        }
    }
}
