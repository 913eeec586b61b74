//! Puts what the server says into zxid order. Pure: the follower sends what it asks, and feeds it what comes.
//!
//! A notification says that a path changed, not to what; the node is read, and the reply may show a later change
//! than the one notified. Notifications and replies come in one stream, in which a notification precedes every
//! reply that shows its change. So each path that was notified and not read yet has a lower bound: its event
//! will carry no smaller zxid. An event is published once its zxid is below all bounds.
//!
//! Servers before 3.9 do not say the zxid of a notification. Then the bound is what the replies before it showed,
//! plus one. They do not say either when a node was deleted: the time of its death is taken from the `pzxid` of the
//! nearest node above that stands, which is when the server was first seen without it.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use super::event::{Event, Kind, Node, Order};
use super::tree::children;
use crate::session::Stat;

/// What the server notified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// Created, or its data changed; or something unknown happened there.
    Touched,
    /// Deleted.
    Gone,
}

/// What to ask the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// The data and stat at a path; its children too, where `list` says so.
    Node {
        /// Below the cache's.
        path: String,
        /// As well as the data.
        list: bool,
    },
    /// The `pzxid` of the nearest node above that stands.
    Death {
        /// Below the cache's.
        path: String,
    },
}

/// What the server answered.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The node, and the names of its children where they were asked for.
    Node(Option<Node>, Option<Vec<String>>),
    /// The zxid by which a node was gone.
    Death(i64),
    /// This session may not read it: for us it does not exist, or is as it was.
    Unreadable,
}

/// Something asked and not answered.
#[derive(Clone, Debug)]
struct Look {
    path: String,
    /// Its event will carry no smaller zxid.
    bound: i64,
    aim: Aim,
}

#[derive(Clone, Debug)]
enum Aim {
    /// Notifications that came while it was under way: the first's bound, the last's.
    Node {
        walk: bool,
        again: Option<(i64, i64)>,
    },
    Death(Arc<Node>),
}

#[derive(Debug)]
struct Walk {
    under_way: usize,
    seen: HashSet<String>,
}

/// What is known, what is being looked at, and what waits to be published.
#[derive(Debug, Default)]
pub struct Ledger {
    known: BTreeMap<String, Arc<Node>>,
    /// What may not be read, as it was met: from 3.9.2 on servers notify nobody of such nodes.
    hidden: Arc<BTreeSet<String>>,
    looks: HashMap<u64, Look>,
    at: HashMap<String, u64>,
    bounds: BTreeSet<(i64, u64)>,
    asks: VecDeque<u64>,
    ready: BTreeMap<Order, Event>,
    /// Deletions in `ready` whose zxid is an upper bound.
    undated: HashMap<String, i64>,
    walk: Option<Walk>,
    next: u64,
    floor: i64,
    /// Each listing is compared with what is known, because no notification tells of grandchildren.
    plain: bool,
}

impl Ledger {
    /// Starts to compare everything with the server: first of all, and whenever notifications may have been missed.
    /// Nothing is published before that is done.
    pub fn walk(&mut self, plain: bool) {
        self.plain = plain;
        let dying = self.looks.drain().filter(|(_, look)| matches!(look.aim, Aim::Death(_))).collect();
        self.looks = dying;
        self.at.clear();
        self.bounds = self.looks.iter().map(|(id, look)| (look.bound, *id)).collect();
        self.asks = self.looks.keys().copied().collect();
        self.walk = Some(Walk { under_way: 0, seen: HashSet::new() });
        self.hidden = Arc::default();
        self.look(String::new(), 0, true);
    }

    /// The server says that something happened; with its zxid, where it says that.
    pub fn note(&mut self, note: Note, path: &str, zxid: Option<i64>) {
        let bound = zxid.unwrap_or(self.floor + 1);
        match (note, self.at.get(path)) {
            (Note::Touched, None) => self.look(path.to_owned(), bound, false),
            (Note::Touched, Some(id)) => {
                if let Some(Look { aim: Aim::Node { again, .. }, .. }) = self.looks.get_mut(id) {
                    let first = again.map_or(bound, |(first, _)| first);
                    // Without a zxid no reply under way can be known to show it.
                    *again = Some((first, zxid.unwrap_or(i64::MAX)));
                }
            }
            (Note::Gone, id) => {
                // A reply under way is of the node that went.
                if let Some(id) = id.copied() {
                    self.drop_look(id);
                }
                self.show(path);
                if let Some(node) = self.known.remove(path) {
                    match zxid {
                        Some(zxid) => self.happened(Kind::Deleted, path, zxid, node),
                        None => self.died(path, bound, node),
                    }
                }
                // Only a look leaves a plain watch for the root's return.
                if self.plain && path.is_empty() {
                    self.look(String::new(), bound, false);
                }
            }
        }
    }

