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

    /// Every page, in delivery order.
    pub(super) async fn pages(&self, incarnation: &Incarnation, client: &zk::Client) -> Result<Vec<Page>> {
        match list_again(incarnation, client, &self.path).await {
            Err(Error::NoNode(_)) => Ok(Vec::new()),
            names => Ok(ordered(&names?)),
        }
    }

    /// Lands `prefix` and one item for each of `entries` (stem of the name, data) at the end of `stream`, or nothing.
    ///
    /// # Errors
    /// A refusal of one of the prefix's steps with its index, and everything else that is not about pages.
    pub(super) async fn append(
        &self,
        incarnation: &Incarnation,
        client: &zk::Client,
        stream: Stream,
        prefix: &[Step],
        entries: &[(String, Vec<u8>)],
    ) -> Result<Vec<MultiWriteResult>, Refused> {
        let mut steps = prefix.to_vec();
        loop {
            let page = stream.page(self.tail(incarnation, client, stream).await?);
            let path = self.page(&page);
            steps.truncate(prefix.len());
            steps.push(Step::Check(path.clone(), 0));
            steps.extend(entries.iter().map(|(stem, data)| {
                Step::Create(child(&path, stem), data.clone(), zk::CreateMode::PersistentSequential)
            }));
            match send(incarnation, client, "put into", &steps).await {
                Ok(results) => {
                    if let Some(MultiWriteResult::Create { path: last, .. }) = results.last()
                        && sequence(last) + 1 >= PAGE
                    {
                        // Refused where somebody else has sealed it; lost, the next put seals it.
                        drop(client.set_data(&path, b"full", Some(0)));
                        self.remember(stream, page.number + 1);
                    }
                    return Ok(results);
                }
                Err(Refused { at: Some(at), error: Error::BadVersion(_) }) if at == prefix.len() => {
                    self.remember(stream, page.number + 1);
                }
                Err(Refused { at: Some(at), error: Error::NoNode(_) }) if at == prefix.len() => {
                    self.find_or_make(incarnation, client, page).await?;
                }
                refused => return refused,
            }
        }
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

/// The pages among `names`, in delivery order.
pub(super) fn ordered(names: &[String]) -> Vec<Page> {
    let mut pages: Vec<Page> = names.iter().filter_map(|name| Page::parse(name)).collect();
    pages.sort_unstable();
    pages
}

fn last(pages: &[Page], stream: Stream) -> Option<u64> {
    pages.iter().filter(|page| page.stream == stream).map(|page| page.number).max()
}
