//! Tasks: submitted by anybody, worked on by whoever is there, each with one result.
//!
//! A task is an item of a [`Queue`] that keeps what became of its items. The step that ends a task deletes
//! its claim and the task, and stores its result; so a result is stored once, whoever else works on the
//! task, and where a worker dies the claim goes with its session and the task is delivered again.
//!
//! ```text
//! <path>/items, claims, dead, ids, results   the queue's: tasks, who has them, given up, ids, what became of them
//! <path>/workers/<guid>                      a worker: its name, its size, how many it did; ephemeral
//! <path>/runs/<guid>                         a driver that waits for results; workers of its run go with it
//! <path>/driver                              the lock that lets one driver at a time fetch results
//! ```
//!
//! Guarantees: a task that was submitted is delivered until it is done, given up after so many attempts, or cancelled,
//! and has one result then; results come in the order of the ends. A task may run more than
//! once: its worker may have died, or lost its claim, after it did the work.
//!
//! Order is by priority, and with every so many seconds of waiting a task gains a level, so that none starves; under
//! [`Strategy::Average`] no worker does more than its share besides, while others are there.
//!
//! | file | what it does |
//! |---|---|
//! | `share` | pure: how many tasks a worker may have done |
//! | `worker` | the next task for a worker, within its share |
//! | `task` | a task at work: heartbeats, the time limit, its end |

pub mod share;
mod task;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::try_join_all;
use serde::Serialize;
use zookeeper_client as zk;

pub use self::share::Card;
pub use self::task::Task;
pub use self::worker::{Next, Role, Worker};
use crate::error::{Error, Result};
use crate::path::child;
use crate::recipes::Queue;
use crate::recipes::place::Place;
use crate::recipes::queue::name::PRIORITIES;
use crate::recipes::queue::{self, Order, Put};
use crate::session::{Incarnation, Session, make_parents};

/// Tasks with ids of the caller's that are submitted at once.
const TOGETHER: usize = 16;

/// How tasks are divided among workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// Each worker does its share at most: tasks over workers, by their sizes, rounded up.
    #[default]
    Average,
    /// Whoever is free takes the next.
    Priority,
}

impl Strategy {
    /// The strategy of this name.
    ///
    /// # Errors
    /// `Config` where there is none.
    pub fn named(name: &str) -> Result<Self> {
        match name {
            "average" => Ok(Self::Average),
            "priority" => Ok(Self::Priority),
            _ => Err(Error::config(format!("tasks: strategy={name:?}; give \"average\" or \"priority\""))),
        }
    }

    /// The name that users write.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Average => "average",
            Self::Priority => "priority",
        }
    }
}

/// How tasks are treated. It belongs to the handle: give every process the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Who works on how many.
    pub strategy: Strategy,
    /// Attempts before a task is given up; at least 1.
    pub max_attempts: u32,
    /// For how long a claim stands without a heartbeat.
    pub lease: Duration,
    /// How long a task waits after its first failure; doubled with each.
    pub backoff: Duration,
    /// In which time a waiting task gains a level of priority.
    pub ageing: Duration,
    /// How long an attempt may take.
    pub time_limit: Option<Duration>,
}

impl Settings {
    fn queue(&self) -> queue::Settings {
        let usual = queue::Settings::default();
        queue::Settings {
            max_attempts: self.max_attempts,
            backoff: self.backoff,
            longest_backoff: usual.longest_backoff.max(self.backoff),
            order: Order::Ageing(self.ageing),
            outcomes: true,
            ..usual
        }
    }

    /// # Errors
    /// `Config` where no attempt is allowed, or none may take any time.
    pub fn check(&self) -> Result<()> {
        if self.max_attempts == 0 {
            return Err(Error::config("tasks: max_attempts=0; give 1 or more"));
        }
        self.queue().check()?;
        let none = |time: Option<Duration>| time.is_some_and(|time| time.is_zero());
        if none(Some(self.lease)) || none(self.time_limit) {
            let Self { lease, time_limit, .. } = self;
            return Err(Error::config(format!(
                "tasks: lease={lease:?}, time_limit={time_limit:?}: an attempt needs some time; give more than 0"
            )));
        }
        Ok(())
    }
}

