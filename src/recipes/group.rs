//! Group membership: who is there, with an incarnation each and a view number that all share.
//!
//! Znodes: `<path>/<id>`, ephemeral, made and deleted by the member, its data as it is given: the layout of Curator's
//! `GroupMember`. The path is a container and vanishes when the last member left.
//!
//! A member's incarnation is the zxid that its node was made at: when it joins again under the same id, after a loss
//! or a restart, it is larger. A view's number is the zxid of the last coming or going: equal numbers mean equal
//! members, whoever looks, and it grows, with gaps, also where the path vanished in between. What a member says (its
//! data) is no part of the view: changing it changes no number.
//!
//! Lost connections change nothing; after an expiry a member joins again by itself, as the next incarnation.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch;
use uuid::Uuid;

use super::membership::{Directory, Membership, Presence};
use super::noticed::Noticed;
use super::place::Place;
use super::roster::{self, Detail, Roster, Seen};
use crate::error::{Error, Result};
use crate::retry::Deadline;
use crate::session::Session;

/// Names that a message lists.
const SHOWN: usize = 10;

/// A handle on the group at one path. Clones are the same.
#[derive(Clone, Debug)]
pub struct Group {
    place: Place,
    /// Who was there at our last look.
    seen: Noticed<View>,
}

/// A member, as everybody sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Unique in the group.
    pub id: String,
    /// What it says.
    pub data: Vec<u8>,
    /// Grows each time the same id joins again.
    pub incarnation: i64,
    /// Its session.
    pub session_id: i64,
    /// When this incarnation joined: milliseconds since 1970 on the server's wall clock.
    pub since: i64,
}

/// Who is in the group, between one coming or going and the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Equal numbers mean equal members; it grows.
    pub number: i64,
    /// The incarnation of each.
    pub members: BTreeMap<String, i64>,
}

/// Our own membership. It stands until it is left or the coordinator is closed, also when this is dropped.
#[derive(Clone, Debug)]
pub struct Joined {
    id: String,
    group: String,
    membership: Membership,
}

/// The views of a group, the present one first.
#[derive(Debug)]
pub struct Views {
    seen: watch::Receiver<Seen>,
    last: Option<View>,
    noticed: Noticed<View>,
}

impl Group {
    /// A handle on the group at `path`.
    ///
    /// # Errors
    /// `InvalidPath`.
    pub fn new(session: &Session, path: &str) -> Result<Self> {
        Ok(Self { place: Place::new(session, "group", path)?, seen: Noticed::default() })
    }

