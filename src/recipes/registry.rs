//! A naming service: instances of services register themselves, and whoever needs one discovers it.
//!
//! Znodes: `<path>/<service>/<id>`, ephemeral, made and deleted by the instance; data is JSON: address, weight, zone,
//! metadata. What cannot be read as that is nobody's instance and is passed over. Both directories are containers and
//! vanish when they are empty.
//!
//! Instances come back after a lost connection and after an expiry, under the same id, until they are unregistered;
//! then never, also where that happened without a connection. Discovering reads a local view that watches keep: it
//! costs no request once the service was asked for, lags behind by a notification's way, and goes on with what was
//! last known while no server can be reached. Only when it has nothing to offer it asks a server, before it says so.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;

use super::pick::{self, Candidate, Dice, RoundRobin};
use super::place::Place;
use super::registration::{Offer, Registration};
use super::roster::{self, Detail, Node, Roster, Seen};
use crate::error::{Error, Result};
use crate::path::child;
use crate::session::{Session, SessionState, Stat};

/// A handle on the registry at one path. Clones share their views of it.
#[derive(Clone, Debug)]
pub struct Registry(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    place: Place,
    /// Services that were asked for.
    known: Mutex<HashMap<String, Known>>,
    /// Round robin's memory, by service and zone.
    turns: Mutex<HashMap<(String, Option<String>), RoundRobin>>,
    dice: Dice,
}

#[derive(Debug)]
struct Known {
    seen: watch::Receiver<Seen>,
    /// The newest roster that was read as instances.
    read: Option<(Arc<Roster>, Instances)>,
    /// Creation zxids of instances that were unregistered through this handle, until the view is past them.
    unregistered: HashSet<i64>,
}

/// The instances of one service, sorted by id.
type Instances = Arc<Vec<Instance>>;

/// An instance of a service.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    /// Unique in its service.
    pub id: String,
    /// Where it is reached, in whatever form its users understand.
    pub address: String,
    /// Its share of the load, relative to the others'; none, where it is 0.
    pub weight: u32,
    /// Where it is, for those who prefer somebody near.
    pub zone: Option<String>,
    /// Whatever else it says.
    pub metadata: Value,
    /// When it registered: milliseconds since 1970 on the server's wall clock.
    pub since: i64,
    /// Its session.
    pub session_id: i64,
}

/// How to choose among instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pick<'a> {
    /// By chance, in proportion to weight.
    Random,
    /// In turn, in proportion to weight; every handle counts its own turns.
    RoundRobin,
    /// Always the same for one key, as long as it is there; every process agrees.
    Sticky(&'a str),
}

impl<'a> Pick<'a> {
    /// Reads its name in the public interface; `key` is what sticks.
    ///
    /// # Errors
    /// `Config` where there is none of that name.
    pub fn parse(name: &str, key: &'a str) -> Result<Self> {
        match name {
            "random" => Ok(Self::Random),
            "round_robin" => Ok(Self::RoundRobin),
            "sticky" => Ok(Self::Sticky(key)),
            _ => Err(Error::config(format!("pick='{name}': give \"random\", \"round_robin\" or \"sticky\""))),
        }
    }
}

/// The instances of one service, first as they are, then at every change.
#[derive(Debug)]
pub struct Changes {
    seen: watch::Receiver<Seen>,
    last: Option<Instances>,
}

impl Registry {
    /// A handle on the registry at `path`.
    ///
    /// # Errors
    /// `InvalidPath`.
    pub fn new(session: &Session, path: &str) -> Result<Self> {
        Ok(Self(Arc::new(Inner {
            place: Place::new(session, "registry", path)?,
            known: Mutex::default(),
            turns: Mutex::default(),
            dice: Dice::default(),
        })))
    }

