//! A walk over subtrees with many requests in flight.
//!
//! A node that goes while it is walked is left out, and one that comes may be missed: a walk is no snapshot. Reads are
//! repeated after a lost connection.

use arrow_array::RecordBatch;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};

use super::rows::{Decode, Rows};
use super::scope::Scope;
use super::shares::Top;
use crate::error::{Error, Result};
use crate::path::child;
use crate::session::{Session, Stat};

/// How many requests are on their way at once: enough to keep a server busy, a quarter of what it queues by default.
const IN_FLIGHT: usize = 256;

/// When a batch is full: rows, and bytes of data.
const FULL: (usize, usize) = (8_192, 4 << 20);

/// A walk under way.
pub struct Walk {
    session: Session,
    scope: Scope,
    rows: Rows,
    /// The last is asked next: deep before wide, so that few wait.
    waiting: Vec<Ask>,
    asked: FuturesUnordered<BoxFuture<'static, Result<Found>>>,
}

enum Ask {
    /// A node, and what is below it where `true`.
    Node(String, bool),
    /// The names below a node.
    Names(String),
}

enum Found {
    Node(String, bool, Vec<u8>, Stat),
    Names(String, Vec<String>),
    Gone,
}

impl Walk {
    /// Begins at `tops`.
    #[must_use]
    pub fn new(session: &Session, scope: Scope, tops: Vec<Top>, decode: Decode) -> Self {
        let mut walk = Self {
            session: session.clone(),
            scope,
            rows: Rows::new(decode),
            waiting: Vec::new(),
            asked: FuturesUnordered::new(),
        };
        for (path, below) in tops.into_iter().rev() {
            walk.want(path, below);
        }
        walk
    }

    /// The next nodes; `None` once there are no more.
    ///
    /// # Cancel safety
    /// Loses nothing.
    ///
    /// # Errors
    /// `NotAuthorized` where a node may not be read; `ConnectionLost` where the ensemble stays away, and the like.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            while self.asked.len() < IN_FLIGHT {
                let Some(ask) = self.waiting.pop() else { break };
                self.asked.push(look(self.session.clone(), ask).boxed());
            }
            let Some(found) = self.asked.next().await else {
                return if self.rows.is_empty() { Ok(None) } else { self.rows.take().map(Some) };
            };
            match found? {
                Found::Node(path, below, data, stat) => {
                    self.rows.push(&path, &data, &stat);
                    if below && stat.num_children > 0 {
                        self.waiting.push(Ask::Names(path));
                    }
                }
                Found::Names(path, names) => {
                    for name in names {
                        self.want(child(&path, &name), true);
                    }
                }
                Found::Gone => {}
            }
            if self.rows.len() >= FULL.0 || self.rows.bytes() >= FULL.1 {
                return self.rows.take().map(Some);
            }
        }
    }

    fn want(&mut self, path: String, below: bool) {
        let below = below && self.scope.reaches(&path);
        if self.scope.contains(&path) {
            self.waiting.push(Ask::Node(path, below));
        } else if below {
            self.waiting.push(Ask::Names(path));
        }
    }
}

async fn look(session: Session, ask: Ask) -> Result<Found> {
    let found = match ask {
        Ask::Node(path, below) => session.get(&path).await.map(|(data, stat)| Found::Node(path, below, data, stat)),
        Ask::Names(path) => session.children(&path).await.map(|names| Found::Names(path, names)),
    };
    match found {
        Err(Error::NoNode(_)) => Ok(Found::Gone),
        found => found,
    }
}
