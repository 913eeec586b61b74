//! Many reads in one request, which costs a server and a client little more than one of them.

use zookeeper_client as zk;
use zookeeper_client::{MultiReadResult, Stat};

use super::supervisor::Session;
use crate::error::{Error, Result};

/// What is asked of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// Its data and stat.
    Node(String),
    /// The names of its children.
    Names(String),
}

/// What the server said.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The node's data and stat.
    Node(Vec<u8>, Stat),
    /// The names of its children, in no particular order.
    Names(Vec<String>),
}

impl Read {
    /// The node.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Self::Node(path) | Self::Names(path) => path,
        }
    }
}

impl Session {
    /// Reads as [`Session::get`] and [`Session::children`] do, in one request; each has an answer, or an error, of its own.
    ///
    /// # Errors
    /// `Unsupported` where the server is older than 3.6; `ConnectionLost` where the ensemble stays away.
    pub async fn read_many(&self, reads: &[Read]) -> Result<Vec<Result<Answer>>> {
        let Some(first) = reads.first() else { return Ok(Vec::new()) };
        let paths = reads.iter().map(|read| self.absolute(read.path())).collect::<Result<Vec<_>>>()?;
        let paths = &paths;
        let results = self
            .look(|incarnation| async move {
                let client = incarnation.client()?;
                incarnation.request("read", first.path(), send(&client, reads, paths)).await
            })
            .await?;
        let answers = results.into_iter().zip(reads.iter().zip(paths)).map(|(result, (read, path))| match result {
            MultiReadResult::Data { data, stat } => Ok(Answer::Node(data, stat)),
            MultiReadResult::Children { children } => Ok(Answer::Names(children)),
            MultiReadResult::Error { err } => {
                let attempt = if matches!(read, Read::Node(_)) { "get" } else { "list" };
                Err(Error::from_client(&err, attempt, path))
            }
            _ => Err(Error::server(format!("read '{path}': unexpected reply"))),
        });
        Ok(answers.collect())
    }
}

async fn send(client: &zk::Client, reads: &[Read], paths: &[String]) -> Result<Vec<MultiReadResult>, zk::Error> {
    let mut reader = client.new_multi_reader();
    for (read, path) in reads.iter().zip(paths) {
        match read {
            Read::Node(_) => reader.add_get_data(path)?,
            Read::Names(_) => reader.add_get_children(path)?,
        }
    }
    reader.commit().await
}
