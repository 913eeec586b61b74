//! A queue: at least once, by priority and arrival, with leases, attempts and dead letters.
//!
//! ```text
//! <path>/items/<page>/<id>-<due>-<sequence>         an item: a line of JSON, then the payload; made by put
//! <path>/items/<page>/<id>-<due>-<sequence>/<guid>  a claim on it, ephemeral
//! <path>/claims/<page>/<id>-<due>-<sequence>        the same claim, where all can list it, ephemeral
//! <path>/dead/<page>/<id>-<due>-<sequence>          an item whose attempts are used up
//! <path>/results/<page>/<id>-0-<sequence>           what became of an item, where that is kept
//! <path>/ids/<hh>/<digest>                          the ticket of a dedupe id
//! <path>/clients/<guid>                             a producer's slot, ephemeral
//! ```
//! Everything above items, claims, tickets and slots is a container: an empty queue vanishes by itself.
//!
//! Guarantees: an item that was put is delivered until it is acknowledged, given up after so many attempts, or
//! removed by hand; of two claims on it at most one can acknowledge it; a put lands once. Order is
//! priority, then what waited for its time (in order of that), then arrival; an item that comes back
//! without a delay keeps its place. After an expiry claims are lost and their items delivered again.
//!
//! | file | what it does |
//! |---|---|
//! | `name`, `order`, `rules`, `record`, `clock` | pure: names, order, decisions, data, the server's time |
//! | `pages` | where items are appended |
//! | `slot`, `put`, `dedupe` | putting once |
//! | `find`, `take`, `claim`, `item`, `fate` | getting, and what ends it |
//! | `outcomes`, `cancel` | what became of items, and ending them unfinished |
//! | `dead`, `listing` | what there is |
//! | `batch` | one multi |

pub(crate) mod batch;
mod cancel;
mod claim;
mod clock;
mod dead;
mod dedupe;
mod fate;
mod find;
mod item;
mod listing;
pub mod name;
pub mod order;
mod outcomes;
mod pages;
mod put;
pub mod record;
pub mod rules;
mod slot;
mod take;

use std::sync::{Arc, Mutex};
use std::time::Duration;

pub use self::dead::DeadLetter;
pub(crate) use self::fate::Note;
pub use self::item::Item;
pub use self::listing::{Depth, Worker};
pub use self::order::Order;
pub use self::outcomes::Outcome;
pub use self::put::Put;
use super::place::Place;
use crate::error::{Error, Result};
use crate::path::child;
use crate::session::Session;

/// How a queue treats its items. It belongs to the handle: give every consumer the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Deliveries before an item becomes a dead letter; at least 1.
    pub max_attempts: u32,
    /// How long an item waits after its first failure; doubled with each.
    pub backoff: Duration,
    /// The longest of these.
    pub longest_backoff: Duration,
    /// How long after its end a dedupe id still names the item that had it.
    pub dedupe_window: Duration,
    /// Who goes before whom.
    pub order: Order,
    /// Whether what became of each item is kept, for somebody to fetch.
    pub outcomes: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_attempts: 5,
            backoff: Duration::from_secs(1),
            longest_backoff: Duration::from_secs(300),
            dedupe_window: Duration::from_secs(300),
            order: Order::Strict,
            outcomes: false,
        }
    }
}

impl Settings {
    /// # Errors
    /// `Config` where no attempt is allowed, or items age too fast.
    pub fn check(&self) -> Result<()> {
        if self.max_attempts == 0 {
            return Err(Error::config("queue: max_attempts=0; give 1 or more"));
        }
        self.order.check()
    }
}

/// A handle on the queue at one path. Clones are one handle.
#[derive(Clone, Debug)]
pub struct Queue(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    place: Place,
    settings: Settings,
    items: pages::Shelf,
    dead: pages::Shelf,
    outcomes: pages::Shelf,
    claims: String,
    ids: String,
    clients: String,
    clock: clock::ServerClock,
    /// The page that had the head when we last looked.
    hint: Mutex<Option<name::Page>>,
    slots: Mutex<Vec<slot::Slot>>,
    swept: Mutex<dedupe::Swept>,
}

impl Queue {
    /// A handle on the queue at `path`.
    ///
    /// # Errors
    /// `InvalidPath`, also for the root; `Config` where no attempt is allowed.
    pub fn new(session: &Session, path: &str, settings: Settings) -> Result<Self> {
        let place = Place::new(session, "queue", path)?;
        settings.check()?;
        let below = |name| child(&place.path, name);
        let claims = below("claims");
        Ok(Self(Arc::new(Inner {
            items: pages::Shelf::new(below("items"), Some(claims.clone())),
            dead: pages::Shelf::new(below("dead"), None),
            outcomes: pages::Shelf::new(below("results"), None),
            claims,
            ids: below("ids"),
            clients: below("clients"),
            place,
            settings,
            clock: clock::ServerClock::default(),
            hint: Mutex::default(),
            slots: Mutex::default(),
            swept: Mutex::default(),
        })))
    }

    /// The path as the user wrote it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.place.name
    }

    /// How many items of this path this session has at work, and how many it got so far. No network is asked.
    #[must_use]
    pub fn local(&self) -> (u64, u64) {
        let metrics = self.0.place.session.metrics().snapshot();
        let ours = metrics.get(self.name().trim_start_matches('/')).copied().unwrap_or_default();
        (ours.held(), ours.acquired)
    }
}
