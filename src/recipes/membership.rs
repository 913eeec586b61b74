//! An ephemeral node with a name of its own, kept over sessions until it is withdrawn: what a member of a group and
//! an instance of a service are.
//!
//! Znode: `<directory>/<id>`, ephemeral; its data is the caller's. The directory is a container and vanishes when it
//! is empty.
//!
//! One task per membership (`upkeep`) makes the node, follows it, writes it and removes it, so that none of these races with
//! another: it makes nothing once the membership is withdrawn, and a node whose creation was under way then is looked
//! for when the server can be asked, and removed. After an expiry, or when somebody else deletes the node, it is made
//! again. A name that another session has is waited for, because that session may be a killed predecessor's.

use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use super::upkeep::{Fact, Upkeep, Wanted};
use crate::error::{Error, Result};
use crate::path::child;
use crate::retry::Deadline;
use crate::session::{Name, Session, Stat, check_size};

/// A kept node. Clones are the same; it stands until it is withdrawn, or its session is closed.
#[derive(Clone, Debug)]
pub(crate) struct Membership(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// For messages: "member 'a' of group 'b'".
    title: String,
    path: String,
    wanted: watch::Sender<Wanted>,
    fact: watch::Receiver<Fact>,
    /// Kept by the task, for as long as it may have a node.
    name: Weak<Name>,
    /// Whoever keeps a membership keeps its session open, also without the coordinator that it came from.
    _session: Session,
}

/// How a membership stands, without asking the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Its node is there.
    Joined,
    /// Its node is there by the lease clock; no server can confirm it now.
    AtRisk,
    /// Its node may be gone; it comes back by itself.
    Absent,
    /// It was withdrawn, or the coordinator closed.
    Left,
}

impl Presence {
    /// The name in the public interface.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Joined => "JOINED",
            Self::AtRisk => "AT_RISK",
            Self::Absent => "ABSENT",
            Self::Left => "LEFT",
        }
    }
}

/// Where a membership's node is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Directory<'a> {
    /// In a directory that is made with it where it is missing.
    Made(&'a str),
    /// In one that others make: while it is missing, there is nothing to be a member of.
    Settled(&'a str),
}

/// Withdraws a membership whose caller went away before it had it.
struct Pending(Option<Membership>);

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(membership) = self.0.take() {
            membership.withdraw();
        }
    }
}

impl Membership {
    /// Makes the node `<directory>/<id>` and keeps it. `title` is for messages.
    ///
    /// `timeout` is the total; zero tries once. A name that another session has is waited for as long, but no longer
    /// than one and a half session timeouts: then a killed predecessor's session has ended.
    ///
    /// # Cancel safety
    /// Leaves no node.
    ///
    /// # Errors
    /// `NodeExists` where the name is taken; `NoNode` where a settled directory is missing; `AcquireTimeout` where no server answered in time; `PayloadTooLarge`;
    /// `Closed`, `AuthFailed`, `NotAuthorized`.
    pub(crate) async fn begin(
        session: &Session,
        directory: Directory<'_>,
        id: &str,
        title: String,
        data: Vec<u8>,
        timeout: Option<Duration>,
    ) -> Result<Self> {
        let (Directory::Made(above) | Directory::Settled(above)) = directory;
        let path = child(above, id);
        check_size("create", &path, data.len())?;
        let lifetime = session.config().session_timeout;
        // A single try, too, needs a server; it has for as long as plain reads wait for one.
        let total = Deadline::after(timeout.map(|timeout| if timeout.is_zero() { lifetime } else { timeout }));
        let too_late = || {
            Error::acquire_timeout(format!(
                "{title}: not made within {:?}: no server answered; check that the ensemble runs",
                timeout.unwrap_or_default()
            ))
        };
        let name = total.bound(session.names().take(&path)).await.ok_or_else(too_late)?;
        let name = Arc::new(name.ok_or_else(|| {
            Error::node_exists(format!("{title}: this coordinator has one of that id already; choose another id"))
        })?);
        let wanted = watch::Sender::new(Wanted { data: data.into(), edition: 0, withdrawn: false });
        let (sender, mut fact) = watch::channel(Fact::Absent);
        let upkeep = Upkeep {
            succession: session.succession(),
            make: matches!(directory, Directory::Made(_)).then(|| above.to_owned()),
            path: path.clone(),
            wanted: wanted.subscribe(),
            fact: sender,
        };
        let membership = Self(Arc::new(Inner {
            title: title.clone(),
            path,
            wanted,
            fact: fact.clone(),
            name: Arc::downgrade(&name),
            _session: session.clone(),
        }));
        tokio::spawn(upkeep.run(name));
        let mut pending = Pending(Some(membership));
        let patience = timeout.unwrap_or(Duration::MAX).min(lifetime * 3 / 2);
        let mut taken = None;
        loop {
            let now = fact.borrow_and_update().clone();
            let until = match now {
                Fact::Present { .. } => return pending.0.take().ok_or_else(too_late),
                Fact::Refused(why) | Fact::Over(why) => return Err(why),
                Fact::Absent | Fact::Gone => Deadline::after(None),
                Fact::Taken(stat) => {
                    let until = *taken.get_or_insert_with(|| Deadline::after(Some(patience)));
                    if until.passed() || total.passed() {
                        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                        let age = now.as_secs().saturating_sub(u64::try_from(stat.ctime).unwrap_or(0) / 1000);
                        return Err(Error::node_exists(format!(
                            "{title}: session {:#x} has had that id for {age} s by the clocks, and did not end within \
                             {patience:?}; choose another id, or stop the other",
                            stat.ephemeral_owner
                        )));
                    }
                    until
                }
            };
            if total.bound(until.bound(fact.changed())).await.is_none() && taken.is_none() {
                return Err(too_late());
            }
        }
    }

