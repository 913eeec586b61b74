//! A leaf: an ephemeral node of ours under a name of our choosing, which goes when we let go of it.

use std::sync::Arc;

use zookeeper_client as zk;

use super::delete::delete_in_background;
use super::incarnation::Incarnation;
use super::limits::check_size;
use crate::error::{Error, Result};

/// A node that stands as long as this is kept, and as its session lives.
///
/// # Cancel safety
/// Dropping it, at any moment, deletes the node; a deletion is seen through in the background.
#[derive(Debug)]
pub struct Leaf {
    incarnation: Arc<Incarnation>,
    path: String,
    /// Whether the node may be there: not where the server refused to make it.
    sent: bool,
}

impl Leaf {
    /// Makes the node at the absolute `path`, a name that nobody else uses, so that one found there is ours.
    ///
    /// # Cancel safety
    /// Leaves no node.
    ///
    /// # Errors
    /// `NoNode` of the parent; `SessionExpired`, `NotAuthorized`, `PayloadTooLarge` and the like.
    pub async fn create(incarnation: &Arc<Incarnation>, path: String, data: &[u8]) -> Result<Self> {
        check_size("create", &path, data.len())?;
        let client = incarnation.client()?;
        let options = zk::CreateMode::Ephemeral.with_acls(incarnation.acls());
        let mut leaf = Self { incarnation: incarnation.clone(), path, sent: true };
        let mut doubt = false;
        loop {
            match incarnation.request("create", &leaf.path, client.create(&leaf.path, data, &options)).await {
                // Found there, it is what the lost reply was about.
                Ok(_) | Err(Error::NodeExists(_)) => return Ok(leaf),
                Err(Error::ConnectionLost(_)) => {
                    doubt = true;
                    incarnation.connected().await?;
                }
                Err(error) => {
                    // Without a refusal of all that was sent, one of them may have made it.
                    leaf.sent = doubt || error.outcome_unknown();
                    return Err(error);
                }
            }
        }
    }
}

impl Drop for Leaf {
    fn drop(&mut self) {
        if self.sent {
            drop(delete_in_background(&self.incarnation, std::mem::take(&mut self.path)));
        }
    }
}
