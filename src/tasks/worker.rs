//! A worker: a node that says who it is and how many tasks it did, and the next task for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::sync::{Mutex, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use uuid::Uuid;
use zookeeper_client as zk;

use super::share::{Card, share};
use super::task::Task;
use super::{Strategy, Tasks};
use crate::error::{Error, Result};
use crate::path::child;
use crate::recipes::queue::Note;
use crate::recipes::watching::{gone, look};
use crate::retry::Deadline;
use crate::session::{Incarnation, Leaf, list_again};

/// How long a worker of a run waits for the others before it takes its first task.
const PATIENCE: Duration = Duration::from_secs(3);

/// After how long a worker that did its share looks whether there is more to do.
const AGAIN: Duration = Duration::from_millis(500);

/// How somebody works.
#[derive(Clone, Debug, PartialEq)]
pub struct Role {
    /// Who it says it is.
    pub name: String,
    /// Its size beside the others'.
    pub capacity: f64,
    /// How many workers are expected, this one included.
    pub expected: usize,
    /// The run that it works for, where it is to end with one.
    pub run: Option<String>,
}

/// What a worker is to do next.
#[derive(Debug)]
pub enum Next {
    /// This.
    Task(Task),
    /// Nothing came within the time.
    Nothing,
    /// It may go: the run is over.
    Over,
}

/// A worker, there until it is dropped.
#[derive(Debug)]
pub struct Worker {
    inner: Arc<Inner>,
    over: watch::Receiver<bool>,
    following: Option<AbortHandle>,
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some(following) = &self.following {
            following.abort();
        }
    }
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) tasks: Tasks,
    role: Role,
    path: String,
    done: AtomicU64,
    /// Our node, in the session that it is of.
    node: Mutex<Option<(Arc<Incarnation>, Leaf)>>,
    share: Mutex<Option<Share>>,
    since: Instant,
}

/// How many tasks we may have done, until workers come or go.
#[derive(Debug)]
struct Share {
    most: u64,
    changed: watch::Receiver<bool>,
    watching: AbortHandle,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

impl Tasks {
    /// Makes a worker; nobody sees it before it asks for its first task.
    ///
    /// # Errors
    /// `Config` where the capacity is no number above 0.
    pub fn worker(&self, role: Role) -> Result<Worker> {
        if !(role.capacity.is_finite() && role.capacity > 0.0) {
            return Err(Error::config(format!("work: capacity={}; give a number above 0", role.capacity)));
        }
        let (told, over) = watch::channel(false);
        let run = role.run.as_ref().map(|run| child(&child(&self.0.place.path, "runs"), run));
        let following = run.map(|run| {
            let tasks = self.clone();
            tokio::spawn(async move {
                tasks.follow(&run).await;
                told.send_replace(true);
            })
            .abort_handle()
        });
        let path = child(&self.workers_path(), &Uuid::new_v4().simple().to_string());
        let inner = Inner {
            tasks: self.clone(),
            role,
            path,
            done: AtomicU64::new(0),
            node: Mutex::default(),
            share: Mutex::default(),
            since: Instant::now(),
        };
        Ok(Worker { inner: Arc::new(inner), over, following })
    }

