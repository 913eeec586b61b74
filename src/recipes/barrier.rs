//! A barrier: while it is closed, everybody who waits at it waits.
//!
//! Znodes: the node at `<path>` is the closed barrier; `close` makes it (persistent, its data says who
//! closed it), `open` deletes it. A node with other data is none of ours: it is neither waited at nor deleted. As Curator's `DistributedBarrier`, it belongs to nobody: it stays closed when who
//! closed it dies.
//!
//! After a lost connection or an expiry a wait goes on: the server tells what happened meanwhile.

use std::sync::Arc;
use std::time::Duration;

use zookeeper_client as zk;

use super::noticed::Noticed;
use super::patience::Patience;
use super::place::Place;
use crate::error::{Error, Result};
use crate::path::parent;
use crate::retry::Deadline;
use crate::session::{Incarnation, Session, make_parents};

/// How long a timed-out wait may still ask who closed it.
const WHO_CLOSED: Duration = Duration::from_millis(50);

/// How the data of our node begins; the owner follows.
const CLOSED_BY: &str = "barrier closed by ";

/// A handle on the barrier at one path.
#[derive(Clone, Debug)]
pub struct Barrier {
    place: Place,
    /// Who had closed it at our last look; `None` where it was open.
    seen: Noticed<Option<String>>,
}

impl Barrier {
    /// A handle on the barrier at `path`.
    ///
    /// # Errors
    /// `InvalidPath`; the root is none either.
    pub fn new(session: &Session, path: &str) -> Result<Self> {
        Ok(Self { place: Place::new(session, "barrier", path)?, seen: Noticed::default() })
    }

    /// Who had closed it when this handle last looked, `Some(None)` where it was open; without asking the network.
    #[must_use]
    pub fn last(&self) -> Option<Option<String>> {
        self.seen.last()
    }

    /// Closes it. True where it was open; closing a closed barrier changes nothing.
    ///
    /// # Cancel safety
    /// What was sent takes effect all the same.
    ///
    /// # Errors
    /// `ConnectionLost` where the ensemble stays away; `NotAuthorized`; `Config` where the node is no barrier of ours.
    pub async fn close(&self) -> Result<bool> {
        let Place { path, session, .. } = &self.place;
        let mut doubt = false;
        loop {
            let incarnation = session.live().await?;
            let client = incarnation.client()?;
            let data = format!("{CLOSED_BY}{}", session.config().owner);
            let options = zk::CreateMode::Persistent.with_acls(incarnation.acls());
            let create = client.create(path, data.as_bytes(), &options);
            match incarnation.request("close", path, create).await {
                Ok(_) => {
                    self.seen.note(Some(session.config().owner.clone()));
                    return Ok(true);
                }
                // After a lost reply it may be ours: closed it is.
                Err(Error::NodeExists(_)) => {
                    self.closed().await?;
                    return Ok(doubt);
                }
                Err(Error::NoNode(_)) => {
                    let above = parent(path).unwrap_or("/");
                    make_parents(&incarnation, &client, above, zk::CreateMode::Container).await?;
                }
                Err(error) => doubt |= wait_out(&incarnation, error).await?,
            }
        }
    }

    /// Opens it: who waits goes on. True where it was closed; opening an open barrier changes nothing.
    ///
    /// # Cancel safety
    /// What was sent takes effect all the same.
    ///
    /// # Errors
    /// `ConnectionLost` where the ensemble stays away; `NotAuthorized`; `Config` where the node is no barrier of ours.
    pub async fn open(&self) -> Result<bool> {
        let Place { path, session, .. } = &self.place;
        // Which closing we open: a retry after a lost reply must not open the next.
        let Some(closed) = self.closed().await? else { return Ok(false) };
        loop {
            let incarnation = session.live().await?;
            let client = incarnation.client()?;
            match incarnation.request("open", path, client.delete(path, None)).await {
                Ok(()) | Err(Error::NoNode(_)) => {
                    self.seen.note(None);
                    return Ok(true);
                }
                Err(error) => {
                    wait_out(&incarnation, error).await?;
                    session.sync(&self.place.name).await?;
                    let now = session.exists(&self.place.name).await?;
                    if now.is_none_or(|now| now.czxid != closed.1.czxid) {
                        return Ok(true);
                    }
                }
            }
        }
    }

    /// Whether nobody has to wait at it now.
    ///
    /// # Errors
    /// `ConnectionLost` where the ensemble stays away; `Config` where the node is no barrier of ours.
    pub async fn is_open(&self) -> Result<bool> {
        Ok(self.closed().await?.is_none())
    }