    /// The next thing to ask. Answers may come in any order.
    pub fn ask(&mut self) -> Option<(u64, Ask)> {
        while let Some(id) = self.asks.pop_front() {
            // It may have been answered by a notification meanwhile.
            if let Some(Look { path, aim, .. }) = self.looks.get(&id) {
                let path = path.clone();
                return Some(match aim {
                    Aim::Node { walk, .. } => (id, Ask::Node { path, list: *walk || self.plain }),
                    Aim::Death(_) => (id, Ask::Death { path }),
                });
            }
        }
        None
    }

    /// An answer. Every notification that came before it must have been noted.
    pub fn answer(&mut self, id: u64, answer: Answer) {
        let Some(Look { path, bound, aim }) = self.looks.get(&id).cloned() else { return };
        match (aim, answer) {
            (Aim::Death(node), Answer::Death(zxid)) => {
                self.drop_look(id);
                self.floor = self.floor.max(zxid);
                let born = self.known.get(&path).map_or(i64::MAX, |node| node.stat.czxid);
                let zxid = zxid.max(bound).min(born);
                self.undated.insert(path.clone(), zxid);
                self.happened(Kind::Deleted, &path, zxid, node);
            }
            (Aim::Node { again, .. }, Answer::Node(found, names)) => {
                if let Some(walk) = &mut self.walk {
                    walk.seen.insert(path.clone());
                }
                self.show(&path);
                let shows = found.as_ref().map_or(0, |node| node.stat.mzxid.max(node.stat.czxid));
                self.resolve(&path, bound, found);
                if let Some(names) = names {
                    self.listed(&path, bound, id, names);
                }
                self.close(id, again.filter(|(_, last)| *last > shows).map(|(first, _)| first));
            }
            (Aim::Node { again, .. }, Answer::Unreadable) => {
                if let Some(walk) = &mut self.walk {
                    walk.seen.insert(path.clone());
                }
                Arc::make_mut(&mut self.hidden).insert(path);
                self.close(id, again.map(|(first, _)| first));
            }
            (Aim::Death(_), _) | (Aim::Node { .. }, Answer::Death(_)) => {}
        }
    }

    /// Whatever can be published now, in order.
    pub fn publish(&mut self) -> Vec<Event> {
        let bound = self.bounds.first().map_or(i64::MAX, |(bound, _)| *bound);
        let mut events = Vec::new();
        while let Some(first) = self.ready.first_entry().filter(|first| first.key().0 < bound) {
            let event = first.remove();
            if event.kind == Kind::Deleted {
                self.undated.remove(&event.path);
            }
            events.push(event);
        }
        events
    }

    /// True when everything was compared with the server.
    #[must_use]
    pub fn settled(&self) -> bool {
        self.walk.is_none() && self.bounds.first().is_none_or(|(bound, _)| *bound > 0)
    }

    /// What is known, published or not.
    #[must_use]
    pub fn known(&self) -> &BTreeMap<String, Arc<Node>> {
        &self.known
    }

    /// What this session may not read.
    #[must_use]
    pub fn hidden(&self) -> &Arc<BTreeSet<String>> {
        &self.hidden
    }

    /// It is hidden no more.
    fn show(&mut self, path: &str) {
        if self.hidden.contains(path) {
            Arc::make_mut(&mut self.hidden).remove(path);
        }
    }

    fn look(&mut self, path: String, bound: i64, walk: bool) {
        if let Some(walk) = self.walk.as_mut().filter(|_| walk) {
            walk.under_way += 1;
        }
        let id = self.begin(Look { path: path.clone(), bound, aim: Aim::Node { walk, again: None } });
        self.at.insert(path, id);
    }

    fn died(&mut self, path: &str, bound: i64, node: Arc<Node>) {
        self.begin(Look { path: path.to_owned(), bound, aim: Aim::Death(node) });
    }

