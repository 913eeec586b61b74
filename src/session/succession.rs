//! The incarnations of a session one after the other, for tasks that must not keep the session open.
//!
//! A task that holds a [`Session`] keeps it connected for ever. One that holds this gets `Closed` when the last
//! handle is dropped.

use std::sync::Arc;

use tokio::sync::watch;

use super::incarnation::Incarnation;
use super::supervisor::Phase;
use crate::error::{Error, Result};

/// Follows a session without keeping it open.
#[derive(Clone, Debug)]
pub struct Succession(pub(super) watch::Receiver<Phase>);

impl Succession {
    /// The live incarnation, however long it takes to come up.
    ///
    /// # Errors
    /// `Closed`, `AuthFailed`: there will be none.
    pub async fn next_live(&mut self) -> Result<Arc<Incarnation>> {
        let usable = |phase: &Phase| match phase {
            Phase::Live(incarnation) => incarnation.link.borrow().ended.is_none(),
            Phase::Opening => false,
            Phase::Over(_) => true,
        };
        match self.0.wait_for(usable).await.as_deref() {
            Ok(Phase::Live(incarnation)) => Ok(incarnation.clone()),
            Ok(Phase::Over(why)) => Err(why.clone()),
            Ok(Phase::Opening) | Err(_) => Err(Error::closed("the coordinator is closed; connect again")),
        }
    }
}
