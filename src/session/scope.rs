//! The span in which branches of a session live: a task. With its end all of them are closed.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::supervisor::CLOSE_TIMEOUT;
use crate::error::{Error, Result};

/// How long the end waits for branches: longer than each takes at most.
const PATIENCE: Duration = CLOSE_TIMEOUT.saturating_add(Duration::from_secs(1));

/// Branches that end together. Clones are one scope.
#[derive(Clone, Debug, Default)]
pub struct Scope(Arc<watch::Sender<bool>>);

impl Scope {
    /// Closes every branch, and resolves when what they held is given back, or after a few seconds.
    ///
    /// # Cancel safety
    /// The branches close all the same.
    pub async fn end(&self) {
        self.0.send_replace(true);
        let _ = tokio::time::timeout(PATIENCE, self.0.closed()).await;
    }

    /// Another branch; kept while it is open.
    ///
    /// # Errors
    /// `Closed` where the scope has ended.
    pub(super) fn enter(&self) -> Result<Inside> {
        let inside = Inside(self.0.subscribe());
        if *inside.0.borrow() { Err(ended()) } else { Ok(inside) }
    }
}

/// A branch's stay in its scope.
#[derive(Debug)]
pub(super) struct Inside(watch::Receiver<bool>);

impl Inside {
    /// Resolves with the reason when the scope has ended.
    pub(super) async fn ended(&mut self) -> Error {
        if self.0.wait_for(|ended| *ended).await.is_err() {
            // Nobody is left who could end it.
            std::future::pending::<()>().await;
        }
        ended()
    }
}

fn ended() -> Error {
    Error::closed("the task that this coordinator was opened in has ended; connect again in the task that runs now")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn its_end_waits_for_those_inside_and_lets_nobody_in() {
        let scope = Scope::default();
        let mut inside = scope.enter().expect("open");
        let ending = tokio::spawn({
            let scope = scope.clone();
            async move { scope.end().await }
        });
        assert!(matches!(inside.ended().await, Error::Closed(_)));
        assert!(!ending.is_finished());
        assert!(matches!(scope.enter(), Err(Error::Closed(_))));
        drop(inside);
        ending.await.expect("no panic");
    }
}