    /// Returns once it is open.
    ///
    /// `timeout` is the total over everything, reconnects included: zero looks once, `None` waits for ever.
    ///
    /// # Cancel safety
    /// Leaves no watch.
    ///
    /// # Errors
    /// `AcquireTimeout`, naming who closed it; `Closed`, `AuthFailed`, `NotAuthorized`; `Config` where the node is no barrier of ours.
    pub async fn wait(&self, timeout: Option<Duration>) -> Result<()> {
        if timeout.is_some_and(|timeout| timeout.is_zero()) {
            return if self.is_open().await? { Ok(()) } else { Err(self.timed_out(timeout, None).await) };
        }
        let mut seen = None;
        match Deadline::after(timeout).bound(self.opened(&mut seen)).await {
            Some(opened) => opened,
            None => Err(self.timed_out(timeout, seen).await),
        }
    }

    /// Returns once it is open; meanwhile `seen` holds who closed it, as of the last look.
    async fn opened(&self, seen: &mut Option<String>) -> Result<()> {
        let Place { name, path, .. } = &self.place;
        let mut patience = Patience::new();
        loop {
            let incarnation = self.place.session.next_live().await?;
            let client = incarnation.client()?;
            // Reading the data, not its existence: on a node that is gone this leaves no watch behind.
            match incarnation.request("watch", path, client.get_and_watch_data(path)).await {
                Ok((data, _, watcher)) => {
                    let owner = self.closer(&data)?;
                    self.seen.note(Some(owner.clone()));
                    patience.say(|| format!("waiting at '{name}': {owner} closed it"));
                    *seen = Some(owner);
                    tokio::select! {
                        _ = watcher.changed() => {}
                        _ = incarnation.ended() => {}
                        () = patience.long() => {}
                    }
                }
                Err(Error::NoNode(_)) => {
                    self.seen.note(None);
                    return Ok(());
                }
                Err(error) => drop(wait_out(&incarnation, error).await?),
            }
        }
    }

    /// Who closed it, and the node's stat; `None` where it is open.
    async fn closed(&self) -> Result<Option<(String, zk::Stat)>> {
        let found = match self.place.session.get(&self.place.name).await {
            Ok((data, stat)) => Some((self.closer(&data)?, stat)),
            Err(Error::NoNode(_)) => None,
            Err(error) => return Err(error),
        };
        self.seen.note(found.as_ref().map(|(owner, _)| owner.clone()));
        Ok(found)
    }

    /// Who closed it, as our node's data says.
    ///
    /// # Errors
    /// `Config` where it is no node of ours. The data may be a secret: it is not shown.
    fn closer(&self, data: &[u8]) -> Result<String> {
        match data.strip_prefix(CLOSED_BY.as_bytes()) {
            Some(owner) => Ok(String::from_utf8_lossy(owner).into_owned()),
            None => Err(Error::config(format!(
                "barrier '{}': the node holds {} bytes, which no barrier of ours wrote; use another path, or delete \
                 the node",
                self.place.name,
                data.len()
            ))),
        }
    }

    async fn timed_out(&self, timeout: Option<Duration>, seen: Option<String>) -> Error {
        let after = timeout.unwrap_or_default();
        let Place { name, session, .. } = &self.place;
        let found = match tokio::time::timeout(WHO_CLOSED, self.closed()).await {
            Ok(Ok(Some((owner, stat)))) => format!("closed by {owner} (token {})", stat.czxid),
            Ok(Err(error @ Error::Config(_))) => return error,
            Ok(Ok(None)) => "open by now".to_owned(),
            _ => match seen {
                Some(owner) => format!("closed by {owner}, when a server last said so"),
                None => format!("no server said who closed it (session {})", session.state().name()),
            },
        };
        Error::acquire_timeout(format!("barrier '{name}': not open within {after:?}: {found}; open it, or wait longer"))
    }
}

/// Waits out what a request on the next connection, or of the next session, may mend.
///
/// # Errors
/// Everything else, as it is.
async fn wait_out(incarnation: &Arc<Incarnation>, error: Error) -> Result<bool> {
    match error {
        Error::ConnectionLost(_) => {
            // Its end is seen by who asks for the next session.
            let _ = incarnation.connected().await;
            Ok(true)
        }
        Error::SessionExpired(_) => Ok(true),
        error => Err(error),
    }
}
