//! A group that divides items among its members, and goes on whoever dies.
//!
//! ```text
//! <path>/spec              what is divided and how, JSON; made by the first who brings it, changed by update
//! <path>/members/<id>      a member's card, ephemeral; made, kept and deleted by the member
//! <path>/leader/           the line of an election; any member may lead
//! <path>/assignment        who is to work on what, JSON; written by the leader, one generation after the other
//! <path>/assignment-pages-<sum>-<n>   its parts, where it is longer than 512 KiB; made first, deleted by later leaders
//! <path>/claims/<item>     who has the item, ephemeral; made and deleted by the owner
//! <path>/fences/<guid>     the same claim's own node, ephemeral; made and deleted in the same steps
//! <path>/progress/<item>   what was saved, made by the first owner that saves something
//! <path>/done/<item>       its result, made in the step that deletes the last claim
//! ```
//! Nobody deletes what is not ephemeral: a finished group stands until it is deleted by hand.
//!
//! **Making `claims/<item>` is the grant.** The assignment only says who should: it is advice, and a stale or missing one
//! costs time, never exclusion. An owner that should let go does so when its user does; its deletion of the node is the
//! acknowledgement, and the next owner, which waits for exactly that, cannot be before it. A dead owner's claims go with
//! its session, which by the lease clock it knows to be over before. So members need no leader to go on, and one that
//! comes back finds what is saved. The zxid of the claim's nodes is the partition's epoch and the fencing token;
//! partitions that did not move keep theirs, and hear nothing.
//!
//! `claims/<item>` has a name that every owner uses, so it cannot guard: a write of an old owner would find the next
//! one's node and pass. The guard is `fences/<guid>`, a name that is never used again, made in the same step.
//!
//! After a lost connection everything goes on; after an expiry a member joins again under its id, and claims again.
//! If the ensemble was wiped, members publish the spec again and begin from nothing. If the group was deleted, they are
//! out, and make nothing again.
//!
//! | file | what it does |
//! |---|---|
//! | `item`, `spec`, `card`, `published`, `layout` | pure: what is written, and where |
//! | `desk` | pure: what a member holds, waits for and should let go of |
//! | `balance`, `absence`, `quiet` | pure: what the leader decides, and when |
//! | `document`, `spec_node`, `follow` | writing and reading what all share |
//! | `claim` | taking, saving, finishing |
//! | `engine`, `lead`, `member` | the tasks of a member, and its handle |
//! | `progress` | how far it is |

mod absence;
mod balance;
mod card;
mod claim;
mod desk;
mod document;
mod engine;
mod follow;
mod item;
mod layout;
mod lead;
mod member;
mod progress;
mod published;
mod quiet;
mod spec;
mod spec_node;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub use self::card::Card;
pub use self::desk::{Action, Desk};
pub use self::item::Item;
pub use self::member::{Amendment, Claim, Member};
pub use self::progress::{Entry, Progress};
pub use self::published::Published;
pub use self::spec::{Change, Spec};

use self::claim::Claimant;
use self::engine::Engine;
use self::follow::Board;
use self::layout::Layout;
use self::lead::Leader;
use crate::error::Result;
use crate::path::child;
use crate::recipes::membership::{Directory, Membership};
use crate::recipes::place::Place;
use crate::recipes::roster::{self, Detail};
use crate::session::Session;

/// The quiet period where none is asked for, in milliseconds.
const QUIET: u64 = 300;

/// A handle on the group at one path. Clones are the same.
#[derive(Clone, Debug)]
pub struct Partitions {
    place: Place,
    layout: Arc<Layout>,
    asked: Arc<Change>,
}

impl Partitions {
    /// `asked` is what the group should be; what it leaves open, whoever was first decided.
    ///
    /// # Errors
    /// `InvalidPath`; `Config` where it makes no sense.
    pub fn new(session: &Session, path: &str, asked: Change) -> Result<Self> {
        let place = Place::new(session, "partitions", path)?;
        asked.check(path)?;
        let layout = Arc::new(Layout::new(&place.path));
        Ok(Self { place, layout, asked: Arc::new(asked) })
    }