    /// The path as the user wrote it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.place.name
    }

    /// Who was there when this handle last looked, without asking the network.
    #[must_use]
    pub fn last(&self) -> Option<View> {
        self.seen.last()
    }

    /// Joins the group as `id`, a fresh one where none is given, and returns once a server says so.
    ///
    /// `timeout` is the total: zero tries once, `None` waits for a server as long as it takes. An id that another
    /// session has is waited for as long, but no longer than one and a half session timeouts: then the session of a
    /// predecessor that was killed has ended.
    ///
    /// # Cancel safety
    /// Leaves no node.
    ///
    /// # Errors
    /// `NodeExists` where somebody else has the id; `AcquireTimeout` where no server answered in time;
    /// `PayloadTooLarge`, `InvalidPath`, `Closed`, `AuthFailed`, `NotAuthorized`.
    pub async fn join(&self, data: Vec<u8>, id: Option<String>, timeout: Option<Duration>) -> Result<Joined> {
        let Place { session, name, path } = &self.place;
        let id = id.unwrap_or_else(|| Uuid::new_v4().simple().to_string());
        self.place.component("member id", &id)?;
        let title = format!("member '{id}' of group '{name}'");
        let membership = Membership::begin(session, Directory::Made(path), &id, title, data, timeout).await?;
        Ok(Joined { id, group: name.clone(), membership })
    }

    /// The members now, with what they say, sorted by id.
    ///
    /// # Errors
    /// `ConnectionLost` where the ensemble stays away for a session timeout.
    pub async fn members(&self) -> Result<Vec<Member>> {
        let roster = roster::read(&self.place.session, &self.place.path, Detail::Data).await?;
        self.seen.note(View::of(&roster));
        let member = |(id, node): (String, roster::Node)| Member {
            id,
            data: node.data.to_vec(),
            incarnation: node.stat.czxid,
            session_id: node.stat.ephemeral_owner,
            since: node.stat.ctime,
        };
        Ok(roster.nodes.into_iter().map(member).collect())
    }

    /// The view now.
    ///
    /// # Errors
    /// `ConnectionLost` where the ensemble stays away for a session timeout.
    pub async fn view(&self) -> Result<View> {
        let view = View::of(&roster::read(&self.place.session, &self.place.path, Detail::Members).await?);
        self.seen.note(view.clone());
        Ok(view)
    }

    /// The view now and every change from now on.
    #[must_use]
    pub fn views(&self) -> Views {
        let seen = roster::follow(&self.place.session, &self.place.path, Detail::Members);
        Views { seen, last: None, noticed: self.seen.clone() }
    }

    /// Waits until the group has `count` members or more.
    ///
    /// # Cancel safety
    /// Leaves no watch.
    ///
    /// # Errors
    /// `AcquireTimeout`, saying who was there; `Closed`, `AuthFailed`, `NotAuthorized`.
    pub async fn wait_for(&self, count: usize, timeout: Option<Duration>) -> Result<View> {
        if timeout.is_some_and(|timeout| timeout.is_zero()) {
            let view = self.view().await?;
            return if view.members.len() >= count { Ok(view) } else { Err(self.too_few(count, timeout, Some(&view))) };
        }
        let mut views = self.views();
        let waiting = async {
            loop {
                let view = views.next().await?;
                if view.members.len() >= count {
                    return Ok(view);
                }
            }
        };
        match Deadline::after(timeout).bound(waiting).await {
            Some(found) => found,
            None => Err(self.too_few(count, timeout, views.last.as_ref())),
        }
    }

    fn too_few(&self, count: usize, timeout: Option<Duration>, found: Option<&View>) -> Error {
        let found = match found {
            None => "no server said who is there".to_owned(),
            Some(View { members, .. }) => {
                let names: Vec<&str> = members.keys().map(String::as_str).take(SHOWN).collect();
                let more = if members.len() > SHOWN { ", …" } else { "" };
                format!("it has {} ({}{more})", members.len(), names.join(", "))
            }
        };
        Error::acquire_timeout(format!(
            "group '{}': no {count} members within {:?}: {found}; wait longer, or start more",
            self.name(),
            timeout.unwrap_or_default()
        ))
    }
}

impl View {
    fn of(roster: &Roster) -> Self {
        let incarnation = |(id, node): (&String, &roster::Node)| (id.clone(), node.stat.czxid);
        Self { number: roster.number, members: roster.nodes.iter().map(incarnation).collect() }
    }
}

impl Views {
    /// The next view with other members than the one before. Changes that follow each other closely may be told as one.
    ///
    /// # Cancel safety
    /// Loses nothing.
    ///
    /// # Errors
    /// `Closed`, `AuthFailed`, `NotAuthorized`: there will be none.
    pub async fn next(&mut self) -> Result<View> {
        loop {
            let seen = self.seen.borrow_and_update().clone()?;
            if let Some(view) = seen.map(|roster| View::of(&roster)) {
                let news =
                    self.last.as_ref().is_none_or(|last| last.members != view.members && view.number > last.number);
                if news {
                    self.noticed.note(view.clone());
                    self.last = Some(view.clone());
                    return Ok(view);
                }
            }
            if self.seen.changed().await.is_err() {
                return Err(Error::closed("the coordinator is closed; connect again"));
            }
        }
    }
}

impl Joined {
    /// Who we are in the group.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The group's path as the user wrote it.
    #[must_use]
    pub fn group(&self) -> &str {
        &self.group
    }

    /// Our incarnation; `None` while our node may be gone.
    #[must_use]
    pub fn incarnation(&self) -> Option<i64> {
        self.membership.stat().map(|stat| stat.czxid)
    }

    /// How it stands, without asking the network.
    #[must_use]
    pub fn presence(&self) -> Presence {
        self.membership.presence()
    }

    /// Changes what we say, and returns once a server has it; while none can be reached it waits. No view changes.
    ///
    /// # Cancel safety
    /// The change is made all the same.
    ///
    /// # Errors
    /// `NotOwner` where we left; `PayloadTooLarge`, `Closed`, `NotAuthorized`.
    pub async fn update(&self, data: Vec<u8>) -> Result<()> {
        self.membership.settled(self.membership.change(data)?).await
    }

    /// Leaves for good, connected or not: no later session joins again. Of one that left it is a no-op.
    ///
    /// # Cancel safety
    /// What this session asks next finds us gone; the rest happens in the background.
    pub fn leave(&self) {
        self.membership.withdraw();
    }

    /// Resolves when our node is gone.
    pub async fn gone(&self) {
        self.membership.gone().await;
    }
}
