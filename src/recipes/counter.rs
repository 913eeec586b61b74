//! A counter that counts every operation once, also where the reply to it was lost.
//!
//! Znode: `<path>`, persistent, made by the first who writes; nobody deletes it. Data: see
//! [`counter_record`](super::counter_record).
//!
//! A write is conditional on the version that the value was read at. What was seen last is remembered, so that a client
//! that is alone writes in one flight; the value is read in the same flight, so that one that is not has two.
//! Operations of one handle take turns; handles compete for the version and back off from each other.
//!
//! Guarantees: an operation that returns took effect once. A lost connection, an expiry, a server that is away for long:
//! it goes on until the outcome is known. One that is cancelled, or times out, took effect once or not at all. Where a
//! counter is deleted meanwhile, operations count in the one that takes its place.

use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use tokio::sync::Mutex;
use uuid::Uuid;
use zookeeper_client as zk;

use super::counter_record::{Doubt, Fate, Record};
use super::place::Place;
use crate::error::{Error, Result};
use crate::path::parent;
use crate::retry::{Deadline, delays};
use crate::session::{CreateKind, Grant, Session, Write, make_parents};

/// A handle on the counter at one path. Clones are one.
#[derive(Clone, Debug)]
pub struct Counter(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    place: Place,
    default: i64,
    /// Our name in the entries.
    by: String,
    /// Held during an operation: a client has one under way at a time.
    turn: Mutex<Turn>,
    last: StdMutex<Option<i64>>,
}

#[derive(Debug, Default)]
struct Turn {
    /// The number of the operation that ran last.
    seq: u64,
    /// Taken out during an operation, so that one that is cancelled leaves none.
    seen: Option<Seen>,
}

/// The node as it was once.
#[derive(Clone, Debug)]
struct Seen {
    record: Record,
    /// `None` where there was no node.
    version: Option<i32>,
    /// When it was written, on the server's clock.
    mtime: i64,
}

impl Counter {
    /// A handle on the counter at `path`, which begins at `default`.
    ///
    /// # Errors
    /// `InvalidPath`.
    pub fn new(session: &Session, path: &str, default: i64) -> Result<Self> {
        Ok(Self(Arc::new(Inner {
            place: Place::new(session, "counter", path)?,
            default,
            by: Uuid::new_v4().simple().to_string().split_off(16),
            turn: Mutex::default(),
            last: StdMutex::default(),
        })))
    }

