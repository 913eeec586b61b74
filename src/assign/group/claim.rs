//! A claim on one item: taken in one step, ended in one step, and what is saved while it stands.
//!
//! Znodes: `claims/<item>` keeps others out and says who has it; `fences/<guid>` is the claim's own, so that no write of
//! an old claim passes for one of the next holder's. Both are ephemeral, made and deleted together; the zxid of that
//! is the partition's epoch and the fencing token. `progress/<item>` is what the holders saved, persistent, and
//! written only in one step with a check of the writer's own node. `done/<item>` has the result: it is made in the step
//! that deletes the last claim.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::watch;
use uuid::Uuid;
use zookeeper_client as zk;

use super::item::Item;
use super::layout::Layout;
use crate::error::{Error, Result};
use crate::recipes::queue::batch::{Refused, Step, send};
use crate::session::{Grant, GrantKind, Incarnation, Standing, Stat};

/// What a mark says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Mark {
    pub(super) member: String,
    pub(super) fence: String,
}

/// What `progress/<item>` and `done/<item>` hold.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    /// The claim that wrote it.
    pub(super) token: i64,
    pub(super) by: String,
    /// A checkpoint, or a result: JSON.
    pub(super) value: Box<RawValue>,
}

/// How a try to claim an item ended.
#[derive(Debug)]
pub(super) enum Outcome {
    Ours(Arc<Holding>),
    Taken,
    Done,
}

/// What is held.
#[derive(Debug)]
pub(super) struct Holding {
    pub(super) item: Item,
    pub(super) member: String,
    pub(super) grant: Arc<Grant>,
    pub(super) asked: watch::Sender<bool>,
    pub(super) done: AtomicBool,
    /// Whether the user dropped it.
    pub(super) abandoned: AtomicBool,
    incarnation: Arc<Incarnation>,
    layout: Arc<Layout>,
    saved: Mutex<Option<String>>,
}

impl PartialEq for Holding {
    fn eq(&self, other: &Self) -> bool {
        self.grant.paths() == other.grant.paths()
    }
}

/// Who asks.
#[derive(Clone, Debug)]
pub(super) struct Claimant {
    pub(super) group: String,
    pub(super) member: String,
    pub(super) layout: Arc<Layout>,
}

impl Claimant {
    /// Tries to claim the item: one flight, which also reads what the last holder saved.
    ///
    /// # Cancel safety
    /// Let it run to its end: dropped, it may leave a claim that goes with the session.
    ///
    /// # Errors
    /// `NoNode` where the group is gone; `SessionExpired`, `NotAuthorized` and the like.
    pub(super) async fn take(&self, incarnation: &Arc<Incarnation>, item: Item) -> Result<Outcome> {
        let (client, asked) = (incarnation.client()?, Instant::now());
        let guid = Uuid::new_v4().simple().to_string();
        let (mark, own) = (self.layout.mark(item.name()), self.layout.fence(&guid));
        let (saved_at, done_at) = (self.layout.progress(item.name()), self.layout.finished(item.name()));
        let says = json(&Mark { member: self.member.clone(), fence: guid })?;
        let steps = [
            Step::Create(mark.clone(), says, zk::CreateMode::Ephemeral),
            Step::Create(own.clone(), Vec::new(), zk::CreateMode::Ephemeral),
        ];
        let mut doubt = false;
        loop {
            let epoch = incarnation.link().epoch;
            // All requests are queued before the first reply is awaited.
            let landed = send(incarnation, &client, "claim", &steps);
            let saved = client.get_data(&saved_at);
            let finished = client.check_stat(&done_at);
            let made = match landed.await {
                Ok(results) => match results.first() {
                    Some(zk::MultiWriteResult::Create { stat, .. }) if !stat.is_invalid() => Some(stat.czxid),
                    // Servers before 3.9 leave the stat out.
                    _ => None,
                },
                Err(Refused { at: Some(0), error: Error::NodeExists(_) }) if !doubt => return Ok(Outcome::Taken),
                Err(Refused { at: Some(0), error: Error::NodeExists(_) }) => None,
                Err(Refused { error: Error::ConnectionLost(_), .. }) => {
                    doubt = true;
                    incarnation.connected().await?;
                    continue;
                }
                Err(Refused { error, .. }) => return Err(error),
            };
            let token = match made {
                Some(token) => token,
                None => match look(incarnation, &client, &own).await? {
                    Some(stat) => stat.czxid,
                    // It was another's, and what we sent did not land.
                    None => return Ok(Outcome::Taken),
                },
            };
            let standing = Standing {
                kind: GrantKind::Claim,
                resource: format!("{}/{}", self.group, item.text()),
                paths: vec![own],
                mark: Some(mark),
                token,
                epoch,
                asked,
            };
            incarnation.proven().await?;
            let grant = Grant::new(incarnation, standing);
            let reads = async {
                let finished = match incarnation.request("look up", &done_at, finished).await {
                    Err(Error::ConnectionLost(_)) => look(incarnation, &client, &done_at).await?,
                    found => found?,
                };
                let saved = match incarnation.request("get", &saved_at, saved).await {
                    Err(Error::ConnectionLost(_)) => get(incarnation, &client, &saved_at).await?,
                    Err(Error::NoNode(_)) => None,
                    read => Some(read?.0),
                };
                Ok::<_, Error>((finished, saved))
            };
            let (finished, saved) = match reads.await {
                Ok(read) => read,
                Err(why) => {
                    drop(grant.release());
                    return Err(why);
                }
            };
            if finished.is_some() {
                // Whoever finished it did so before we could claim it.
                grant.release().done().await;
                return Ok(Outcome::Done);
            }
            let saved = saved.and_then(|data| serde_json::from_slice::<Record>(&data).ok());
            return Ok(Outcome::Ours(Arc::new(Holding {
                item,
                member: self.member.clone(),
                grant,
                asked: watch::Sender::new(false),
                done: AtomicBool::new(false),
                abandoned: AtomicBool::new(false),
                incarnation: incarnation.clone(),
                layout: self.layout.clone(),
                saved: Mutex::new(saved.map(|record| record.value.get().to_owned())),
            })));
        }
    }

