//! One reader's events, kept until it reads them.
//!
//! A reader that falls far behind loses no state and costs no unbounded memory: what it has not read yet is
//! reduced to what it amounts to, at most a deletion and a creation, or one change, for each path.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::event::{Event, Kind};

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

    /// Resolves when there is an event to take, with true, or will be none any more, with false.
    pub(super) async fn ready(&self) -> bool {
        loop {
            {
                let queue = self.queue();
                if !queue.events.is_empty() || queue.over {
                    // For a second reader of the same feed.
                    self.news.notify_one();
                    return !queue.events.is_empty();
                }
            }
            self.news.notified().await;
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What happened to one path.
struct Story {
    first: Arc<Event>,
    /// The last creation.
    created: Option<Arc<Event>>,
    last: Arc<Event>,
}

/// What the events of each path amount to, in zxid order.
fn net(events: VecDeque<Arc<Event>>) -> VecDeque<Arc<Event>> {
    let mut stories: HashMap<String, Story> = HashMap::new();
    for event in events {
        let created = (event.kind == Kind::Created).then(|| event.clone());
        if let Some(story) = stories.get_mut(&event.path) {
            story.created = created.or_else(|| story.created.take());
            story.last = event;
        } else {
            stories.insert(event.path.clone(), Story { first: event.clone(), created, last: event });
        }
    }
    let mut left = Vec::with_capacity(2 * stories.len());
    for Story { first, created, last } in stories.into_values() {
        let was_there = first.kind != Kind::Created;
        match created {
            _ if last.kind == Kind::Deleted => left.extend(was_there.then_some(last)),
            None => left.push(last),
            Some(created) => {
                if was_there {
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
