//! The copy that users see. It changes exactly when events are published, so that it is always their sum.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::watch;

use super::event::{Event, Kind, Node};
use super::feed::Feed;
use crate::error::{Error, Result};

type Nodes = BTreeMap<String, Arc<Node>>;

/// The copy at one moment.
///
/// It has every change of the subtree up to and including `zxid`. Where changes were under way when it was
/// taken, single nodes may be newer: their stat's `mzxid` says so.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Zxid of the last change it has.
    pub zxid: i64,
    /// By path below the cache's; the root is `""`. Shared with the copy until that changes.
    pub nodes: Arc<Nodes>,
    /// Those that this session may not read, as they were met; what is below them is not known. Servers from 3.9.2 on
    /// notify nobody of such nodes: one that comes later is met when the link was lost.
    pub hidden: Arc<BTreeSet<String>>,
}

impl Snapshot {
    /// A node; the root is `""`.
    #[must_use]
    pub fn node(&self, path: &str) -> Option<&Arc<Node>> {
        self.nodes.get(path)
    }

    /// The names of a node's children, sorted; `None` where there is no such node.
    #[must_use]
    pub fn children(&self, path: &str) -> Option<Vec<String>> {
        self.nodes.contains_key(path).then(|| children(&self.nodes, path))
    }
}

/// The names of the children of `path`, found without looking at every node below them.
pub(super) fn children<V>(nodes: &BTreeMap<String, V>, path: &str) -> Vec<String> {
    let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
    let (mut from, mut names) = (prefix.clone(), Vec::new());
    while let Some((found, _)) = nodes.range(from..).next() {
        let Some(rest) = found.strip_prefix(&prefix) else { break };
        from = if let Some((child, _)) = rest.split_once('/') {
            // '0' follows '/': past everything below this child.
            format!("{prefix}{child}0")
        } else {
            if !rest.is_empty() {
                names.push(rest.to_owned());
            }
            format!("{found}\0")
        };
    }
    names
}

/// How far the follower came.
#[derive(Clone, Debug)]
pub(super) enum Progress {
    Loading,
    Ready,
    /// The root may not be read; it is tried again.
    Refused(Error),
    Over(Error),
}

/// Written by the follower, read by everybody.
#[derive(Debug)]
pub(super) struct Tree {
    state: Mutex<State>,
    progress: watch::Sender<Progress>,
}

#[derive(Debug, Default)]
struct State {
    now: Snapshot,
    /// Readers of events; gone ones are dropped at the next event.
    feeds: Vec<Weak<Feed>>,
}

impl Default for Tree {
    fn default() -> Self {
        Self { state: Mutex::default(), progress: watch::Sender::new(Progress::Loading) }
    }
}

impl Tree {
    pub(super) fn progress(&self) -> Progress {
        self.progress.borrow().clone()
    }

    pub(super) fn is_ready(&self) -> bool {
        matches!(*self.progress.borrow(), Progress::Ready)
    }

    pub(super) async fn ready(&self) -> Result<()> {
        let mut progress = self.progress.subscribe();
        match progress.wait_for(|progress| !matches!(progress, Progress::Loading)).await.as_deref() {
            Ok(Progress::Refused(why) | Progress::Over(why)) => Err(why.clone()),
            _ => Ok(()),
        }
    }

    pub(super) async fn over(&self) {
        // Resolves as well where the follower is gone.
        let _ = self.progress.subscribe().wait_for(|progress| matches!(progress, Progress::Over(_))).await;
    }

    pub(super) fn snapshot(&self) -> Result<Snapshot> {
        match &*self.progress.borrow() {
            Progress::Refused(why) | Progress::Over(why) => Err(why.clone()),
            Progress::Loading | Progress::Ready => Ok(self.state().now.clone()),
        }
    }

    pub(super) fn feed(&self) -> Arc<Feed> {
        let feed = Arc::new(Feed::default());
        self.state().feeds.push(Arc::downgrade(&feed));
        if matches!(*self.progress.borrow(), Progress::Over(_)) {
            feed.end();
        }
        feed
    }

    /// Makes changes seen, and what is `hidden`; `events` are in zxid order.
    pub(super) fn publish(&self, events: Vec<Event>, hidden: &Arc<BTreeSet<String>>) {
        let mut state = self.state();
        let State { now, feeds } = &mut *state;
        now.hidden.clone_from(hidden);
        feeds.retain(|feed| feed.strong_count() > 0);
        let listening: Vec<_> = feeds.iter().filter_map(Weak::upgrade).collect();
        let nodes = Arc::make_mut(&mut now.nodes);
        for event in events {
            now.zxid = now.zxid.max(event.zxid);
            match event.kind {
                Kind::Deleted => nodes.remove(&event.path),
                Kind::Created | Kind::Changed => nodes.insert(event.path.clone(), event.node.clone()),
            };
            let event = Arc::new(event);
            for feed in &listening {
                feed.push(event.clone());
            }
        }
    }

    /// The copy is equal to the server's tree now, or was a moment ago, but for what is hidden.
    pub(super) fn settle(&self, hidden: &Arc<BTreeSet<String>>) {
        self.state().now.hidden.clone_from(hidden);
        self.progress.send_if_modified(|progress| {
            let first = !matches!(progress, Progress::Ready);
            if first {
                *progress = Progress::Ready;
            }
            first
        });
    }

    /// The root may not be read: nobody is shown what it was before. False where that is known.
    pub(super) fn refuse(&self, why: Error) -> bool {
        self.progress.send_if_modified(|progress| {
            let first = !matches!(progress, Progress::Refused(_));
            if first {
                *progress = Progress::Refused(why);
            }
            first
        })
    }

    /// Nothing will change any more.
    pub(super) fn finish(&self, why: Error) {
        self.progress.send_replace(Progress::Over(why));
        for feed in self.state().feeds.drain(..).filter_map(|feed| feed.upgrade()) {
            feed.end();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