    /// Resolves when whoever has the item may have let go of it.
    ///
    /// # Cancel safety
    /// Leaves no watch.
    pub(super) async fn freed(&self, incarnation: &Incarnation, item: &Item) -> Result<()> {
        let (client, mark) = (incarnation.client()?, self.layout.mark(item.name()));
        loop {
            match incarnation.request("watch", &mark, client.get_and_watch_data(&mark)).await {
                Ok((_, _, watcher)) => tokio::select! {
                    _ = watcher.changed() => return Ok(()),
                    why = incarnation.ended() => return Err(why),
                },
                Err(Error::NoNode(_)) => return Ok(()),
                Err(Error::ConnectionLost(_)) => incarnation.connected().await?,
                Err(why) => return Err(why),
            }
        }
    }
}

impl Holding {
    /// Whether the user has no handle on it any more.
    pub(super) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Acquire)
    }

    /// What was saved last, by this holder or one before it: JSON text.
    pub(super) fn restore(&self) -> Option<String> {
        self.saved.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Saves JSON text for this and later holders, only while the claim stands.
    pub(super) async fn checkpoint(&self, value: String) -> Result<()> {
        if self.done.load(Ordering::Acquire) && self.grant.released() {
            return Err(Error::not_owner(format!(
                "claim on {}: it was finished before; save what later owners need before done()",
                self.item.text()
            )));
        }
        self.grant.check().map_err(|_| self.refused())?;
        let path = self.layout.progress(self.item.name());
        let data = self.record(&value)?;
        let check = Step::Check(self.own()?, -1);
        let mut exists = true;
        loop {
            let client = self.incarnation.client().map_err(|_| self.refused())?;
            let write = if exists {
                Step::Set(path.clone(), data.clone(), None)
            } else {
                Step::Create(path.clone(), data.clone(), zk::CreateMode::Persistent)
            };
            let steps = [check.clone(), write];
            match send(&self.incarnation, &client, "checkpoint", &steps).await {
                Ok(_) => {
                    *self.saved.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
                    return Ok(());
                }
                Err(Refused { at: Some(0), error: Error::NoNode(_) }) => return Err(self.grant.fenced()),
                Err(Refused { at: Some(1), error: Error::NoNode(_) }) if exists => exists = false,
                // Made by an earlier try whose reply was lost.
                Err(Refused { at: Some(1), error: Error::NodeExists(_) }) => exists = true,
                // Nobody else writes it while our node stands: once more changes nothing.
                Err(Refused { error: Error::ConnectionLost(_), .. }) => {
                    self.incarnation.connected().await.map_err(|why| self.over(why))?;
                }
                Err(Refused { error, .. }) => return Err(self.over(error)),
            }
        }
    }

    /// Finishes the item for good, with a result as JSON text; the claim ends in the same step, and the grant is to be
    /// told so with `spent`.
    pub(super) async fn done(&self, value: &str) -> Result<()> {
        if self.done.swap(true, Ordering::AcqRel) {
            return Err(Error::not_owner(format!(
                "claim on {}: it was finished before; finish each once",
                self.item.text()
            )));
        }
        let mut settling = Settling(self, false);
        self.grant.check().map_err(|_| self.refused())?;
        self.grant.ending(true);
        let (own, finished) = (self.own()?, self.layout.finished(self.item.name()));
        let steps = [
            Step::Delete(own.clone()),
            Step::Create(finished.clone(), self.record(value)?, zk::CreateMode::Persistent),
            Step::Delete(self.layout.mark(self.item.name())),
        ];
        loop {
            let client = self.incarnation.client().map_err(|_| self.refused())?;
            match send(&self.incarnation, &client, "finish", &steps).await {
                Ok(_) => break,
                Err(Refused { at: Some(0), error: Error::NoNode(_) }) => {
                    // It landed where the result is ours.
                    let found = get(&self.incarnation, &client, &finished).await.map_err(|why| self.over(why))?;
                    let theirs = found.and_then(|data| serde_json::from_slice::<Record>(&data).ok());
                    if theirs.is_some_and(|record| record.token == self.grant.token()) {
                        break;
                    }
                    return Err(self.grant.fenced());
                }
                Err(Refused { error: Error::ConnectionLost(_), .. }) => {
                    self.incarnation.connected().await.map_err(|why| self.over(why))?;
                }
                Err(Refused { error, .. }) => return Err(self.over(error)),
            }
        }
        settling.1 = true;
        Ok(())
    }

    fn own(&self) -> Result<String> {
        self.grant.paths().first().cloned().ok_or_else(|| self.grant.loss())
    }

    fn record(&self, value: &str) -> Result<Vec<u8>> {
        let value = RawValue::from_string(value.to_owned())
            .map_err(|why| Error::config(format!("claim on {}: no JSON: {why}", self.item.text())))?;
        json(&Record { token: self.grant.token(), by: self.member.clone(), value })
    }

    fn refused(&self) -> Error {
        self.grant.fenced()
    }

    /// What the caller is told where the session ended with the claim.
    fn over(&self, why: Error) -> Error {
        if why.session_ended() {
            self.grant.lose(&format!("{why}; what was under way may have landed in its last moment"));
            return self.grant.fenced();
        }
        why
    }
}

