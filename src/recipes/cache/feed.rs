//! One reader's events, kept until it reads them.
//!
//! A reader that falls far behind loses no state and costs no unbounded memory: what it has not read yet is
//! reduced to what it amounts to, at most a deletion and a creation, or one change, for each path.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::ledger::{Event, Kind};

/// How many unread events are kept as they are.
const LIMIT: usize = 65_536;

/// A queue of events for one reader.
#[derive(Debug)]
pub struct Feed {
    queue: Mutex<Queue>,
    news: Notify,
}

#[derive(Debug)]
struct Queue {
    events: VecDeque<Arc<Event>>,
    limit: usize,
    over: bool,
}

/// What a reader found.
#[derive(Debug)]
pub(super) enum Waiting {
    Event(Arc<Event>),
    /// There will be none.
    Over,
}

impl Default for Feed {
    fn default() -> Self {
        Self::new(LIMIT)
    }
}

impl Feed {
    /// Keeps `limit` unread events before it reduces them.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { queue: Mutex::new(Queue { events: VecDeque::new(), limit, over: false }), news: Notify::new() }
    }

    /// Adds an event.
    pub fn push(&self, event: Arc<Event>) {
        let mut queue = self.queue();
        queue.events.push_back(event);
        if queue.events.len() > queue.limit {
            let all = std::mem::take(&mut queue.events);
            queue.events = net(all);
            // More paths than that: reducing again at every event would cost more than it saves.
            queue.limit = queue.limit.max(2 * queue.events.len());
        }
        self.news.notify_one();
    }

    /// Takes the next event that is there.
    pub fn take(&self) -> Option<Arc<Event>> {
        self.queue().events.pop_front()
    }

    pub(super) fn end(&self) {
        self.queue().over = true;
        self.news.notify_one();
    }

    pub(super) async fn next(&self) -> Waiting {
        loop {
            {
                let mut queue = self.queue();
                match queue.events.pop_front() {
                    Some(event) => return Waiting::Event(event),
                    None if queue.over => {
                        // For a second reader of the same feed.
                        self.news.notify_one();
                        return Waiting::Over;
                    }
                    None => {}
                }
            }
            self.news.notified().await;
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the events of each path amount to, in zxid order.
fn net(events: VecDeque<Arc<Event>>) -> VecDeque<Arc<Event>> {
    let mut by_path: HashMap<String, (Arc<Event>, Option<Arc<Event>>, Arc<Event>)> = HashMap::new();
    for event in events {
        match by_path.get_mut(&event.path) {
            Some((_, created, last)) => {
                if event.kind == Kind::Created {
                    *created = Some(event.clone());
                }
                *last = event;
            }
            None => {
                let created = (event.kind == Kind::Created).then(|| event.clone());
                by_path.insert(event.path.clone(), (event.clone(), created, event));
            }
        }
    }
    let mut left = Vec::with_capacity(2 * by_path.len());
    for (first, created, last) in by_path.into_values() {
        let was_there = first.kind != Kind::Created;
        match (was_there, last.kind, created) {
            (false, Kind::Deleted, _) => {}
            (true, Kind::Deleted, _) | (_, _, None) => left.push(last),
            (was_there, _, Some(created)) => {
                if was_there {
                    // It went and came back; the first deletion is the one that ended what was there.
                    left.push(Arc::new(Event { kind: Kind::Deleted, zxid: created.zxid, ..Event::clone(&first) }));
                }
                // Created then, with what it has now.
                left.push(Arc::new(Event { node: last.node.clone(), ..Event::clone(&created) }));
            }
        }
    }
    left.sort_by_key(|event| event.order());
    left.into()
}