    /// Resolves when the run's node is gone, or we shall never know.
    async fn follow(&self, run: &str) {
        loop {
            let Ok(incarnation) = self.0.place.session.next_live().await else { return };
            let followed = async {
                let client = incarnation.client()?;
                match look(&incarnation, &client, run).await? {
                    Some(stat) => gone(&incarnation, &client, run, stat.czxid).await,
                    None => Ok(()),
                }
            };
            match followed.await {
                Err(Error::SessionExpired(_) | Error::ConnectionLost(_)) => {}
                Err(why) => {
                    tracing::warn!(run, %why, "cannot follow the run; its worker ends");
                    return;
                }
                Ok(()) => return,
            }
        }
    }
}

impl Worker {
    /// The next task, within this worker's share; waits for one.
    ///
    /// # Cancel safety
    /// A wait that is dropped leaves no claim; a task claimed in that moment is put back, the attempt not counted.
    ///
    /// # Errors
    /// `Closed`, `AuthFailed`, `NotAuthorized`.
    pub async fn next(&self, timeout: Option<Duration>) -> Result<Next> {
        let mut over = self.over.clone();
        let told = async {
            // Without a run, nobody tells.
            if over.wait_for(|over| *over).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let (wait, deadline) = (timeout != Some(Duration::ZERO), Deadline::after(timeout));
        let taken = async {
            if wait {
                deadline.bound(Box::pin(self.inner.take(true))).await.unwrap_or(Ok(None))
            } else {
                Box::pin(self.inner.take(false)).await
            }
        };
        tokio::select! {
            biased;
            () = told => Ok(Next::Over),
            task = taken => Ok(task?.map_or(Next::Nothing, Next::Task)),
        }
    }
}

impl Inner {
    /// The next task; `None` where there is none for us now, and we are not to wait.
    async fn take(self: &Arc<Self>, wait: bool) -> Result<Option<Task>> {
        let settings = &self.tasks.0.settings;
        let average = settings.strategy == Strategy::Average;
        loop {
            let ready = async { if average { self.turn(wait).await } else { self.present().await.map(|()| true) } };
            match ready.await {
                Ok(true) => {}
                Ok(false) => return Ok(None),
                // Its end is seen by the next turn of the loop, which asks for the next session.
                Err(Error::SessionExpired(_) | Error::ConnectionLost(_)) => continue,
                Err(why) => return Err(why),
            }
            let queue = self.tasks.queue();
            let lease = settings.lease;
            let item = if wait { Some(queue.get(None, lease).await?) } else { queue.try_get(lease).await? };
            let Some(item) = item else { return Ok(None) };
            // Others may have come while we waited.
            if average && !self.may().await {
                match item.put_back().await {
                    Ok(()) | Err(Error::ClaimLost(_)) => continue,
                    Err(why) => return Err(why),
                }
            }
            return Ok(Some(Task::new(item, self.clone())));
        }
    }

    /// Makes our node, where this session has none.
    async fn present(&self) -> Result<()> {
        let incarnation = self.tasks.0.place.session.next_live().await?;
        let mut node = self.node.lock().await;
        if node.as_ref().is_some_and(|(of, _)| Arc::ptr_eq(of, &incarnation)) {
            return Ok(());
        }
        let card = self.card(self.done.load(Ordering::Acquire));
        let leaf = loop {
            match Leaf::create(&incarnation, self.path.clone(), &card).await {
                Err(Error::NoNode(_)) => self.tasks.mark_in(&incarnation).await?,
                leaf => break leaf?,
            }
        };
        *node = Some((incarnation, leaf));
        Ok(())
    }

    /// Makes our node again, where it is gone though its session lives.
    async fn remake(&self, incarnation: &Arc<Incarnation>) -> Result<()> {
        let mut node = self.node.lock().await;
        let Some((_, leaf)) = node.as_mut().filter(|(of, _)| Arc::ptr_eq(of, incarnation)) else { return Ok(()) };
        let card = self.card(self.done.load(Ordering::Acquire));
        while let Err(why) = leaf.make(&card).await {
            match why {
                Error::NoNode(_) => self.tasks.mark_in(incarnation).await?,
                why => return Err(why),
            }
        }
        Ok(())
    }

    /// Waits until we may take a task; false where we may not now, and are not to wait.
    async fn turn(&self, wait: bool) -> Result<bool> {
        loop {
            self.present().await?;
            if self.may().await {
                return Ok(true);
            }
            let (crowd, mut changed) = self.look().await?;
            // Who starts early would do what is others' to do.
            let early = (crowd < self.role.expected).then(|| PATIENCE.saturating_sub(self.since.elapsed()));
            let pause = match early.filter(|left| !left.is_zero()) {
                Some(left) => left,
                None if self.may().await => return Ok(true),
                None if !wait => return Ok(false),
                None => AGAIN,
            };
            tokio::select! {
                _ = changed.wait_for(|changed| *changed) => {}
                () = tokio::time::sleep(pause) => {}
            }
            *self.share.lock().await = None;
        }
    }

