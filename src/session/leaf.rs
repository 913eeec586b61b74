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
    /// Makes the node at the absolute `path`, a name that nobody else uses, so that one found there is ours: of this
    /// session, or of one before it that the server has not yet given up.
    ///
    /// # Cancel safety
    /// Leaves no node.
    ///
    /// # Errors
    /// `NoNode` of the parent; `SessionExpired`, `NotAuthorized`, `PayloadTooLarge` and the like.
    pub async fn create(incarnation: &Arc<Incarnation>, path: String, data: &[u8]) -> Result<Self> {
        check_size("create", &path, data.len())?;
        let mut leaf = Self { incarnation: incarnation.clone(), path, sent: true };
        leaf.make(data).await?;
        Ok(leaf)
    }

    /// Makes the node again, where somebody deleted it.
    ///
    /// # Cancel safety, errors
    /// As [`Leaf::create`].
    pub async fn make(&mut self, data: &[u8]) -> Result<()> {
        let Self { incarnation, path, sent } = self;
        let client = incarnation.client()?;
        let options = zk::CreateMode::Ephemeral.with_acls(incarnation.acls());
        let mut doubt = std::mem::replace(sent, true);
        loop {
            let made = match incarnation.request("create", path, client.create(path, data, &options)).await {
                Err(Error::NodeExists(_)) => Self::adopt(incarnation, &client, path).await,
                made => made.map(|_| true),
            };
            match made {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(Error::ConnectionLost(_)) => {
                    doubt = true;
                    incarnation.connected().await?;
                }
                Err(error) => {
                    // Without a refusal of all that was sent, one of them may have made it.
                    *sent = doubt || error.outcome_unknown();
                    return Err(error);
                }
            }
        }
    }

    /// True where the node that was found is of our session: it is what a lost reply was about. One of a session of ours
    /// before would go with that, so it is removed.
    async fn adopt(incarnation: &Incarnation, client: &zk::Client, path: &str) -> Result<bool> {
        match incarnation.request("stat", path, client.check_stat(path)).await? {
            None => return Ok(false),
            Some(stat) if stat.ephemeral_owner == incarnation.session_id() => return Ok(true),
            Some(_) => {}
        }
        match incarnation.request("delete", path, client.delete(path, None)).await {
            Ok(()) | Err(Error::NoNode(_)) => Ok(false),
            Err(error) => Err(error),
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
