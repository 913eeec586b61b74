//! An item at work: acknowledge it, give it back, or keep it for longer.
//!
//! The lease is kept by the task that this process's session runs beside its heartbeat: whatever keeps the
//! session alive also ends the claim in time, and where the session dies the claim goes with it. No
//! other machine's clock is asked. Each of the three is one multi that begins with deleting (or checking) the
//! claim's own node, so a late one is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use super::batch::{Refused, Step, send};
use super::claim::Claim;
use super::clock::millis;
use super::fate::{Fate, Note};
use super::name::stem;
use super::record::{Header, Tenure, json};
use super::rules::{back_off, last_error};
use crate::error::{Error, Result};
use crate::session::Grant;

/// How much of an error's text is kept.
const KEPT: usize = 4_000;

/// An item that was delivered to us. Dropping it does not give it back: its lease does.
#[derive(Clone, Debug)]
pub struct Item(Arc<Work>);

#[derive(Debug)]
struct Work {
    claim: Claim,
    grant: Arc<Grant>,
    header: Header,
    payload: Vec<u8>,
    attempt: u32,
    until: watch::Sender<Instant>,
    settled: AtomicBool,
}

/// While something settles the item; where that was cancelled or failed, something else may.
struct Settling<'a>(&'a Work, bool);

impl Drop for Settling<'_> {
    fn drop(&mut self) {
        if !self.1 {
            self.0.grant.ending(false);
            self.0.settled.store(false, Ordering::Release);
        }
    }
}

impl Item {
    pub(super) fn new(
        claim: Claim,
        grant: Arc<Grant>,
        header: Header,
        payload: Vec<u8>,
        attempt: u32,
        lease: Duration,
    ) -> Self {
        let until = watch::Sender::new(after(lease));
        let work = Arc::new(Work { claim, grant, header, payload, attempt, until, settled: AtomicBool::new(false) });
        let kept = work.clone();
        work.claim.incarnation.spawn(async move { keep(&kept, lease).await });
        Self(work)
    }

    /// Its id, the same in every attempt.
    #[must_use]
    pub fn id(&self) -> &str {
        self.0.claim.spot.id()
    }