    /// Whether we did less than our share, as far as we know.
    async fn may(&self) -> bool {
        let share = self.share.lock().await;
        share.as_ref().is_some_and(|share| !*share.changed.borrow() && self.done.load(Ordering::Acquire) < share.most)
    }

    /// Works out our share; returns how many workers there are, and what tells that this changed.
    async fn look(&self) -> Result<(usize, watch::Receiver<bool>)> {
        let incarnation = self.tasks.0.place.session.next_live().await?;
        let client = incarnation.client()?;
        let path = self.tasks.workers_path();
        let list = client.list_and_watch_children(&path);
        let (names, watcher) = match incarnation.request("watch", &path, list).await {
            // The server removed the directory when it was empty: so is our node gone.
            Err(Error::NoNode(_)) => {
                self.remake(&incarnation).await?;
                let list = client.list_and_watch_children(&path);
                incarnation.request("watch", &path, list).await?
            }
            listed => listed?,
        };
        let (told, changed) = watch::channel(false);
        let follow = tokio::spawn(async move {
            drop(watcher.changed().await);
            told.send_replace(true);
        });
        // Who did what before what is open: a task that ends in between is missed, and not counted twice.
        let cards = read(&incarnation, &client, &path, &names).await?;
        let open = self.tasks.queue().len().await?;
        let me = cards.keys().position(|path| *path == self.path).unwrap_or(usize::MAX);
        if me == usize::MAX {
            // Whoever is not there has no share: the next look counts us again.
            self.remake(&incarnation).await?;
        }
        let most = share(cards.values(), me, open)?;
        let (crowd, watching) = (cards.len(), follow.abort_handle());
        *self.share.lock().await = Some(Share { most, changed: changed.clone(), watching });
        Ok((crowd, changed))
    }

    /// What is stored with the end of a task: who did it, what came of it, and that it was one more.
    pub(super) fn note(&self, value: Vec<u8>) -> Note {
        let card = self.card(self.done.load(Ordering::Acquire) + 1);
        Note {
            worker: self.role.name.clone(),
            capacity: self.role.capacity,
            value,
            tally: Some((self.path.clone(), card)),
        }
    }

    pub(super) fn did_one(&self) {
        self.done.fetch_add(1, Ordering::AcqRel);
    }

    fn card(&self, done: u64) -> Vec<u8> {
        let Role { name, capacity, .. } = &self.role;
        // A plain struct of strings and numbers always serialises.
        serde_json::to_vec(&Card { name: name.clone(), capacity: *capacity, done }).unwrap_or_default()
    }
}

/// Who is there, by the paths of their nodes.
pub(super) async fn cards(
    incarnation: &Incarnation,
    client: &zk::Client,
    path: &str,
) -> Result<BTreeMap<String, Card>> {
    match list_again(incarnation, client, path).await {
        Err(Error::NoNode(_)) => Ok(BTreeMap::new()),
        names => read(incarnation, client, path, &names?).await,
    }
}

async fn read(
    incarnation: &Incarnation,
    client: &zk::Client,
    path: &str,
    names: &[String],
) -> Result<BTreeMap<String, Card>> {
    let each = names.iter().map(|name| async move {
        let path = child(path, name);
        match incarnation.request("get", &path, client.get_data(&path)).await {
            Ok((data, _)) => serde_json::from_slice(&data)
                .map(|card| Some((path.clone(), card)))
                .map_err(|why| Error::server(format!("read '{path}': it is no worker of ours ({why}); remove it"))),
            Err(Error::NoNode(_)) => Ok(None),
            Err(why) => Err(why),
        }
    });
    Ok(try_join_all(each).await?.into_iter().flatten().collect())
}
