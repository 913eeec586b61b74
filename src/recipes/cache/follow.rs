//! Keeps a cache equal to the server: sets the watches, sends what the ledger asks, publishes what it puts in order.
//!
//! A persistent watch misses what happens while the link is down, also where it is set again (ZOOKEEPER-4698), and the
//! library underneath does not set it again. So it is set anew after every reconnect, and everything compared. Plain
//! watches are set again by the library, and the server tells at once what they missed.

use std::pin::pin;
use std::sync::Arc;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::watch;
use zookeeper_client as zk;
use zookeeper_client::EventType;

use super::ledger::{Ledger, Note};
use super::look::{Looked, Looker};
use super::tree::Tree;
use crate::error::{Error, Result};
use crate::recipes::place::Place;
use crate::retry::delays;
use crate::session::Incarnation;

/// How many looks are under way at once: enough to fill a link, few enough to leave room for others on it.
const IN_FLIGHT: usize = 256;

/// Runs until the cache is closed or dropped, or its session is over.
pub(super) struct Follower {
    place: Place,
    tree: Arc<Tree>,
    stop: watch::Receiver<bool>,
    /// False where told, and once a server was met that knows no persistent watches.
    persistent: bool,
    ledger: Ledger,
}

/// How serving ended without an error.
enum End {
    Stopped,
    /// The link came back; notifications were missed.
    Gap,
    /// The server knows no persistent watches.
    Old,
}

type Boxed<T> = futures_util::future::BoxFuture<'static, T>;

/// Notifications of the server, in its order.
#[derive(Default)]
struct Notes {
    persistent: Option<zk::PersistentWatcher>,
    plain: FuturesUnordered<Boxed<[Option<zk::WatchedEvent>; 2]>>,
    /// The second of two that fired together.
    second: Option<zk::WatchedEvent>,
}

impl Follower {
    pub(super) fn new(place: Place, tree: Arc<Tree>, stop: watch::Receiver<bool>, persistent: bool) -> Self {
        Self { place, tree, stop, persistent, ledger: Ledger::default() }
    }

    pub(super) async fn run(mut self) {
        let mut pauses = delays();
        let why = loop {
            let mut stop = self.stop.clone();
            let live = tokio::select! {
                live = self.place.session.next_live() => live.map(Some),
                () = stopped(&mut stop) => Ok(None),
            };
            let served = match live {
                Ok(Some(incarnation)) => self.serve(&incarnation).await,
                Ok(None) => Ok(()),
                Err(why) => Err(why),
            };
            match served {
                Ok(()) => break Error::closed(format!("cache '{}': it was closed", self.place.name)),
                Err(why) if why.is_terminated() => break why,
                // The next session compares its tree with what we know.
                Err(Error::SessionExpired(_)) => pauses = delays(),
                Err(why) => {
                    if !matches!(why, Error::NotAuthorized(_)) || self.tree.refuse(why.clone()) {
                        tracing::warn!(path = self.place.name, %why, "a cache cannot follow; trying again");
                    }
                    let _ = tokio::time::timeout(pauses.next().unwrap_or_default(), stopped(&mut stop)).await;
                }
            }
        };
        self.tree.finish(why);
    }

    async fn serve(&mut self, incarnation: &Arc<Incarnation>) -> Result<()> {
        let client = incarnation.client()?;
        let mut looker =
            Looker { incarnation: incarnation.clone(), client, root: self.place.path.clone(), plain: !self.persistent };
        self.catch_up(&looker).await?;
        let mut notes = Notes::default();
        loop {
            let end = if self.persistent { self.watch(&looker, &mut notes).await? } else { None };
            let end = match end {
                Some(end) => end,
                None => self.follow(&looker, &mut notes).await?,
            };
            match end {
                End::Stopped => return Ok(()),
                End::Gap => {}
                End::Old => {
                    self.persistent = false;
                    looker.plain = true;
                    notes = Notes::default();
                }
            }
        }
    }

    /// A session's first server may lag behind what the last session saw.
    async fn catch_up(&mut self, looker: &Looker) -> Result<()> {
        let mut stop = self.stop.clone();
        loop {
            let sync = looker.incarnation.request("sync", &looker.root, looker.client.sync(&looker.root));
            let synced = tokio::select! {
                synced = sync => synced,
                () = stopped(&mut stop) => return Ok(()),
            };
            match synced {
                Err(Error::ConnectionLost(_)) => looker.incarnation.connected().await?,
                Err(Error::NoNode(_)) => return Ok(()),
                synced => return synced,
            }
        }
    }