    /// The path as the user wrote it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.place.name
    }

    /// What this handle saw last, without asking.
    #[must_use]
    pub fn last(&self) -> Option<i64> {
        *self.last_seen()
    }

    /// The value: every operation that returned before is in it, whoever ran it. One round trip.
    ///
    /// # Errors
    /// `Config` where the node holds something else; `ConnectionLost` where the ensemble stays away.
    pub async fn value(&self) -> Result<i64> {
        let seen = self.read().await?;
        let value = seen.record.value;
        // The next write may build on it; while one is under way, that knows better.
        if let Ok(mut turn) = self.0.turn.try_lock() {
            turn.seen = Some(seen);
        }
        Ok(value)
    }

    /// Adds `n`, which may be negative, and answers the value after.
    ///
    /// # Cancel safety
    /// Dropped, it took effect once or not at all.
    ///
    /// # Errors
    /// `Config` where the sum is beyond an int64, or the node holds something else; the guard's own (`LockLost`) where it
    /// is lost; `ConnectionLost` after `timeout`, or where the outcome cannot be known (see
    /// [`counter_record`](super::counter_record)).
    pub async fn add(&self, n: i64, guards: &[&Grant], timeout: Option<Duration>) -> Result<i64> {
        let sum = |value: i64| {
            let sum = value.checked_add(n).ok_or_else(|| {
                Error::config(format!(
                    "counter '{}': {value} + {n} is beyond what 64 bits hold; nothing was added",
                    self.name()
                ))
            })?;
            Ok(Some(sum))
        };
        // Never `None`: there is always something to write.
        self.change(sum, guards, timeout).await.map(Option::unwrap_or_default)
    }

    /// Sets `new` where the value is `old`, and says whether it was.
    ///
    /// # Cancel safety
    /// Dropped, it took effect once or not at all.
    ///
    /// # Errors
    /// As [`Counter::add`].
    pub async fn compare_and_set(
        &self,
        old: i64,
        new: i64,
        guards: &[&Grant],
        timeout: Option<Duration>,
    ) -> Result<bool> {
        let decide = |value: i64| Ok((value == old).then_some(new));
        self.change(decide, guards, timeout).await.map(|set| set.is_some())
    }

    /// Sets `value`, whatever it was.
    ///
    /// # Cancel safety
    /// Dropped, it took effect once or not at all.
    ///
    /// # Errors
    /// As [`Counter::add`].
    pub async fn set(&self, value: i64, guards: &[&Grant], timeout: Option<Duration>) -> Result<()> {
        self.change(|_| Ok(Some(value)), guards, timeout).await.map(drop)
    }

    /// Runs one operation: `decide` says from the value before what to write, or `None` where nothing is.
    async fn change(
        &self,
        decide: impl Fn(i64) -> Result<Option<i64>>,
        guards: &[&Grant],
        timeout: Option<Duration>,
    ) -> Result<Option<i64>> {
        let operation = async {
            let mut turn = self.0.turn.lock().await;
            turn.seq += 1;
            let (seq, cached) = (turn.seq, turn.seen.take());
            let (seen, outcome) = self.run(seq, cached, &decide, guards).await?;
            *self.last_seen() = Some(seen.record.value);
            turn.seen = Some(seen);
            Ok(outcome)
        };
        // Zero tries once: as long as a server may take that is there at all.
        let patience = self.0.place.session.config().session_timeout;
        let timeout = timeout.map(|timeout| if timeout.is_zero() { patience } else { timeout });
        let outcome = Deadline::after(timeout).bound(operation).await;
        outcome.unwrap_or_else(|| {
            Err(Error::connection_lost(format!(
                "counter '{}': no outcome within {:?} (session {}): the operation took effect once or not at all; \
                 read the value before it is run again, or wait longer",
                self.name(),
                timeout.unwrap_or_default(),
                self.0.place.session.state().name()
            )))
        })
    }

    async fn run(
        &self,
        seq: u64,
        cached: Option<Seen>,
        decide: &impl Fn(i64) -> Result<Option<i64>>,
        guards: &[&Grant],
    ) -> Result<(Seen, Option<i64>)> {
        let mut fresh = cached.is_none();
        let mut seen = match cached {
            Some(seen) => seen,
            None => self.read_again().await?,
        };
        let mut in_doubt = None;
        let mut pauses = pauses();
        loop {
            let operation = Doubt { by: &self.0.by, seq, base: seen.version };
            let value = match decide(seen.record.value) {
                Ok(Some(value)) => value,
                // What was remembered may be old: nothing but a write is decided by it.
                Ok(None) | Err(_) if !fresh => {
                    (seen, fresh) = (self.read_again().await?, true);
                    continue;
                }
                Ok(None) => return Ok((seen, None)),
                Err(error) => return Err(error),
            };
            let record = seen.record.after(operation, seen.mtime, value);
            let (written, read) = self.write(&seen, &record, guards).await;
            let refused = match written {
                Ok((version, mtime)) => return Ok((Seen { record, version: Some(version), mtime }, Some(value))),
                Err(refused) => refused,
            };
            fresh = true;
            match &refused {
                // It may have landed, and may land yet. An older doubt is about the same version.
                Error::ConnectionLost(_) | Error::SessionExpired(_) => in_doubt = Some(operation),
                Error::NoNode(_) if seen.version.is_none() => self.make_parent().await?,
                Error::BadVersion(_) | Error::NodeExists(_) | Error::NoNode(_) => {}
                // A guard was refused, say: then an earlier write on this version may have landed all the same.
                _ if in_doubt.is_none() => return Err(refused),
                _ => {}
            }
            let now = match read {
                Ok(now) if !refused.outcome_unknown() && in_doubt.is_none() => now,
                _ => self.read_again().await?,
            };
            let fate = in_doubt.map(|doubt| now.record.fate(now.version, doubt));
            seen = now;
            match fate {
                Some(Fate::Landed(value)) => return Ok((seen, Some(value))),
                Some(Fate::Unknown) => return Err(self.unknown()),
                Some(Fate::Never) => in_doubt = None,
                Some(Fate::Open) | None => {}
            }
            match refused {
                Error::ConnectionLost(_) | Error::SessionExpired(_) => {}
                Error::BadVersion(_) | Error::NodeExists(_) | Error::NoNode(_) => {
                    if let Some(pause) = pauses.next().filter(|pause| !pause.is_zero()) {
                        tokio::time::sleep(pause).await;
                        // Others wrote meanwhile, and a read costs the servers less than a write that is refused. While
                        // a write is in doubt only one tells its fate that comes with a sync.
                        if in_doubt.is_none()
                            && let Ok(now) = self.read_once().await
                        {
                            seen = now;
                        }
                    }
                }
                refused => return Err(refused),
            }
        }
    }

    /// Writes where the node is as it was seen, and reads in the same flight.
    async fn write(&self, seen: &Seen, record: &Record, guards: &[&Grant]) -> (Result<(i32, i64)>, Result<Seen>) {
        let Place { session, name, .. } = &self.0.place;
        let data = match record.encode() {
            Ok(data) => data,
            Err(error) => return (Err(error.clone()), Err(error)),
        };
        let write = match seen.version {
            Some(version) => Write::Set(name, &data, Some(version)),
            None => Write::Create(name, &data, CreateKind::PERSISTENT),
        };
        let writes = [write];
        let (written, read) = tokio::join!(biased; session.multi(&writes, guards), self.read_once());
        let written = match written.map(|results| results.into_iter().next()) {
            Ok(Some(zk::MultiWriteResult::SetData { stat })) => Ok((stat.version, stat.mtime)),
            Ok(Some(zk::MultiWriteResult::Create { stat, .. })) => Ok((0, stat.mtime)),
            Ok(other) => Err(Error::server(format!("counter '{name}': unexpected reply {other:?}"))),
            Err(refused) => Err(refused.error),
        };
        (written, read)
    }

    /// Reads what the leader has.
    async fn read(&self) -> Result<Seen> {
        let Place { session, name, .. } = &self.0.place;
        let (synced, seen) = tokio::join!(biased; session.sync(name), self.read_once());
        synced?;
        let seen = seen?;
        *self.last_seen() = Some(seen.record.value);
        Ok(seen)
    }

    /// Reads until a server answers, however long it takes.
    async fn read_again(&self) -> Result<Seen> {
        let mut delays = delays();
        loop {
            match self.read().await {
                Err(Error::ConnectionLost(_) | Error::SessionExpired(_)) => {
                    tokio::time::sleep(delays.next().unwrap_or_default()).await;
                }
                read => return read,
            }
        }
    }

    async fn read_once(&self) -> Result<Seen> {
        let Inner { place: Place { session, name, .. }, default, .. } = &*self.0;
        match session.get(name).await {
            Err(Error::NoNode(_)) => Ok(Seen { record: Record::new(*default), version: None, mtime: 0 }),
            Err(error) => Err(error),
            Ok((data, stat)) => Ok(Seen {
                record: Record::decode(name, &data, *default)?,
                version: Some(stat.version),
                mtime: stat.mtime,
            }),
        }
    }

    async fn make_parent(&self) -> Result<()> {
        let Place { session, path, .. } = &self.0.place;
        let incarnation = session.live().await?;
        match parent(path) {
            Some(above) => make_parents(&incarnation, &*incarnation.client()?, above, zk::CreateMode::Container).await,
            None => Ok(()),
        }
    }

    fn unknown(&self) -> Error {
        Error::connection_lost(format!(
            "counter '{}': the reply was lost, and so many others wrote before a server could be asked that it cannot \
             be known whether the operation took effect; it did once or not at all; compare the value with what it \
             should be",
            self.name()
        ))
    }

    fn last_seen(&self) -> std::sync::MutexGuard<'_, Option<i64>> {
        self.0.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long to stand back after losing to another. The first try follows at once: what was remembered was old, and the
/// new value is known already. Then whoever won goes on alone for a while, which is where the throughput comes from.
fn pauses() -> impl Iterator<Item = Duration> {
    let grow: ExponentialBackoff = ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(2))
        .with_max_delay(Duration::from_millis(50))
        .without_max_times()
        .with_jitter()
        .build();
    std::iter::once(Duration::ZERO).chain(grow)
}
