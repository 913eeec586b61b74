//! Getting: look, claim the first, wait where there is none.
//!
//! Uncontended: one or two flights to look (two where the head page is not the one seen last), one to claim and
//! read. Who loses a race takes the next in order; who loses several takes any of the next, so that a
//! crowd spreads out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::Queue;
use super::claim::Outcome;
use super::item::Item;
use crate::error::{Error, Result};
use crate::retry::Deadline;
use crate::session::Incarnation;

/// Lost races in a row before order gives way.
const PATIENCE: usize = 4;

/// How long a timed-out get may still ask what there is.
const WHAT_IS_THERE: Duration = Duration::from_millis(50);

impl Queue {
    /// Waits for the next item and claims it for `lease`.
    ///
    /// `timeout` is the total over everything, reconnects included: zero tries once, `None` waits for ever.
    ///
    /// # Cancel safety
    /// A wait that is dropped leaves no claim and no watch; an item claimed in that moment is put back, the
    /// attempt not counted.
    ///
    /// # Errors
    /// `AcquireTimeout`, saying how many items there are; `Closed`, `AuthFailed`, `NotAuthorized`.
    pub async fn get(&self, timeout: Option<Duration>, lease: Duration) -> Result<Item> {
        if timeout.is_some_and(|timeout| timeout.is_zero()) {
            return match self.try_get(lease).await? {
                Some(item) => Ok(item),
                None => Err(self.nothing(timeout).await),
            };
        }
        match Deadline::after(timeout).bound(self.take(true, lease)).await {
            Some(Ok(Some(item))) => Ok(item),
            Some(Err(error)) => Err(error),
            Some(Ok(None)) | None => Err(self.nothing(timeout).await),
        }
    }

    /// Claims the next item for `lease`, or answers `None` where there is none to claim.
    ///
    /// # Cancel safety
    /// As [`Queue::get`].
    ///
    /// # Errors
    /// `ConnectionLost` where no server answers; `Closed`, `AuthFailed`, `NotAuthorized`.
    pub async fn try_get(&self, lease: Duration) -> Result<Option<Item>> {
        self.take(false, lease).await
    }

    async fn take(&self, wait: bool, lease: Duration) -> Result<Option<Item>> {
        if lease.is_zero() {
            return Err(Error::config("get: lease=0; give the seconds that the work may take"));
        }
        let asked = Instant::now();
        loop {
            let session = &self.0.place.session;
            let incarnation = if wait { session.next_live().await? } else { session.live().await? };
            match self.take_now(&incarnation, wait, lease, asked).await {
                Err(Error::SessionExpired(_)) => {}
                // Its end is seen by the next turn of the loop, which asks for the next session.
                Err(Error::ConnectionLost(_)) if wait => drop(incarnation.connected().await),
                taken => return taken,
            }
        }
    }

    async fn take_now(
        &self,
        incarnation: &Arc<Incarnation>,
        wait: bool,
        lease: Duration,
        asked: Instant,
    ) -> Result<Option<Item>> {
        let client = incarnation.client()?;
        let mut watch = false;
        loop {
            let mut found = self.find(incarnation, &client, watch).await?;
            let (mut lost, any) = (0, !found.ready.is_empty());
            while !found.ready.is_empty() {
                let spot = found.ready.remove(pick(lost, found.ready.len()));
                match self.claim(incarnation, &client, &spot, lease, asked).await? {
                    Outcome::Ours(item) => return Ok(Some(item)),
                    Outcome::Taken => lost += 1,
                    Outcome::Gone => {}
                }
            }
            if any {
                continue;
            }
            if !wait {
                return Ok(None);
            }
            if !std::mem::replace(&mut watch, true) {
                continue;
            }
            tokio::select! {
                _ = found.changes.join_next() => {}
                () = due(found.due_in) => {}
                why = incarnation.ended() => return Err(why),
            }
        }
    }

    async fn nothing(&self, timeout: Option<Duration>) -> Error {
        let after = timeout.unwrap_or_default();
        let found = match tokio::time::timeout(WHAT_IS_THERE, self.len()).await {
            Ok(Ok(0)) => "it is empty".to_owned(),
            Ok(Ok(len)) => format!("its {len} items are at work elsewhere or not due yet"),
            _ => format!("no server said what is in it (session {})", self.0.place.session.state().name()),
        };
        Error::acquire_timeout(format!("queue '{}': no item within {after:?}: {found}; wait longer", self.name()))
    }
}

/// Which of `ready` items to try after `lost` races: the first, or any of a number that doubles.
fn pick(lost: usize, ready: usize) -> usize {
    if lost < PATIENCE {
        return 0;
    }
    let among = ready.min(1 << (lost - PATIENCE + 2).min(16));
    let (chance, _) = Uuid::new_v4().as_u64_pair();
    usize::try_from(chance % among as u64).unwrap_or(0)
}

async fn due(after: Option<Duration>) {
    match after {
        Some(after) => tokio::time::sleep(after).await,
        None => std::future::pending().await,
    }
}
