//! The task behind a [`membership`](super::membership): it makes the node, follows it, writes it and removes it.

use std::convert::Infallible;
use std::sync::Arc;

use tokio::sync::watch;
use zookeeper_client as zk;

use super::watching;
use crate::error::{Error, Result};
use crate::retry::delays;
use crate::session::{Incarnation, Name, Stat, Succession, make_parents, withdraw};

/// What the user wants.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) data: Arc<[u8]>,
    pub(super) edition: u64,
    pub(super) withdrawn: bool,
}

/// What the server was last known to have.
#[derive(Clone, Debug)]
pub(super) enum Fact {
    Absent,
    /// Another session has the name.
    Taken(Stat),
    Refused(Error),
    Present {
        incarnation: Arc<Incarnation>,
        stat: Stat,
        /// Which edition of the data it has, if that is known.
        edition: Option<u64>,
    },
    /// Withdrawn, and the node is gone.
    Gone,
    /// No session will come.
    Over(Error),
}

/// The task behind a membership.
pub(super) struct Upkeep {
    pub(super) succession: Succession,
    /// The directory, where it is made with the node.
    pub(super) make: Option<String>,
    pub(super) path: String,
    pub(super) wanted: watch::Receiver<Wanted>,
    pub(super) fact: watch::Sender<Fact>,
}

enum Placed {
    /// With the edition of its data, where that is known.
    Ours(Stat, Option<u64>),
    Taken(Stat),
}

impl Upkeep {
    /// Lives until the membership is withdrawn and its node gone, or no session will come.
    pub(super) async fn run(mut self, name: Arc<Name>) {
        let mut leaving = self.wanted.clone();
        let mut pauses = delays();
        loop {
            let live = tokio::select! {
                biased;
                () = withdrawn(&mut leaving) => break,
                live = self.succession.next_live() => live,
            };
            let incarnation = match live {
                Ok(incarnation) => incarnation,
                Err(why) => return drop(self.fact.send_replace(Fact::Over(why))),
            };
            let why = tokio::select! {
                biased;
                () = withdrawn(&mut leaving) => {
                    withdraw(&incarnation, &self.path).await;
                    break;
                }
                Err(why) = self.stay(&incarnation) => why,
            };
            if why.is_terminated() {
                // The server's session may go on without us.
                withdraw(&incarnation, &self.path).await;
            }
            if why.session_ended() || why.is_terminated() {
                self.fact.send_replace(Fact::Absent);
                pauses = delays();
                continue;
            }
            tracing::warn!(path = self.path, %why, "cannot be a member now; trying again");
            self.fact.send_replace(Fact::Refused(why));
            let pause = pauses.next().unwrap_or_default();
            // The withdrawal is looked for at the head of the loop.
            let _ = tokio::time::timeout(pause, withdrawn(&mut leaving)).await;
        }
        drop(name);
        self.fact.send_replace(Fact::Gone);
    }

    /// Keeps the node in place for as long as the incarnation lasts.
    async fn stay(&mut self, incarnation: &Arc<Incarnation>) -> Result<Infallible> {
        let client = incarnation.client()?;
        loop {
            match self.place(incarnation, &client).await? {
                Placed::Ours(stat, edition) => {
                    self.keep(incarnation, &client, stat, edition).await?;
                    tracing::warn!(path = self.path, "our node was deleted by somebody else; making it again");
                    self.fact.send_replace(Fact::Absent);
                }
                Placed::Taken(stat) => {
                    self.fact.send_replace(Fact::Taken(stat));
                    watching::gone(incarnation, &client, &self.path, stat.czxid).await?;
                }
            }
        }
    }

    async fn place(&mut self, incarnation: &Incarnation, client: &zk::Client) -> Result<Placed> {
        let options = zk::CreateMode::Ephemeral.with_acls(incarnation.acls());
        loop {
            let wanted = self.wanted.borrow().clone();
            let create = client.create(&self.path, &wanted.data, &options);
            match incarnation.request("create", &self.path, create).await {
                Ok((stat, _)) => return Ok(Placed::Ours(stat, Some(wanted.edition))),
                Err(why @ Error::NoNode(_)) => {
                    let directory = self.make.as_ref().ok_or(why)?;
                    make_parents(incarnation, client, directory, zk::CreateMode::Container).await?;
                }
                Err(Error::NodeExists(_) | Error::ConnectionLost(_)) => {
                    match watching::look(incarnation, client, &self.path).await? {
                        Some(stat) if stat.ephemeral_owner == incarnation.session_id() => {
                            return Ok(Placed::Ours(stat, None));
                        }
                        Some(stat) => return Ok(Placed::Taken(stat)),
                        None => {}
                    }
                }
                Err(why) => return Err(why),
            }
        }
    }

    /// Writes what is wanted until the node is not ours any more.
    async fn keep(
        &mut self,
        incarnation: &Arc<Incarnation>,
        client: &zk::Client,
        mut stat: Stat,
        mut edition: Option<u64>,
    ) -> Result<()> {
        let path = self.path.clone();
        let gone = watching::gone(incarnation, client, &path, stat.czxid);
        tokio::pin!(gone);
        loop {
            let wanted = self.wanted.borrow_and_update().clone();
            if edition != Some(wanted.edition) {
                match write(incarnation, client, &path, &wanted.data, stat).await? {
                    Some(written) => (stat, edition) = (written, Some(wanted.edition)),
                    None => return Ok(()),
                }
            }
            self.fact.send_replace(Fact::Present { incarnation: incarnation.clone(), stat, edition });
            tokio::select! {
                biased;
                gone = &mut gone => return gone,
                () = changed(&mut self.wanted) => {}
            }
        }
    }
}

/// Writes the node that `stat` is of; `None` where it is gone.
async fn write(
    incarnation: &Incarnation,
    client: &zk::Client,
    path: &str,
    data: &[u8],
    mut stat: Stat,
) -> Result<Option<Stat>> {
    loop {
        match incarnation.request("set", path, client.set_data(path, data, Some(stat.version))).await {
            Ok(written) => return Ok(Some(written)),
            Err(Error::NoNode(_)) => return Ok(None),
            // Ours, with its reply lost, or somebody else's: whatever it says, ours is the word that counts.
            Err(Error::BadVersion(_) | Error::ConnectionLost(_)) => {}
            Err(why) => return Err(why),
        }
        match watching::look(incarnation, client, path).await? {
            Some(found) if found.czxid == stat.czxid => stat = found,
            _ => return Ok(None),
        }
    }
}

/// Resolves when the membership is withdrawn; a handle that is merely dropped withdraws nothing.
async fn withdrawn(wanted: &mut watch::Receiver<Wanted>) {
    if wanted.wait_for(|wanted| wanted.withdrawn).await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn changed(wanted: &mut watch::Receiver<Wanted>) {
    if wanted.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}
