//! A claim on one item: taken in one step, ended in one step, whoever ends it.
//!
//! Znodes: `claims/<page>/<item>` keeps others out and tells who has it; `items/<page>/<item>/<guid>` is
//! the claim's own, so that no write of an old claim is mistaken for one of a new claim on the same item.
//! Both are ephemeral. The server counts the children that were ever made below the item: that is
//! the number of attempts, and no crash can lose one.

use std::sync::Arc;
use std::time::Instant;

use uuid::Uuid;
use zookeeper_client as zk;

use super::Queue;
use super::batch::{Refused, Step, send};
use super::clock::millis;
use super::item::Item;
use super::name::Spot;
use super::record::{Header, Tenure, json};
use crate::error::{Error, Result};
use crate::path::child;
use crate::session::{Grant, GrantKind, Incarnation, Standing, Stat};

/// How a try to claim an item ended.
pub(super) enum Outcome {
    Ours(Item),
    /// Another consumer has it.
    Taken,
    /// It is not there any more, or became a dead letter.
    Gone,
}

/// The nodes of a claim. Dropped before it is kept, it undoes the claim in the background, the attempt not counted.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) queue: Queue,
    pub(super) incarnation: Arc<Incarnation>,
    pub(super) spot: Spot,
    /// The item.
    pub(super) item: String,
    /// What keeps others out.
    pub(super) mark: String,
    /// The claim's own node.
    pub(super) own: String,
    pub(super) kept: bool,
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.kept {
            let claim = Self {
                queue: self.queue.clone(),
                incarnation: self.incarnation.clone(),
                spot: self.spot.clone(),
                item: std::mem::take(&mut self.item),
                mark: std::mem::take(&mut self.mark),
                own: std::mem::take(&mut self.own),
                kept: true,
            };
            self.incarnation.spawn(async move { claim.undo().await });
        }
    }
}

impl Queue {
    /// Tries to claim the item at `spot`: one flight, which reads it as well.
    ///
    /// # Cancel safety
    /// Dropped, the claim is undone.
    pub(super) async fn claim(
        &self,
        incarnation: &Arc<Incarnation>,
        client: &zk::Client,
        spot: &Spot,
        lease: std::time::Duration,
        asked: Instant,
    ) -> Result<Outcome> {
        let item = child(&self.0.items.page(&spot.page), &spot.name);
        let mark = child(&child(&self.0.claims, &spot.page.name()), &spot.name);
        let own = child(&item, &Uuid::new_v4().simple().to_string());
        let tenure = Tenure { owner: self.0.place.session.config().owner.clone(), lease: millis(lease) };
        let steps = [
            Step::Create(mark.clone(), json(&tenure), zk::CreateMode::Ephemeral),
            Step::Create(own.clone(), Vec::new(), zk::CreateMode::Ephemeral),
        ];
        let (queue, incarnation) = (self.clone(), incarnation.clone());
        let mut claim = Claim { queue, incarnation, spot: spot.clone(), item, mark, own, kept: false };
        let incarnation = claim.incarnation.clone();
        // Whether a claim of ours may have landed without our knowing.
        let mut doubt = false;
        loop {
            let (epoch, sent) = (incarnation.link().epoch, Instant::now());
            let taken = send(&incarnation, client, "claim", &steps);
            let stat = client.check_stat(&claim.own);
            let read = client.get_data(&claim.item);
            match taken.await {
                Ok(_) => {}
                Err(Refused { at: Some(0), error: Error::NoNode(_) }) => {
                    self.0.items.make(&incarnation, client, &spot.page).await?;
                    continue;
                }
                Err(Refused { at: Some(0), error: Error::NodeExists(_) }) => {
                    if !doubt || !claim.stands(client).await? {
                        claim.kept = true;
                        return Ok(Outcome::Taken);
                    }
                }
                Err(Refused { at: Some(_), error: Error::NoNode(_) }) => {
                    claim.kept = true;
                    return Ok(Outcome::Gone);
                }
                Err(Refused { error: Error::ConnectionLost(_), .. }) => {
                    doubt = true;
                    incarnation.connected().await?;
                    continue;
                }
                Err(Refused { error, .. }) => return Err(error),
            }
            let stat = incarnation.request("stat", &claim.own, stat).await;
            let read = incarnation.request("get", &claim.item, read).await;
            let (stat, (data, node)) = match (stat, read) {
                (Ok(Some(stat)), Ok(read)) => (stat, read),
                (Err(Error::ConnectionLost(_)), _) | (_, Err(Error::ConnectionLost(_))) => {
                    doubt = true;
                    incarnation.connected().await?;
                    continue;
                }
                (Ok(None), _) | (_, Err(Error::NoNode(_))) => return Ok(Outcome::Gone),
                (Err(error), _) | (_, Err(error)) => return Err(error),
            };
            self.0.clock.note(stat.ctime, sent);
            let (header, payload) = Header::split(&claim.item, data)?;
            let standing = Standing {
                kind: GrantKind::Claim,
                resource: self.name().to_owned(),
                paths: vec![claim.own.clone()],
                mark: None,
                token: stat.czxid,
                epoch,
                asked,
            };
            let attempt = header.attempts + made(&node);
            if attempt > self.0.settings.max_attempts {
                claim.bury(client, &header, &payload, attempt - 1).await?;
                return Ok(Outcome::Gone);
            }
            incarnation.proven().await?;
            let grant = Grant::new(&incarnation, standing);
            claim.kept = true;
            return Ok(Outcome::Ours(Item::new(claim, grant, header, payload, attempt, lease)));
        }
    }
}