    /// The path as the user wrote it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.place.name
    }

    /// Joins as `id`, and returns once a server says so; what is assigned to it, is claimed from then on.
    ///
    /// `timeout` is the total: zero tries once. An id that another session has is waited for as long, but no longer
    /// than one and a half session timeouts: then a killed predecessor's session has ended.
    ///
    /// # Cancel safety
    /// Leaves no node but the spec.
    ///
    /// # Errors
    /// `Config` where the group is published with other settings; `NoNode` where it is not and we bring no items;
    /// `NodeExists` where the id is taken; `AcquireTimeout` where no server answered in time; `Closed`, `AuthFailed`.
    pub async fn join(&self, id: Option<String>, card: Card, timeout: Option<Duration>) -> Result<Member> {
        card.check()?;
        let Place { session, name, .. } = &self.place;
        let id = id.unwrap_or_else(|| uuid::Uuid::new_v4().simple().to_string());
        self.place.component("member id", &id)?;
        let (spec, seen) = spec_node::agree(&self.place, &self.layout, &self.asked).await?;
        let spec = Arc::new(spec);
        card.check_used(&spec)?;
        let title = format!("member '{id}' of partitions '{name}'");
        let bytes = card.bytes()?;
        let membership =
            Membership::begin(session, Directory::Settled(&self.layout.members), &id, title, bytes, timeout).await?;
        let board = Board::new(&session.succession(), &self.layout, spec.clone());
        let claimant = Claimant { group: name.clone(), member: id.clone(), layout: self.layout.clone() };
        let engine = Engine::new(claimant, board.clone(), session.succession(), (spec, seen));
        let shared = engine.shared();
        let (place, layout) = (self.place.clone(), self.layout.clone());
        let leader = Leader { place, layout, id: id.clone(), board: board.clone() };
        let leader = tokio::spawn(leader.run()).abort_handle();
        let (standing, leading) = (membership.clone(), leader.clone());
        tokio::spawn(async move {
            engine.run().await;
            // Where the group was deleted, nobody left yet.
            leading.abort();
            standing.withdraw();
        });
        let (group, card, session) = (name.clone(), Mutex::new(card), session.clone());
        Ok(Member::new(member::Inner { group, id, card, session, membership, shared, board, leader }))
    }

    /// The assignment that is published; `None` while no leader made one.
    ///
    /// # Errors
    /// As [`Partitions::spec`].
    pub async fn assignment(&self) -> Result<Option<Published>> {
        match document::read(&self.place.session, &self.layout.assignment).await? {
            Some((data, _)) => Published::read(&data).map(Some),
            None => self.spec().await.map(|_| None),
        }
    }

    /// What is published of the group. Looking publishes nothing, whatever the handle brings: joining does.
    ///
    /// # Errors
    /// `NoNode` where nothing is; `ConnectionLost` where the ensemble stays away.
    pub async fn spec(&self) -> Result<Spec> {
        match spec_node::read(&self.place.session, &self.layout).await? {
            Some((spec, _)) => Ok(spec),
            None => Err(spec_node::unpublished(self.name())),
        }
    }

    /// How far it is: what became of every item so far.
    ///
    /// # Errors
    /// As [`Partitions::spec`].
    pub async fn progress(&self) -> Result<Progress> {
        let entries = progress::read(&self.place.session, &self.layout, &self.spec().await?).await?;
        let waiting = entries.iter().any(|entry| entry.state == "waiting");
        let Some(published) = (if waiting { self.assignment().await? } else { None }) else {
            return Ok(Progress { entries, unowned: None, absent: Vec::new() });
        };
        let kept: BTreeMap<&Item, &String> = published
            .owners
            .iter()
            .filter(|(id, _)| published.members.get(*id).is_some_and(|card| card.reserve > 0))
            .flat_map(|(id, items)| items.iter().map(move |item| (item, id)))
            .collect();
        let waiting = entries.iter().filter(|entry| entry.state == "waiting");
        let mut absent: BTreeSet<&String> = waiting.filter_map(|entry| kept.get(&entry.item).copied()).collect();
        if !absent.is_empty() {
            let here = self.members().await?;
            absent.retain(|id| !here.contains_key(*id));
        }
        let absent = absent.into_iter().cloned().collect();
        Ok(Progress { entries, unowned: published.unowned, absent })
    }

    /// Who is here, with what they say.
    ///
    /// # Errors
    /// `ConnectionLost` where the ensemble stays away.
    pub async fn members(&self) -> Result<BTreeMap<String, Card>> {
        let roster = roster::read(&self.place.session, &self.layout.members, Detail::Data).await?;
        Ok(roster.nodes.into_iter().map(|(id, node)| (id, Card::read(&node.data))).collect())
    }

    /// Changes what is published, for everybody and from now on. Who keeps its items hears nothing.
    ///
    /// # Errors
    /// `NoNode` where nothing is published; `Config`; `ConnectionLost` where the ensemble stays away.
    pub async fn update(&self, change: &Change) -> Result<()> {
        spec_node::change(&self.place, &self.layout, change).await
    }

    /// Where a claim on the item would be, in the namespace.
    #[must_use]
    pub fn claim_path(&self, item: &Item) -> String {
        child(&child(self.name(), "claims"), item.name())
    }
}
