//! Keeps `tx/alive` there across sessions: a write may outlive the session it began in.

use std::time::Duration;

use tokio::task::JoinHandle;

use crate::error::Error;
use crate::session::{CreateKind, NotWritten, Session, Write};

/// How soon after an expiry the node is there again.
const INTERVAL: Duration = Duration::from_millis(500);

const EPHEMERAL: CreateKind = CreateKind::EPHEMERAL;

/// Ends with its owner.
#[derive(Debug)]
pub(super) struct Keeper(JoinHandle<()>);

impl Keeper {
    /// Starts; `path` exists by now, in session `owner`.
    pub(super) fn start(session: Session, path: String, owner: i64) -> Self {
        Self(tokio::spawn(keep(session, path, owner)))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn keep(session: Session, path: String, mut owner: i64) {
    loop {
        tokio::time::sleep(INTERVAL).await;
        let now = session.session_id();
        if now == 0 || now == owner {
            continue;
        }
        let create = Write::Create(&path, b"", EPHEMERAL);
        let created = match session.multi(std::slice::from_ref(&create), &[]).await {
            // The old session's node, if the server has not yet noticed that it ended.
            Err(NotWritten { error: Error::NodeExists(_), .. }) => {
                session.multi(&[Write::Delete(&path, None), create], &[]).await
            }
            created => created,
        };
        match created {
            Ok(_) => owner = now,
            // Its transaction is gone; the writer will find out when it commits.
            Err(NotWritten { error: Error::NoNode(_) | Error::Closed(_), .. }) => return,
            Err(refused) => tracing::warn!(path, error = %refused, "cannot say that the write is alive; trying again"),
        }
    }
}