/// While something finishes the item; where that was cancelled or failed, something else may.
struct Settling<'a>(&'a Holding, bool);

impl Drop for Settling<'_> {
    fn drop(&mut self) {
        if !self.1 {
            self.0.grant.ending(false);
            self.0.done.store(false, Ordering::Release);
        }
    }
}

/// The stat of a node as the leader of the ensemble has it; it asks until a server answers.
pub(super) async fn look(incarnation: &Incarnation, client: &zk::Client, path: &str) -> Result<Option<Stat>> {
    loop {
        incarnation.connected().await?;
        let (sync, stat) = (client.sync(path), client.check_stat(path));
        match incarnation.request("sync", path, sync).await {
            Ok(()) | Err(Error::NoNode(_)) => {}
            Err(Error::ConnectionLost(_)) => continue,
            Err(why) => return Err(why),
        }
        match incarnation.request("look up", path, stat).await {
            Err(Error::ConnectionLost(_)) => {}
            found => return found,
        }
    }
}

async fn get(incarnation: &Incarnation, client: &zk::Client, path: &str) -> Result<Option<Vec<u8>>> {
    loop {
        incarnation.connected().await?;
        let (sync, data) = (client.sync(path), client.get_data(path));
        match incarnation.request("sync", path, sync).await {
            Ok(()) | Err(Error::NoNode(_)) => {}
            Err(Error::ConnectionLost(_)) => continue,
            Err(why) => return Err(why),
        }
        match incarnation.request("get", path, data).await {
            Ok((data, _)) => return Ok(Some(data)),
            Err(Error::NoNode(_)) => return Ok(None),
            Err(Error::ConnectionLost(_)) => {}
            Err(why) => return Err(why),
        }
    }
}

fn json(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|why| Error::config(format!("JSON: {why}")))
}