/// A handle on the tasks at one path. Clones are one handle.
#[derive(Clone, Debug)]
pub struct Tasks(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    place: Place,
    settings: Settings,
    queue: Queue,
    /// Whether the node is there that tells tasks from a queue.
    marked: AtomicBool,
}

/// How things stand.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// Tasks that wait or are at work.
    pub queued: usize,
    /// Those of them that somebody works on.
    pub at_work: usize,
    /// Tasks that were given up.
    pub dead: usize,
    /// Results that nobody fetched yet.
    pub results: usize,
    /// Who is there.
    pub workers: Vec<Card>,
}

impl Tasks {
    /// A handle on the tasks at `path`.
    ///
    /// # Errors
    /// `InvalidPath`, also for the root; `Config` as [`Settings::check`].
    pub fn new(session: &Session, path: &str, settings: Settings) -> Result<Self> {
        settings.check()?;
        let queue = Queue::new(session, path, settings.queue())?;
        let place = Place::new(session, "tasks", path)?;
        Ok(Self(Arc::new(Inner { place, settings, queue, marked: AtomicBool::new(false) })))
    }

    /// The path as the user wrote it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.place.name
    }

    /// The queue that the tasks are items of.
    #[must_use]
    pub fn queue(&self) -> &Queue {
        &self.0.queue
    }

    /// Submits tasks, higher priorities first, and returns their ids. With `dedupe`, each has the id of that place,
    /// and what repeats an earlier task is that one; such tasks arrive in no certain order.
    ///
    /// # Cancel safety
    /// Some of what was sent lands all the same.
    ///
    /// # Errors
    /// As [`Queue::put`] and [`Queue::put_many`]; `Config` where there are not as many ids as tasks.
    pub async fn submit(
        &self,
        payloads: &[impl AsRef<[u8]> + Sync],
        priority: i32,
        dedupe: Option<&[String]>,
    ) -> Result<Vec<String>> {
        if !PRIORITIES.contains(&priority) {
            return Err(Error::config(format!("submit: priority={priority}; give -999 to 999, higher goes first")));
        }
        let (queue, how) = (self.queue(), Put { priority: -priority, ..Put::default() });
        let Some(dedupe) = dedupe else {
            let ids = queue.put_many(payloads, &how).await?;
            self.mark().await;
            return Ok(ids);
        };
        if dedupe.len() != payloads.len() {
            let (ids, tasks) = (dedupe.len(), payloads.len());
            return Err(Error::config(format!("submit: {ids} dedupe ids for {tasks} tasks; give one for each")));
        }
        let mut ids = Vec::with_capacity(payloads.len());
        for (payloads, dedupe) in payloads.chunks(TOGETHER).zip(dedupe.chunks(TOGETHER)) {
            let hows: Vec<Put> = dedupe.iter().map(|id| Put { dedupe: Some(id.clone()), ..how.clone() }).collect();
            let each = payloads.iter().zip(&hows).map(|(payload, how)| queue.put(payload.as_ref(), how));
            ids.extend(try_join_all(each.collect::<Vec<_>>()).await?);
        }
        self.mark().await;
        Ok(ids)
    }

    /// Makes the directory of the workers, once: before any came, it tells whoever looks at the nodes that these are
    /// tasks. Where that fails, the first worker makes it.
    async fn mark(&self) {
        if self.0.marked.swap(true, Ordering::Relaxed) {
            return;
        }
        if let Ok(incarnation) = self.0.place.session.live().await {
            let _ = self.mark_in(&incarnation).await;
        }
    }

    async fn mark_in(&self, incarnation: &Incarnation) -> Result<()> {
        let client = incarnation.client()?;
        make_parents(incarnation, &client, &self.workers_path(), zk::CreateMode::Container).await
    }

    /// How many tasks there are of each kind, and who works on them.
    ///
    /// # Errors
    /// `ConnectionLost` where the ensemble stays away.
    pub async fn status(&self) -> Result<Status> {
        let queue::Depth { queued, at_work, dead, outcomes } = self.queue().depth().await?;
        let path = &self.workers_path();
        let workers = self.0.place.session.look(|incarnation| async move {
            let client = incarnation.client()?;
            worker::cards(&incarnation, &client, path).await
        });
        let workers = workers.await?;
        Ok(Status { queued, at_work, dead, results: outcomes, workers: workers.into_values().collect() })
    }

    fn workers_path(&self) -> String {
        child(&self.0.place.path, "workers")
    }
}