    /// What was put.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.0.payload
    }

    /// How many times it was delivered, this one included.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.0.attempt
    }

    /// Lower goes first.
    #[must_use]
    pub fn priority(&self) -> i32 {
        self.0.header.priority
    }

    /// What the last attempt that failed reported.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.0.header.error.as_deref()
    }

    /// The queue's path, as the user wrote it.
    #[must_use]
    pub fn queue(&self) -> &str {
        self.0.claim.queue.name()
    }

    /// What stands behind it: token, state, loss.
    #[must_use]
    pub fn grant(&self) -> &Arc<Grant> {
        &self.0.grant
    }

    /// How much of the lease is left; zero once the claim is lost or settled.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.0.grant.valid_for().min(self.0.until.borrow().saturating_duration_since(Instant::now()))
    }

    /// True once it was acknowledged or given back.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.0.settled.load(Ordering::Acquire)
    }

    /// The work is done: removes the item, where the claim still stands. One round trip.
    ///
    /// # Cancel safety
    /// What was sent takes effect all the same.
    ///
    /// # Errors
    /// `ClaimLost` where it was, or can be, delivered to another; `NotOwner` where it was settled before.
    pub async fn ack(&self) -> Result<()> {
        self.settle(&Fate::Done(self.0.attempt, None)).await
    }

    /// As [`Item::ack`], and stores what came of it in the same step, in a queue that keeps outcomes.
    ///
    /// # Cancel safety
    /// What was sent takes effect all the same.
    ///
    /// # Errors
    /// As [`Item::ack`]; `PayloadTooLarge`.
    pub(crate) async fn complete(&self, note: Note) -> Result<()> {
        self.settle(&Fate::Done(self.0.attempt, Some(note))).await
    }

    /// The work failed: another attempt later, after `delay`, or after a back-off that doubles with each attempt. With
    /// the last attempt used up it becomes a dead letter. The error's text is kept.
    ///
    /// # Cancel safety
    /// What was sent takes effect all the same.
    ///
    /// # Errors
    /// `ClaimLost`, `NotOwner` as [`Item::ack`].
    pub async fn give_back(&self, error: Option<&str>, delay: Option<Duration>) -> Result<()> {
        self.give_up(error, delay, None).await
    }

    /// As [`Item::give_back`]; with the last attempt used up, the note is stored with the dead letter.
    pub(crate) async fn give_up(&self, error: Option<&str>, delay: Option<Duration>, note: Option<Note>) -> Result<()> {
        let Work { claim, header, payload, attempt, .. } = &*self.0;
        let settings = &claim.queue.0.settings;
        let mut header = Header { attempts: *attempt, ..header.clone() };
        if let Some(error) = error {
            header.error = Some(error.chars().take(KEPT).collect());
            header.failed = *attempt;
        }
        if *attempt >= settings.max_attempts {
            header.error = Some(last_error(&header, *attempt));
            let entry = (stem(self.id(), 0), header.with(payload));
            return self.settle(&Fate::Buried(&header, entry, note)).await;
        }
        #[expect(clippy::cast_precision_loss, reason = "chance needs no precision")]
        let luck = Uuid::new_v4().as_u128() as f64 / u128::MAX as f64;
        let delay = delay.unwrap_or_else(|| back_off(*attempt, settings.backoff, settings.longest_backoff, luck));
        if delay.is_zero() {
            return self.settle(&Fate::Stays(header.with(payload))).await;
        }
        let client = claim.incarnation.client().map_err(|why| self.over(&why))?;
        let waits = claim.queue.stream(&claim.incarnation, &client, header.priority, delay).await;
        let (stream, due) = waits.map_err(|why| self.over(&why))?;
        self.settle(&Fate::Waits(stream, (stem(self.id(), due), header.with(payload)))).await
    }

    /// Nothing was done with it: it is where it was, at once, and the attempt does not count.
    ///
    /// # Errors
    /// `ClaimLost`, `NotOwner` as [`Item::ack`].
    pub async fn put_back(&self) -> Result<()> {
        let Work { header, payload, .. } = &*self.0;
        let header = Header { attempts: self.0.attempt.saturating_sub(1), ..header.clone() };
        self.settle(&Fate::Stays(header.with(payload))).await
    }

    /// As [`Item::put_back`], in the background, for an item that its caller never got.
    pub fn return_unseen(&self) {
        let item = self.clone();
        self.0.claim.incarnation.spawn(async move {
            if let Err(why) = item.put_back().await {
                tracing::debug!(item = item.id(), %why, "an item that nobody got was not put back; its lease ends it");
            }
        });
    }

    /// Keeps it for `lease` from now on.
    ///
    /// # Errors
    /// `ClaimLost`, `NotOwner` as [`Item::ack`]; `Config` for no time at all.
    pub async fn extend(&self, lease: Duration) -> Result<()> {
        if lease.is_zero() {
            return Err(Error::config(
                "extend: lease=0; give the seconds that the work may still take, or give it back",
            ));
        }
        let Work { claim, grant, until, .. } = &*self.0;
        if self.is_settled() {
            return Err(self.settled_before());
        }
        let client = claim.incarnation.client().map_err(|why| self.over(&why))?;
        let tenure = Tenure { owner: claim.queue.0.place.session.config().owner.clone(), lease: millis(lease) };
        let steps = [Step::Check(claim.own.clone(), -1), Step::Set(claim.mark.clone(), json(&tenure), None)];
        loop {
            grant.check().map_err(|_| grant.fenced())?;
            let end = after(lease);
            match send(&claim.incarnation, &client, "extend the lease of", &steps).await {
                Ok(_) => {
                    until.send_replace(end);
                    return grant.check();
                }
                Err(Refused { at: Some(_), .. }) => return Err(grant.fenced()),
                Err(Refused { error: Error::ConnectionLost(_), .. }) => {
                    claim.incarnation.connected().await.map_err(|why| self.over(&why))?;
                }
                Err(Refused { error, .. }) => return Err(self.over(&error)),
            }
        }
    }

    async fn settle(&self, fate: &Fate<'_>) -> Result<()> {
        let Work { claim, grant, settled, .. } = &*self.0;
        if settled.swap(true, Ordering::AcqRel) {
            return Err(self.settled_before());
        }
        let mut settling = Settling(&self.0, false);
        grant.check().map_err(|_| grant.fenced())?;
        grant.ending(true);
        let client = claim.incarnation.client().map_err(|why| self.over(&why))?;
        let dedupe = self.0.header.dedupe.as_deref();
        match claim.finish(&client, fate, dedupe, grant.token()).await {
            Ok(true) => {
                settling.1 = true;
                grant.spent();
                Ok(())
            }
            Ok(false) => {
                grant.lose("another ended it, or its lease ran out");
                Err(grant.fenced())
            }
            Err(why) => Err(self.over(&why)),
        }
    }

    /// What the caller is told where the session ended with the claim.
    fn over(&self, why: &Error) -> Error {
        if why.session_ended() {
            self.0.grant.lose(&format!("{why}; it may have been settled in its last moment"));
            return self.0.grant.fenced();
        }
        why.clone()
    }

    fn settled_before(&self) -> Error {
        Error::not_owner(format!(
            "queue '{}': item {} was acknowledged or given back before; settle each once",
            self.queue(),
            self.id()
        ))
    }
}

/// Ends the claim when the lease ends, or when the grant does, unless the item was settled.
async fn keep(work: &Work, lease: Duration) {
    let mut until = work.until.subscribe();
    loop {
        let end = *until.borrow_and_update();
        tokio::select! {
            () = tokio::time::sleep_until(end) => {
                work.grant.lose(&format!("its lease (at first {lease:?}) ran out"));
                break;
            }
            changed = until.changed() => if changed.is_err() { return },
            () = work.grant.over() => break,
        }
    }
    if !work.grant.released() {
        work.claim.retract(work.grant.token()).await;
    }
}

/// A lease that no clock can hold ends in a century.
fn after(lease: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(lease).unwrap_or_else(|| now + Duration::from_secs(100 * 365 * 86_400))
}
