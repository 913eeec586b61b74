//! Following what the group publishes: its spec, its assignment, what is done. It only reads.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::document;
use super::layout::Layout;
use super::published::Published;
use super::spec::Spec;
use crate::error::{Error, Result};
use crate::retry::delays;
use crate::session::{Incarnation, Succession};

/// How soon the list of what is done is read again: it changes with every item, and is as long as all items.
const DONE_AGAIN: Duration = Duration::from_millis(200);

/// The newest of each; `None` while nothing was read, or where there is none.
#[derive(Clone, Debug)]
pub(super) struct Board {
    pub(super) spec: watch::Receiver<Option<Arc<Spec>>>,
    pub(super) assignment: watch::Receiver<Option<Arc<Published>>>,
    /// Names.
    pub(super) done: watch::Receiver<Option<Arc<BTreeSet<String>>>>,
    /// They end with the last board.
    _tasks: Arc<JoinSet<()>>,
}

impl Board {
    /// Follows them, from a spec that was read before, until the last clone is dropped, without keeping the session open.
    pub(super) fn new(succession: &Succession, layout: &Layout, spec: Arc<Spec>) -> Self {
        let mut tasks = JoinSet::new();
        let (spec, on_spec) = watch::channel(Some(spec));
        let path = layout.spec.clone();
        tasks.spawn(follow(succession.clone(), spec, move |incarnation, tell| {
            let path = path.clone();
            async move { follow_document(&incarnation, &path, &tell, |data| read_spec(&data)).await }
        }));
        let (assignment, on_assignment) = watch::channel(None);
        let path = layout.assignment.clone();
        tasks.spawn(follow(succession.clone(), assignment, move |incarnation, tell| {
            let path = path.clone();
            async move { follow_document(&incarnation, &path, &tell, |data| Published::read(&data)).await }
        }));
        let (done, on_done) = watch::channel(None);
        let path = layout.done.clone();
        tasks.spawn(follow(succession.clone(), done, move |incarnation, tell| {
            let path = path.clone();
            async move { follow_children(&incarnation, &path, &tell).await }
        }));
        Self { spec: on_spec, assignment: on_assignment, done: on_done, _tasks: Arc::new(tasks) }
    }
}

pub(super) fn read_spec(data: &[u8]) -> Result<Spec> {
    serde_json::from_slice(data)
        .map_err(|why| Error::server(format!("a spec that cannot be read: {why}; was it written by hand?")))
}

/// Attends every incarnation until no session will come.
async fn follow<T, F, W>(mut succession: Succession, tell: watch::Sender<T>, mut attend: F)
where
    F: FnMut(Arc<Incarnation>, watch::Sender<T>) -> W,
    W: Future<Output = Result<()>>,
{
    let mut pauses = delays();
    while let Ok(incarnation) = succession.next_live().await {
        match attend(incarnation.clone(), tell.clone()).await {
            Ok(()) => pauses = delays(),
            Err(Error::ConnectionLost(_)) => drop(incarnation.connected().await),
            Err(why) if why.session_ended() || why.is_terminated() => {}
            Err(why) => {
                tracing::warn!(%why, "a group's state cannot be read now; trying again");
                tokio::time::sleep(pauses.next().unwrap_or_default()).await;
            }
        }
    }
}

async fn follow_document<T: PartialEq>(
    incarnation: &Incarnation,
    path: &str,
    tell: &watch::Sender<Option<Arc<T>>>,
    read: impl Fn(Vec<u8>) -> Result<T>,
) -> Result<()> {
    let client = incarnation.client()?;
    // The new session's server may lag behind the old one's.
    match incarnation.request("sync", path, client.sync(path)).await {
        Ok(()) | Err(Error::NoNode(_)) => {}
        Err(why) => return Err(why),
    }
    loop {
        let (found, watcher) = match incarnation.request("watch", path, client.get_and_watch_data(path)).await {
            Ok((head, _, watcher)) => match document::follow_head(incarnation, path, head).await? {
                Some(data) => (Some(Arc::new(read(data)?)), watcher),
                // Replaced meanwhile.
                None => continue,
            },
            Err(Error::NoNode(_)) => {
                match incarnation.request("watch", path, client.check_and_watch_stat(path)).await? {
                    (None, watcher) => (None, watcher),
                    (Some(_), _) => continue,
                }
            }
            Err(why) => return Err(why),
        };
        tell.send_if_modified(|known| {
            let news = *known != found;
            *known = found;
            news
        });
        tokio::select! {
            _ = watcher.changed() => {}
            why = incarnation.ended() => return Err(why),
        }
    }
}

async fn follow_children(
    incarnation: &Incarnation,
    path: &str,
    tell: &watch::Sender<Option<Arc<BTreeSet<String>>>>,
) -> Result<()> {
    let client = incarnation.client()?;
    loop {
        let read = Instant::now();
        let (found, watcher) = match incarnation.request("list", path, client.list_and_watch_children(path)).await {
            Ok((names, watcher)) => (names.into_iter().collect(), watcher),
            Err(Error::NoNode(_)) => {
                match incarnation.request("watch", path, client.check_and_watch_stat(path)).await? {
                    (None, watcher) => (BTreeSet::new(), watcher),
                    (Some(_), _) => continue,
                }
            }
            Err(why) => return Err(why),
        };
        tell.send_if_modified(|known| {
            let news = known.as_deref() != Some(&found);
            *known = Some(Arc::new(found));
            news
        });
        tokio::select! {
            _ = watcher.changed() => tokio::time::sleep_until(read + DONE_AGAIN).await,
            why = incarnation.ended() => return Err(why),
        }
    }
}