    /// How it stands now, by the lease clock where the link is down.
    pub(crate) fn presence(&self) -> Presence {
        if self.0.wanted.borrow().withdrawn {
            return Presence::Left;
        }
        match &*self.0.fact.borrow() {
            Fact::Present { incarnation, .. } => match incarnation.link() {
                link if link.ended.is_some() || incarnation.lease_left().is_zero() => Presence::Absent,
                link if link.connected => Presence::Joined,
                _ => Presence::AtRisk,
            },
            Fact::Gone | Fact::Over(_) => Presence::Left,
            Fact::Absent | Fact::Taken(_) | Fact::Refused(_) => Presence::Absent,
        }
    }

    /// The node's stat, while it is known to be there.
    pub(crate) fn stat(&self) -> Option<Stat> {
        match &*self.0.fact.borrow() {
            Fact::Present { stat, .. } => Some(*stat),
            _ => None,
        }
    }

    /// Has the data changed as soon as a server can be reached, and returns the number of the edition.
    ///
    /// # Errors
    /// `PayloadTooLarge`.
    pub(crate) fn change(&self, data: Vec<u8>) -> Result<u64> {
        check_size("set", &self.0.path, data.len())?;
        let mut mine = 0;
        self.0.wanted.send_modify(|wanted| {
            mine = wanted.edition + 1;
            *wanted = Wanted { data: data.into(), edition: mine, withdrawn: wanted.withdrawn };
        });
        Ok(mine)
    }

    /// Waits until a server has the edition `mine`, or a later one; while none can be reached, it waits.
    ///
    /// # Errors
    /// `NotOwner` where it was withdrawn; `Closed`, `NotAuthorized`.
    pub(crate) async fn settled(&self, mine: u64) -> Result<()> {
        let mut fact = self.0.fact.clone();
        loop {
            if self.0.wanted.borrow().withdrawn {
                return Err(self.left());
            }
            match fact.borrow_and_update().clone() {
                Fact::Present { edition, .. } if edition >= Some(mine) => return Ok(()),
                Fact::Refused(why) | Fact::Over(why) => return Err(why),
                Fact::Gone => return Err(self.left()),
                Fact::Present { .. } | Fact::Absent | Fact::Taken(_) => {}
            }
            if fact.changed().await.is_err() {
                return Err(self.left());
            }
        }
    }

    /// Gives it up for good, connected or not. Whatever this session asks next finds the node gone.
    pub(crate) fn withdraw(&self) {
        let first = self.0.wanted.send_if_modified(|wanted| !std::mem::replace(&mut wanted.withdrawn, true));
        if !first {
            return;
        }
        if let Some(name) = self.0.name.upgrade() {
            name.leave();
        }
        if let Fact::Present { incarnation, .. } = &*self.0.fact.borrow()
            && let Ok(client) = incarnation.client()
        {
            // Queued here, in order with the caller's next requests; the task sees it through.
            drop(client.delete(&self.0.path, None));
        }
    }

    /// Resolves when its node is gone for good.
    pub(crate) async fn gone(&self) {
        // An error means that the task ended, which it does after the node.
        let _ = self.0.fact.clone().wait_for(|fact| matches!(fact, Fact::Gone | Fact::Over(_))).await;
    }

    fn left(&self) -> Error {
        Error::not_owner(format!("{}: it left; join again to change anything", self.0.title))
    }
}
