//! Dead letters: items whose attempts are used up, until somebody puts them again or removes them.

use zookeeper_client as zk;

use super::Queue;
use super::batch::{Refused, Step, send};
use super::name::{id, stem};
use super::pages::{Shelf, append};
use super::record::Header;
use crate::error::{Error, Result};
use crate::path::{child, name};
use crate::session::{Incarnation, Stat, list_again};

/// Nodes read in one flight.
const FLIGHT: usize = 100;

/// An item that was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its id.
    pub id: String,
    /// What was put.
    pub payload: Vec<u8>,
    /// How many times it was delivered.
    pub attempts: u32,
    /// What went wrong in the last.
    pub error: String,
    /// Lower went first.
    pub priority: i32,
    /// When it was given up: milliseconds since 1970 on the server's wall clock.
    pub since: i64,
}

impl Queue {
    /// Items whose attempts are used up, `limit` at most where one is given.
    ///
    /// # Errors
    /// `ConnectionLost` where the ensemble stays away.
    pub async fn dead_letters(&self, limit: Option<usize>) -> Result<Vec<DeadLetter>> {
        let look = self.0.place.session.look(|incarnation| async move {
            let mut letters = Vec::new();
            let client = incarnation.client()?;
            let mut paths = every(&self.0.dead, &incarnation, &client, |_| true).await?;
            paths.truncate(limit.unwrap_or(usize::MAX));
            for paths in paths.chunks(FLIGHT) {
                for (path, data, stat) in read(&incarnation, &client, paths).await? {
                    let (header, payload) = Header::split(path, data)?;
                    let Header { attempts, error, priority, .. } = header;
                    let id = id(name(path)).to_owned();
                    letters.push(DeadLetter {
                        id,
                        payload,
                        attempts,
                        error: error.unwrap_or_default(),
                        priority,
                        since: stat.ctime,
                    });
                }
            }
            Ok(letters)
        });
        look.await
    }

    /// Puts a dead letter, or all, back into the queue with all attempts before them. Returns how many.
    ///
    /// # Errors
    /// `ConnectionLost` where the ensemble stays away; those before have been put.
    pub async fn retry_dead(&self, wanted: Option<&str>) -> Result<usize> {
        self.each_dead(wanted, true).await
    }

    /// Removes a dead letter, or all. Returns how many.
    ///
    /// # Errors
    /// `ConnectionLost` where the ensemble stays away; those before have been removed.
    pub async fn purge_dead(&self, wanted: Option<&str>) -> Result<usize> {
        self.each_dead(wanted, false).await
    }

    async fn each_dead(&self, wanted: Option<&str>, again: bool) -> Result<usize> {
        let incarnation = self.0.place.session.live().await?;
        let client = incarnation.client()?;
        let is_wanted = |name: &str| wanted.is_none_or(|wanted| id(name) == wanted);
        let mut done = 0;
        for path in every(&self.0.dead, &incarnation, &client, is_wanted).await? {
            let mut steps = vec![Step::Delete(path.clone())];
            loop {
                let ended = if again {
                    let Some((_, data, _)) = read(&incarnation, &client, std::slice::from_ref(&path)).await?.pop()
                    else {
                        break;
                    };
                    let (header, payload) = Header::split(&path, data)?;
                    let header = Header { attempts: 0, error: None, failed: 0, ..header };
                    let entry = (stem(id(name(&path)), 0), header.with(&payload));
                    if let Some(dedupe) = &header.dedupe {
                        steps.truncate(1);
                        steps.extend(self.reopened(&incarnation, &client, dedupe, id(&entry.0)).await?);
                    }
                    let (stream, _) =
                        self.stream(&incarnation, &client, header.priority, std::time::Duration::ZERO).await?;
                    let batch = self.0.items.batch(stream, std::slice::from_ref(&entry));
                    append(&incarnation, &client, "put back into", &steps, &[batch]).await
                } else {
                    send(&incarnation, &client, "remove the dead letter", &steps).await
                };
                match ended {
                    Ok(_) => done += 1,
                    // Gone: by somebody else, or by us before the reply was lost. Counted once the latter is not excluded.
                    Err(Refused { at: Some(0), error: Error::NoNode(_) }) => {}
                    Err(Refused { error: Error::ConnectionLost(_), .. }) => {
                        incarnation.connected().await?;
                        continue;
                    }
                    Err(Refused { at: Some(_), error: Error::NoNode(_) | Error::BadVersion(_) }) => continue,
                    Err(refused) => return Err(refused.into()),
                }
                break;
            }
        }
        Ok(done)
    }
}

/// The paths of every item on a shelf whose name is wanted, in order.
pub(super) async fn every(
    shelf: &Shelf,
    incarnation: &Incarnation,
    client: &zk::Client,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<String>> {
    let mut paths = Vec::new();
    for page in shelf.pages(incarnation, client).await? {
        let path = shelf.page(&page);
        match list_again(incarnation, client, &path).await {
            Err(Error::NoNode(_)) => {}
            names => {
                let mut names: Vec<String> = names?.into_iter().filter(|name| wanted(name)).collect();
                names.sort_by_key(|name| super::name::sequence(name));
                paths.extend(names.iter().map(|name| child(&path, name)));
            }
        }
    }
    Ok(paths)
}

/// Reads nodes in one flight, each with its path and stat; those that are gone are left out.
pub(super) async fn read<'a>(
    incarnation: &Incarnation,
    client: &zk::Client,
    paths: &'a [String],
) -> Result<Vec<(&'a String, Vec<u8>, Stat)>> {
    'again: loop {
        let replies: Vec<_> = paths.iter().map(|path| client.get_data(path)).collect();
        let mut found = Vec::with_capacity(paths.len());
        for (path, reply) in paths.iter().zip(replies) {
            match incarnation.request("get", path, reply).await {
                Ok((data, stat)) => found.push((path, data, stat)),
                Err(Error::NoNode(_)) => {}
                Err(Error::ConnectionLost(_)) => {
                    incarnation.connected().await?;
                    continue 'again;
                }
                Err(error) => return Err(error),
            }
        }
        return Ok(found);
    }
}
