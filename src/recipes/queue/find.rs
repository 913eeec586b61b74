//! Which items can be claimed now, in delivery order, and what to wait for where there is none.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use zookeeper_client as zk;

use super::Queue;
use super::name::{Page, Spot};
use super::order::Order;
use super::pages::parse;
use crate::error::{Error, Result};
use crate::path::child;
use crate::session::Incarnation;

/// What a look at the queue found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Items that nobody has and that are due, the next one first; not all of them.
    pub(super) ready: Vec<Spot>,
    /// How long until something becomes due that is not yet.
    pub(super) due_in: Option<Duration>,
    /// Fires when any of the listings that showed this may have changed; empty where none was asked for.
    pub(super) changes: JoinSet<()>,
}

/// Pages listed together: the first look takes few, a queue whose head is all at work takes more.
const FIRST_WAVE: usize = 2;

impl Queue {
    /// Looks at pages in delivery order until one has an item to claim. With `watch`, what was listed is watched.
    ///
    /// One flight where the head page is the one we saw last, else two; more where whole pages are at work.
    pub(super) async fn find(
        &self,
        incarnation: &std::sync::Arc<Incarnation>,
        client: &zk::Client,
        watch: bool,
    ) -> Result<Found> {
        let mut found = Found::default();
        let hint = if watch { None } else { *self.hint() };
        // The head page that we saw last is asked for in the same flight as the list of pages.
        let pages = List::send(client, self.0.items.path.clone(), watch);
        let mut known = hint.map(|page| (page, self.peek(client, page, false)));
        let names = pages.receive(incarnation, &mut found.changes).await?;
        let Some(names) = names else {
            if watch {
                await_first(incarnation, client, &self.0.items.path, &mut found.changes).await?;
            }
            return Ok(found);
        };
        let mut pages = parse(&names);
        self.0.settings.order.pages(&mut pages);
        let mut now = None;
        if pages.iter().any(|page| page.stream.start > 0) {
            now = Some(self.time(incarnation, client).await?.at_least(Instant::now()));
        }
        let time = now.unwrap_or(0);
        let mut soonest: Option<i64> = None;
        let mut later = |due: i64| soonest = Some(soonest.map_or(due, |soonest| soonest.min(due)));
        let (active, waiting): (Vec<Page>, Vec<Page>) = pages.iter().partition(|page| page.stream.start <= time);
        for page in waiting {
            later(page.stream.start);
        }
        // What was asked for already may be all that is needed; items that wait for their time may overlap with others'.
        let alone = |page: &Page| page.stream.start == 0 || self.0.settings.order != Order::Strict;
        let asked = active.first().is_some_and(|page| alone(page) && hint == Some(*page));
        let (mut next, mut wave) = (0, if asked { 1 } else { FIRST_WAVE });
        while next < active.len() && found.ready.is_empty() {
            let batch = &active[next..(next + wave).min(active.len())];
            let looks: Vec<_> = batch
                .iter()
                .enumerate()
                .map(|(at, page)| match known.take_if(|(known, _)| known == page && at == 0) {
                    Some((page, look)) => (page, look),
                    None => (*page, self.peek(client, *page, watch)),
                })
                .collect();
            for (page, (items, claims)) in looks {
                let items = items.receive(incarnation, &mut found.changes).await?.unwrap_or_default();
                let claims = claims.receive(incarnation, &mut found.changes).await?.unwrap_or_default();
                let last = !pages.iter().any(|other| other.stream == page.stream && other.number > page.number);
                if items.is_empty() && !last {
                    self.discard(client, page);
                }
                let claimed: std::collections::HashSet<&str> = claims.iter().map(String::as_str).collect();
                let free = items.iter().filter(|name| !claimed.contains(name.as_str()));
                for spot in free.filter_map(|name| Spot::parse(page, name)) {
                    if spot.due > time { later(spot.due) } else { found.ready.push(spot) }
                }
            }
            next += batch.len();
            wave *= 2;
        }
        self.0.settings.order.spots(&mut found.ready);
        *self.hint() = found.ready.first().map(|spot| spot.page).or(hint);
        found.due_in = soonest.map(|due| Duration::from_millis(u64::try_from(due - time).unwrap_or(0).max(1)));
        Ok(found)
    }

    /// Asks for a page's items and the claims on them.
    fn peek<'c>(&self, client: &'c zk::Client, page: Page, watch: bool) -> (List<'c>, List<'c>) {
        let items = List::send(client, self.0.items.page(&page), watch);
        (items, List::send(client, child(&self.0.claims, &page.name()), watch))
    }

    /// Removes a page that takes no items any more and has none. Refused where it has.
    fn discard(&self, client: &zk::Client, page: Page) {
        drop(client.delete(&self.0.items.page(&page), None));
        drop(client.delete(&child(&self.0.claims, &page.name()), None));
    }

    fn hint(&self) -> std::sync::MutexGuard<'_, Option<Page>> {
        self.0.hint.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// There are no pages at `path` yet: the first append makes the directory.
pub(super) async fn await_first(
    incarnation: &Incarnation,
    client: &zk::Client,
    path: &str,
    changes: &mut JoinSet<()>,
) -> Result<()> {
    let (stat, watcher) = incarnation.request("watch", path, client.check_and_watch_stat(path)).await?;
    changes.spawn(async move {
        // Where it exists by now, the next look sees it.
        if stat.is_none() {
            let _ = watcher.changed().await;
        }
    });
    Ok(())
}

type Names = Result<Vec<String>, zk::Error>;
type Watched = Result<(Vec<String>, zk::OneshotWatcher), zk::Error>;

/// A listing that was asked for and not yet received.
pub(super) struct List<'c> {
    path: String,
    reply: Reply<'c>,
}

enum Reply<'c> {
    Plain(std::pin::Pin<Box<dyn Future<Output = Names> + Send + 'c>>),
    Watched(std::pin::Pin<Box<dyn Future<Output = Watched> + Send + 'c>>),
}

impl<'c> List<'c> {
    pub(super) fn send(client: &'c zk::Client, path: String, watch: bool) -> Self {
        let reply = if watch {
            Reply::Watched(Box::pin(client.list_and_watch_children(&path)))
        } else {
            Reply::Plain(Box::pin(client.list_children(&path)))
        };
        Self { path, reply }
    }

    /// `None` where there is no such node.
    pub(super) async fn receive(
        self,
        incarnation: &Incarnation,
        changes: &mut JoinSet<()>,
    ) -> Result<Option<Vec<String>>> {
        let listed = match self.reply {
            Reply::Plain(reply) => incarnation.request("list", &self.path, reply).await,
            Reply::Watched(reply) => incarnation.request("list", &self.path, reply).await.map(|(names, watcher)| {
                changes.spawn(async move {
                    let _ = watcher.changed().await;
                });
                names
            }),
        };
        match listed {
            Ok(names) => Ok(Some(names)),
            Err(Error::NoNode(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