    /// Sets the persistent watch; the one before stays until then, so that the server is not told to drop both.
    async fn watch(&mut self, looker: &Looker, notes: &mut Notes) -> Result<Option<End>> {
        let mut stop = self.stop.clone();
        loop {
            let Looker { incarnation, client, root, .. } = looker;
            let watch = async { Ok::<_, zk::Error>(client.watch(root, zk::AddWatchMode::PersistentRecursive).await) };
            let watched = tokio::select! {
                watched = incarnation.request("watch", root, watch) => watched?,
                () = stopped(&mut stop) => return Ok(Some(End::Stopped)),
            };
            match watched {
                Ok(persistent) => {
                    notes.persistent = Some(persistent);
                    return Ok(None);
                }
                Err(zk::Error::Unimplemented) => return Ok(Some(End::Old)),
                Err(error) => match Error::from_client(&error, "watch", root) {
                    Error::ConnectionLost(_) => incarnation.connected().await?,
                    error => return Err(error),
                },
            }
        }
    }

    /// Compares everything with the server, then follows it to the next gap.
    async fn follow(&mut self, looker: &Looker, notes: &mut Notes) -> Result<End> {
        let mut stop = self.stop.clone();
        let mut stopped = pin!(stopped(&mut stop));
        let mut ended = pin!(looker.incarnation.ended());
        let mut looks: FuturesUnordered<Boxed<Looked>> = FuturesUnordered::new();
        let mut linked = true;
        self.ledger.walk(looker.plain);
        loop {
            while linked && looks.len() < IN_FLIGHT {
                let Some((id, ask)) = self.ledger.ask() else { break };
                looks.push(looker.clone().look(id, ask).boxed());
            }
            self.publish();
            let mut event = tokio::select! {
                biased;
                () = &mut stopped => return Ok(End::Stopped),
                why = &mut ended => return Err(why),
                event = notes.next() => Some(event),
                Some((id, found)) = looks.next(), if !looks.is_empty() => {
                    // What was notified before this answer has been received: it comes first.
                    while let Some(event) = notes.next().now_or_never() {
                        if let Some(end) = self.note(looker, &event, &mut linked) {
                            return Ok(end);
                        }
                    }
                    let (answer, watches) = found?;
                    if linked {
                        if let Some(watches) = watches {
                            notes.plain.push(watches.fired().boxed());
                        }
                        self.ledger.answer(id, answer);
                    }
                    notes.next().now_or_never()
                }
            };
            while let Some(next) = event {
                if let Some(end) = self.note(looker, &next, &mut linked) {
                    return Ok(end);
                }
                event = notes.next().now_or_never();
            }
            if !linked {
                // A reply of the next connection would show what no notification told of.
                looks.clear();
            }
        }
    }

    fn note(&mut self, looker: &Looker, event: &zk::WatchedEvent, linked: &mut bool) -> Option<End> {
        let path = looker.relative(&event.path);
        let zxid = (event.zxid >= 0).then_some(event.zxid);
        match event.event_type {
            EventType::NodeDeleted => self.ledger.note(Note::Gone, path, zxid),
            EventType::NodeCreated | EventType::NodeDataChanged | EventType::NodeChildrenChanged => {
                self.ledger.note(Note::Touched, path, zxid);
            }
            EventType::Session if looker.plain => {}
            EventType::Session if event.session_state == zk::SessionState::SyncConnected => return Some(End::Gap),
            EventType::Session => *linked = false,
        }
        None
    }

    fn publish(&mut self) {
        let events = self.ledger.publish();
        if !events.is_empty() {
            self.tree.publish(events, self.ledger.hidden());
        }
        if self.ledger.settled() {
            self.tree.settle(self.ledger.hidden());
        }
    }
}

impl Notes {
    /// The next. Cancel safe.
    async fn next(&mut self) -> zk::WatchedEvent {
        if let Some(event) = self.second.take() {
            return event;
        }
        let watcher = async {
            match &mut self.persistent {
                Some(watcher) => watcher.changed().await,
                None => std::future::pending().await,
            }
        };
        let event = tokio::select! {
            biased;
            event = watcher => event,
            Some(fired) = self.plain.next(), if !self.plain.is_empty() => {
                let mut fired: Vec<_> = fired.into_iter().flatten().collect();
                // One without a zxid may be older than any.
                fired.sort_by_key(|event| std::cmp::Reverse(event.zxid));
                let first = fired.pop();
                self.second = fired.pop();
                match first {
                    Some(event) => return event,
                    None => std::future::pending().await,
                }
            }
        };
        if event.event_type == EventType::Session && event.session_state.is_terminated() {
            // Nothing comes after it, and the library panics where it is asked.
            self.persistent = None;
        }
        event
    }
}

/// Resolves when the cache was closed, or its last handle dropped.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