    /// The path as the user wrote it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.place.name
    }

    /// What sticks where no other key is given: who we are.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.0.place.session.config().owner
    }

    /// Registers an instance of `service` under `id`, a fresh one where none is given, and returns once a server says so.
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
    pub async fn register(
        &self,
        service: &str,
        offer: Offer,
        id: Option<String>,
        timeout: Option<Duration>,
    ) -> Result<Registration> {
        let directory = self.directory(service)?;
        Registration::begin(self.clone(), service, &directory, offer, id, timeout).await
    }

    /// One instance of `service`: of `zone` where that has any, of all zones otherwise. Instances of weight 0 are never
    /// chosen.
    ///
    /// # Errors
    /// `NoNode` where there is none, saying what was looked for; `ConnectionLost` where the service is asked for the
    /// first time and no server answers for a session timeout; `InvalidPath`, `Closed`, `NotAuthorized`.
    pub async fn discover(&self, service: &str, how: Pick<'_>, zone: Option<&str>) -> Result<Instance> {
        let known = self.instances(service).await?;
        if let Some(found) = self.choose(service, how, zone, &known) {
            return Ok(found);
        }
        let Place { session, .. } = &self.0.place;
        if session.state() != SessionState::Connected {
            return Err(self.nobody(service, zone, &known));
        }
        // The view lags behind by a notification's way: so nobody misses what was there before they asked.
        let fresh = read(&roster::read(session, &self.directory(service)?, Detail::Data).await?);
        self.choose(service, how, zone, &fresh).ok_or_else(|| self.nobody(service, zone, &fresh))
    }

    /// The instances of `service` by the local view, sorted by id.
    ///
    /// # Errors
    /// `ConnectionLost` where the service is asked for the first time and no server answers for a session timeout;
    /// `InvalidPath`, `Closed`, `AuthFailed`, `NotAuthorized`.
    pub async fn instances(&self, service: &str) -> Result<Arc<Vec<Instance>>> {
        let mut seen = self.seen(service)?;
        let patience = self.0.place.session.config().session_timeout;
        let first = seen.wait_for(|seen| !matches!(seen, Ok(None)));
        let roster = match tokio::time::timeout(patience, first).await {
            Ok(Ok(seen)) => seen.clone(),
            Ok(Err(_)) => Err(Error::closed("the coordinator is closed; connect again")),
            Err(_) => Err(Error::connection_lost(format!(
                "registry '{}': nothing is known of '{service}', and no server answered for {patience:?}; check that \
                 the ensemble runs",
                self.name()
            ))),
        };
        match roster {
            Ok(roster) => Ok(self.remember(service, &roster.unwrap_or_default())),
            Err(why) => {
                // The follower ended: the next call begins another.
                if !matches!(why, Error::ConnectionLost(_)) {
                    self.known().remove(service);
                }
                Err(why)
            }
        }
    }

    /// The instances of `service` now, and at every change.
    ///
    /// # Errors
    /// `InvalidPath`.
    pub fn changes(&self, service: &str) -> Result<Changes> {
        Ok(Changes { seen: self.seen(service)?, last: None })
    }

    /// The services that have instances, sorted.
    ///
    /// # Errors
    /// `ConnectionLost` where the ensemble stays away.
    pub async fn services(&self) -> Result<Vec<String>> {
        let Place { session, name, .. } = &self.0.place;
        let names = match session.children(name).await {
            Err(Error::NoNode(_)) => Vec::new(),
            names => names?,
        };
        let mut services = Vec::with_capacity(names.len());
        for service in names {
            // A container stays for a while when its last child is gone.
            let stat: Option<Stat> = session.exists(&format!("{}/{service}", name.trim_end_matches('/'))).await?;
            if stat.is_some_and(|stat| stat.num_children > 0) {
                services.push(service);
            }
        }
        services.sort_unstable();
        Ok(services)
    }

    /// The services that were asked for here, each with how many instances it had at the last look.
    #[must_use]
    pub fn last(&self) -> BTreeMap<String, Option<usize>> {
        let count = |known: &Known| match &*known.seen.borrow() {
            Ok(Some(roster)) => Some(read(roster).len()),
            _ => None,
        };
        self.known().iter().map(|(service, known)| (service.clone(), count(known))).collect()
    }

    /// The view lags behind by a notification's way, and what we unregister is gone from it at once.
    pub(super) fn hide(&self, service: &str, czxid: i64) {
        if let Some(known) = self.known().get_mut(service) {
            known.unregistered.insert(czxid);
            known.read = None;
        }
    }

    pub(super) fn place(&self) -> &Place {
        &self.0.place
    }

    fn directory(&self, service: &str) -> Result<String> {
        self.0.place.component("service", service)?;
        Ok(child(&self.0.place.path, service))
    }

    fn seen(&self, service: &str) -> Result<watch::Receiver<Seen>> {
        let directory = self.directory(service)?;
        let mut known = self.known();
        let entry = known.entry(service.to_owned()).or_insert_with(|| Known {
            seen: roster::follow(&self.0.place.session, &directory, Detail::Data),
            read: None,
            unregistered: HashSet::new(),
        });
        Ok(entry.seen.clone())
    }

    /// The roster as instances, read once and not at every call.
    fn remember(&self, service: &str, roster: &Arc<Roster>) -> Instances {
        let mut known = self.known();
        let Some(entry) = known.get_mut(service) else { return read(roster) };
        match &entry.read {
            Some((of, instances)) if Arc::ptr_eq(of, roster) => instances.clone(),
            _ => {
                // What the view has yet to hear of: a creation, or a deletion.
                let ahead =
                    |czxid: &i64| roster.number < *czxid || roster.nodes.values().any(|node| node.stat.czxid == *czxid);
                entry.unregistered.retain(ahead);
                let there = |(_, node): &(&String, &Node)| !entry.unregistered.contains(&node.stat.czxid);
                let instances = roster.nodes.iter().filter(there).filter_map(|(id, node)| instance(id, node));
                let instances = Arc::new(instances.collect());
                entry.read = Some((roster.clone(), Instances::clone(&instances)));
                instances
            }
        }
    }

    fn choose(&self, service: &str, how: Pick<'_>, zone: Option<&str>, all: &[Instance]) -> Option<Instance> {
        let eligible = pick::eligible(all, zone, |one| (one.weight, one.zone.as_deref()));
        let candidates: Vec<Candidate<'_>> =
            eligible.iter().map(|one| Candidate { id: &one.id, weight: one.weight }).collect();
        let at = match how {
            Pick::Random => pick::random(&candidates, self.0.dice.draw()),
            Pick::Sticky(key) => pick::sticky(&candidates, key),
            Pick::RoundRobin => {
                let mut turns = self.0.turns.lock().unwrap_or_else(PoisonError::into_inner);
                turns.entry((service.to_owned(), zone.map(str::to_owned))).or_default().next(&candidates)
            }
        };
        Some((*eligible.get(at?)?).clone())
    }

    fn nobody(&self, service: &str, zone: Option<&str>, found: &[Instance]) -> Error {
        let zone = zone.map(|zone| format!(" (zone '{zone}' preferred)")).unwrap_or_default();
        let state = self.0.place.session.state().name();
        let found = if found.is_empty() {
            format!("nobody is registered (session {state})")
        } else {
            format!("all {} that are registered have weight 0", found.len())
        };
        Error::no_node(format!("registry '{}': no instance of '{service}'{zone} to offer: {found}", self.name()))
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<String, Known>> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Changes {
    /// The next list that differs from the one before. Changes that follow each other closely may be told as one.
    ///
    /// # Cancel safety
    /// Loses nothing.
    ///
    /// # Errors
    /// `Closed`, `AuthFailed`, `NotAuthorized`: there will be none.
    pub async fn next(&mut self) -> Result<Arc<Vec<Instance>>> {
        loop {
            if let Some(roster) = self.seen.borrow_and_update().clone()? {
                let instances = read(&roster);
                if self.last.as_ref() != Some(&instances) {
                    self.last = Some(instances.clone());
                    return Ok(instances);
                }
            }
            if self.seen.changed().await.is_err() {
                return Err(Error::closed("the coordinator is closed; connect again"));
            }
        }
    }
}

fn read(roster: &Roster) -> Instances {
    Arc::new(roster.nodes.iter().filter_map(|(id, node)| instance(id, node)).collect())
}

fn instance(id: &str, node: &Node) -> Option<Instance> {
    let Offer { address, weight, zone, metadata } = serde_json::from_slice(&node.data).ok()?;
    let (since, session_id) = (node.stat.ctime, node.stat.ephemeral_owner);
    Some(Instance { id: id.to_owned(), address, weight, zone, metadata, since, session_id })
}
