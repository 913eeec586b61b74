//! Pages: where items are appended, so that no listing grows with the queue.
//!
//! A page takes items while its data version is 0. Who finds it full seals it (sets its data), and
//! items go to the page after it, which is made when it is first missed. An append checks the version in
//! its multi, so that nothing lands on a page that others left behind: arrival order is page, then
//! sequence. Pages are containers: the server removes them when they are empty.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use zookeeper_client as zk;
use zookeeper_client::MultiWriteResult;

use super::batch::{Refused, Step, send};
use super::name::{Page, Stream, sequence};
use super::order::Order;
use crate::error::{Error, Result};
use crate::path::child;
use crate::session::{Incarnation, list_again, make_parents};

/// How many items a page takes, give or take what is put at once.
pub(super) const PAGE: i64 = 500;

/// Streams whose last page is remembered.
const REMEMBERED: usize = 64;

/// A directory of pages, and the one where claims on its items are laid down, where there are any.
#[derive(Debug)]
pub(super) struct Shelf {
    pub(super) path: String,
    pub(super) claims: Option<String>,
    /// The last page of each stream, as far as we know.
    tails: Mutex<HashMap<Stream, u64>>,
}

impl Shelf {
    pub(super) fn new(path: String, claims: Option<String>) -> Self {
        Self { path, claims, tails: Mutex::default() }
    }

    pub(super) fn page(&self, page: &Page) -> String {
        child(&self.path, &page.name())
    }

    /// Every page, in the order of a queue that knows no other.
    pub(super) async fn pages(&self, incarnation: &Incarnation, client: &zk::Client) -> Result<Vec<Page>> {
        let mut pages = match list_again(incarnation, client, &self.path).await {
            Err(Error::NoNode(_)) => Vec::new(),
            names => parse(&names?),
        };
        Order::Strict.pages(&mut pages);
        Ok(pages)
    }

    /// These entries (stem of the name, data) at the end of `stream`, for [`append`].
    pub(super) fn batch<'a>(&'a self, stream: Stream, entries: &'a [(String, Vec<u8>)]) -> Batch<'a> {
        Batch { shelf: self, stream, entries }
    }

    /// Makes a page, with the directory for claims on it; both may be there already.
    pub(super) async fn make(&self, incarnation: &Incarnation, client: &zk::Client, page: &Page) -> Result<()> {
        let path = self.page(page);
        let container = zk::CreateMode::Container;
        let Some(claims) = &self.claims else { return make_parents(incarnation, client, &path, container).await };
        let claims = child(claims, &page.name());
        tokio::try_join!(
            make_parents(incarnation, client, &claims, container),
            make_parents(incarnation, client, &path, container)
        )?;
        Ok(())
    }

    async fn tail(&self, incarnation: &Incarnation, client: &zk::Client, stream: Stream) -> Result<u64> {
        if let Some(number) = self.tails().get(&stream) {
            return Ok(*number);
        }
        let last = last(&self.pages(incarnation, client).await?, stream).unwrap_or(0);
        self.remember(stream, last);
        Ok(last)
    }

    async fn find_or_make(&self, incarnation: &Incarnation, client: &zk::Client, page: Page) -> Result<()> {
        match last(&self.pages(incarnation, client).await?, page.stream) {
            Some(number) if number > page.number => self.remember(page.stream, number),
            _ => self.make(incarnation, client, &page).await?,
        }
        Ok(())
    }

    fn remember(&self, stream: Stream, number: u64) {
        let mut tails = self.tails();
        if tails.len() >= REMEMBERED {
            tails.clear();
        }
        tails.insert(stream, number);
    }

    fn tails(&self) -> std::sync::MutexGuard<'_, HashMap<Stream, u64>> {
        self.tails.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What goes to the end of one stream of a shelf.
pub(super) struct Batch<'a> {
    shelf: &'a Shelf,
    stream: Stream,
    entries: &'a [(String, Vec<u8>)],
}

/// Lands `prefix` and all entries of the batches, or nothing.
///
/// # Errors
/// A refusal of one of the prefix's steps with its index, and everything else that is not about pages.
pub(super) async fn append(
    incarnation: &Incarnation,
    client: &zk::Client,
    attempt: &'static str,
    prefix: &[Step],
    batches: &[Batch<'_>],
) -> Result<Vec<MultiWriteResult>, Refused> {
    let mut steps = prefix.to_vec();
    loop {
        steps.truncate(prefix.len());
        // Each batch with its page, and where its steps begin and end.
        let mut placed = Vec::with_capacity(batches.len());
        for batch in batches {
            let Batch { shelf, stream, entries } = batch;
            let page = stream.page(shelf.tail(incarnation, client, *stream).await?);
            let (path, first) = (shelf.page(&page), steps.len());
            steps.push(Step::Check(path.clone(), 0));
            steps.extend(entries.iter().map(|(stem, data)| {
                Step::Create(child(&path, stem), data.clone(), zk::CreateMode::PersistentSequential)
            }));
            placed.push((batch, page, first, steps.len() - 1));
        }
        let (at, error) = match send(incarnation, client, attempt, &steps).await {
            Ok(results) => {
                for (Batch { shelf, stream, .. }, page, _, last) in placed {
                    if let Some(MultiWriteResult::Create { path: last, .. }) = results.get(last)
                        && sequence(last) + 1 >= PAGE
                    {
                        // Refused where somebody else has sealed it; lost, the next put seals it.
                        drop(client.set_data(&shelf.page(&page), b"full", Some(0)));
                        shelf.remember(*stream, page.number + 1);
                    }
                }
                return Ok(results);
            }
            Err(Refused { at: Some(at), error }) => (at, error),
            refused => return refused,
        };
        let Some((Batch { shelf, stream, .. }, page, ..)) = placed.into_iter().find(|(.., first, _)| *first == at)
        else {
            return Err(Refused { at: Some(at), error });
        };
        match error {
            Error::BadVersion(_) => shelf.remember(*stream, page.number + 1),
            Error::NoNode(_) => shelf.find_or_make(incarnation, client, page).await?,
            error => return Err(Refused { at: Some(at), error }),
        }
    }
}

/// The pages among `names`.
pub(super) fn parse(names: &[String]) -> Vec<Page> {
    names.iter().filter_map(|name| Page::parse(name)).collect()
}

fn last(pages: &[Page], stream: Stream) -> Option<u64> {
    pages.iter().filter(|page| page.stream == stream).map(|page| page.number).max()
}
