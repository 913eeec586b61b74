//! A walk over subtrees with many reads in flight, many in one request.
//!
//! A node that goes while it is walked is left out, and one that comes may be missed: a walk is no snapshot. Reads are
//! repeated after a lost connection.

use arrow_array::RecordBatch;
use futures_util::future::{BoxFuture, join_all};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};

use super::rows::{Decode, Rows};
use super::scope::Scope;
use super::shares::Top;
use crate::error::{Error, Result};
use crate::path::child;
use crate::session::{Answer, Read, Session, Stat};

/// How many nodes are asked for at once.
const IN_FLIGHT: usize = 512;

/// How many of them in one request, at most and at first; fewer where nodes are large.
const TOGETHER: (usize, usize) = (64, 4);

/// How large the answer to one request should be, in bytes.
const ANSWER: usize = 256 << 10;

/// When a batch is full: rows, and bytes of data.
const FULL: (usize, usize) = (8_192, 4 << 20);

/// A walk under way.
pub struct Walk {
    session: Session,
    scope: Scope,
    rows: Rows,
    /// The last is asked next: deep before wide, so that few wait.
    waiting: Vec<Ask>,
    asked: FuturesUnordered<BoxFuture<'static, Looked>>,
    /// How many nodes are asked for now.
    flying: usize,
    together: usize,
    /// Whether the server knows requests for many nodes. Until that is known one request is on its way: an old server
    /// breaks the connection with every one that it does not know.
    knows_many: Option<bool>,
}

/// What was found, and whether the server knows requests for many nodes, where this was one.
type Looked = Result<(Vec<Found>, Option<bool>)>;

/// What is asked of a node, and whether what is below it is, too.
type Ask = (Read, bool);

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
            flying: 0,
            together: TOGETHER.1,
            knows_many: None,
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
            let most = if self.knows_many.is_some() { IN_FLIGHT } else { 1 };
            let together = if self.knows_many == Some(false) { 1 } else { self.together };
            while self.flying < most && !self.waiting.is_empty() {
                let asks = self.waiting.split_off(self.waiting.len().saturating_sub(together));
                self.flying += asks.len();
                self.asked.push(look(self.session.clone(), asks).boxed());
            }
            let Some(found) = self.asked.next().await else {
                return if self.rows.is_empty() { Ok(None) } else { self.rows.take().map(Some) };
            };
            let (found, knows_many) = found?;
            self.knows_many = self.knows_many.or(knows_many);
            self.take(found);
            if self.rows.len() >= FULL.0 || self.rows.bytes() >= FULL.1 {
                return self.rows.take().map(Some);
            }
        }
    }

    fn take(&mut self, found: Vec<Found>) {
        self.flying -= found.len();
        let mut bytes = 0;
        for one in found {
            match one {
                Found::Node(path, below, data, stat) => {
                    bytes += data.len();
                    self.rows.push(&path, &data, &stat);
                    if below && stat.num_children > 0 {
                        self.waiting.push((Read::Names(path), true));
                    }
                }
                Found::Names(path, names) => {
                    bytes += names.iter().map(String::len).sum::<usize>();
                    for name in names {
                        self.want(child(&path, &name), true);
                    }
                }
                Found::Gone => {}
            }
        }
        self.together = match bytes {
            few if few < ANSWER / 2 => (self.together * 2).min(TOGETHER.0),
            many if many > ANSWER => (self.together / 2).max(1),
            _ => self.together,
        };
    }

    fn want(&mut self, path: String, below: bool) {
        let below = below && self.scope.reaches(&path);
        if self.scope.contains(&path) {
            self.waiting.push((Read::Node(path), below));
        } else if below {
            self.waiting.push((Read::Names(path), true));
        }
    }
}

async fn look(session: Session, asks: Vec<Ask>) -> Looked {
    let (reads, below): (Vec<Read>, Vec<bool>) = asks.into_iter().unzip();
    let (answers, knows_many) = if let [read] = &reads[..] {
        (vec![alone(session, read.clone()).await], None)
    } else {
        match session.read_many(&reads).await {
            Err(Error::Unsupported(_)) => {
                let each: Vec<_> = reads.iter().cloned().map(|read| alone(session.clone(), read)).collect();
                (join_all(each).await, Some(false))
            }
            answers => (answers?, Some(true)),
        }
    };
    let found =
        answers.into_iter().zip(reads.into_iter().zip(below)).map(|(answer, (read, below))| match (answer, read) {
            (Ok(Answer::Node(data, stat)), Read::Node(path)) => Ok(Found::Node(path, below, data, stat)),
            (Ok(Answer::Names(names)), Read::Names(path)) => Ok(Found::Names(path, names)),
            (Err(Error::NoNode(_)), _) => Ok(Found::Gone),
            (Err(error), _) => Err(error),
            (Ok(_), read) => {
                Err(Error::server(format!("read '{}': the server answered what was not asked", read.path())))
            }
        });
    Ok((found.collect::<Result<_>>()?, knows_many))
}

async fn alone(session: Session, read: Read) -> Result<Answer> {
    match read {
        Read::Node(path) => session.get(&path).await.map(|(data, stat)| Answer::Node(data, stat)),
        Read::Names(path) => session.children(&path).await.map(Answer::Names),
    }
}