/// How many children a node ever had. `cversion` counts those made and those deleted.
pub(super) fn made(stat: &Stat) -> u32 {
    u32::try_from(i64::midpoint(stat.cversion.into(), stat.num_children.into())).unwrap_or(u32::MAX)
}

impl Claim {
    /// What ends the claim; nothing of it lands where the claim stands no more.
    pub(super) fn ending(&self) -> Vec<Step> {
        vec![Step::Delete(self.own.clone()), Step::Delete(self.mark.clone())]
    }

    /// Whether the claim's own node is there, as the leader knows it.
    pub(super) async fn stands(&self, client: &zk::Client) -> Result<bool> {
        Ok(self.look(client, &self.own).await?.is_some())
    }

    pub(super) async fn look(&self, client: &zk::Client, path: &str) -> Result<Option<Stat>> {
        loop {
            self.incarnation.connected().await?;
            let (sync, stat) = (client.sync(path), client.check_stat(path));
            match self.incarnation.request("sync", path, sync).await {
                Ok(()) | Err(Error::NoNode(_)) => {}
                Err(Error::ConnectionLost(_)) => continue,
                Err(error) => return Err(error),
            }
            match self.incarnation.request("stat", path, stat).await {
                Err(Error::ConnectionLost(_)) => {}
                looked => return looked,
            }
        }
    }

    /// Ends the claim and nothing else, so that the item can be claimed again: the attempt stays counted.
    ///
    /// The mark may be another claim's by now: it is deleted only where it is known to be ours.
    pub(super) async fn retract(&self, token: i64) {
        let Ok(client) = self.incarnation.client() else { return };
        loop {
            match send(&self.incarnation, &client, "end the claim", &self.ending()).await {
                Ok(_) => return,
                Err(Refused { error: Error::ConnectionLost(_), .. }) => {
                    if self.incarnation.connected().await.is_err() {
                        return;
                    }
                }
                // Its own node went first. Nobody but us deletes a mark of ours, and a task of its own does this.
                Err(Refused { at: Some(_), error: Error::NoNode(_) }) => {
                    match self.look(&client, &self.mark).await {
                        Ok(Some(stat)) if stat.czxid == token => {}
                        _ => return,
                    }
                    let delete = client.delete(&self.mark, None);
                    match self.incarnation.request("delete", &self.mark, delete).await {
                        Err(Error::ConnectionLost(_)) => {}
                        _ => return,
                    }
                }
                Err(Refused { error, .. }) => {
                    tracing::warn!(item = self.item, %error, "a claim that ended is still marked; it goes with the session");
                    return;
                }
            }
        }
    }

    /// Undoes a claim that nobody got: the item is where it was, the attempt not counted.
    pub(super) async fn undo(&self) {
        let Ok(client) = self.incarnation.client() else { return };
        let undone = async {
            while self.stands(&client).await? {
                let get = client.get_data(&self.item);
                let (data, node) = match self.incarnation.request("get", &self.item, get).await {
                    Err(Error::ConnectionLost(_)) => continue,
                    read => read?,
                };
                let (mut header, payload) = Header::split(&self.item, data)?;
                header.attempts += made(&node).saturating_sub(1);
                let mut steps = self.ending();
                steps.push(Step::Delete(self.item.clone()));
                steps.push(Step::Create(self.item.clone(), header.with(&payload), zk::CreateMode::Persistent));
                match send(&self.incarnation, &client, "undo the claim", &steps).await {
                    Err(Refused { error: Error::ConnectionLost(_), .. }) => {}
                    Err(Refused { error, .. }) => return Err(error),
                    Ok(_) => return Ok(()),
                }
            }
            Ok(())
        };
        if let Err(error) = undone.await {
            tracing::debug!(item = self.item, %error, "a claim was not undone; it ends with the session");
        }
    }
}