    fn begin(&mut self, look: Look) -> u64 {
        self.next += 1;
        self.bounds.insert((look.bound, self.next));
        self.looks.insert(self.next, look);
        self.asks.push_back(self.next);
        self.next
    }

    /// Ends a look, and begins another at the same path where something happened there meanwhile.
    fn close(&mut self, id: u64, again: Option<i64>) {
        if let (Some(look), Some(bound)) = (self.looks.get(&id), again) {
            // Before the first goes: the path must have a bound all the time.
            self.look(look.path.clone(), bound, false);
        }
        self.drop_look(id);
    }

    fn drop_look(&mut self, id: u64) {
        let Some(look) = self.looks.remove(&id) else { return };
        self.bounds.remove(&(look.bound, id));
        if let Aim::Node { walk, .. } = look.aim {
            // Another may have taken its place.
            if self.at.get(&look.path) == Some(&id) {
                self.at.remove(&look.path);
            }
            if walk {
                self.walked();
            }
        }
    }

    /// One step of the walk is done; after the last, what was known and not met is looked at on its own.
    fn walked(&mut self) {
        let Some(walk) = &mut self.walk else { return };
        walk.under_way -= 1;
        if walk.under_way > 0 {
            return;
        }
        let seen = std::mem::take(&mut walk.seen);
        self.walk = None;
        let missing: Vec<String> = self.known.keys().filter(|path| !seen.contains(*path)).cloned().collect();
        for path in missing {
            if !self.at.contains_key(&path) {
                self.look(path, 0, false);
            }
        }
    }

    fn resolve(&mut self, path: &str, bound: i64, found: Option<Node>) {
        let old = self.known.get(path).cloned();
        let Some(node) = found.map(Arc::new) else {
            if let Some(old) = old {
                self.known.remove(path);
                self.died(path, bound, old);
            }
            return;
        };
        let Stat { czxid, mzxid, .. } = node.stat;
        self.floor = self.floor.max(mzxid).max(czxid);
        self.known.insert(path.to_owned(), node.clone());
        match old.map(|old| (old.stat.czxid.cmp(&czxid), old.stat.mzxid.cmp(&mzxid), old)) {
            None => self.born(path, czxid, node),
            Some((Ordering::Equal, Ordering::Equal, _)) => {}
            Some((Ordering::Equal, ..)) => self.happened(Kind::Changed, path, mzxid, node),
            Some((.., old)) => {
                // It went and came back unnoticed.
                self.happened(Kind::Deleted, path, czxid, old);
                self.born(path, czxid, node);
            }
        }
    }

    fn born(&mut self, path: &str, czxid: i64, node: Arc<Node>) {
        // A death dated after the next birth was dated too late.
        if let Some(late) = self.undated.get_mut(path).filter(|zxid| **zxid > czxid) {
            let died = Event { kind: Kind::Deleted, path: path.to_owned(), zxid: *late, node: node.clone() };
            *late = czxid;
            if let Some(event) = self.ready.remove(&died.order()) {
                self.happened(Kind::Deleted, path, czxid, event.node);
            }
        }
        self.happened(Kind::Created, path, czxid, node);
    }

    fn happened(&mut self, kind: Kind, path: &str, zxid: i64, node: Arc<Node>) {
        let event = Event { kind, path: path.to_owned(), zxid, node };
        self.ready.insert(event.order(), event);
    }

    fn listed(&mut self, path: &str, bound: i64, id: u64, names: Vec<String>) {
        let walk = matches!(self.looks.get(&id), Some(Look { aim: Aim::Node { walk: true, .. }, .. }));
        let below = |name: String| if path.is_empty() { name } else { format!("{path}/{name}") };
        let names: HashSet<String> = names.into_iter().map(below).collect();
        if self.plain && !walk {
            for gone in children(&self.known, path).into_iter().map(below) {
                if !names.contains(&gone) && !self.at.contains_key(&gone) {
                    self.look(gone, bound, false);
                }
            }
        }
        for child in names {
            match self.at.get(&child).copied() {
                // One that does not list its children will not do in a walk.
                Some(under_way) if walk => {
                    self.look(child, 0, true);
                    self.drop_look(under_way);
                }
                None if walk => self.look(child, 0, true),
                None if !self.known.contains_key(&child) => self.look(child, bound, false),
                _ => {}
            }
        }
    }
}
