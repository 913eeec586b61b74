//! Who is in a directory of ephemeral nodes, read once or followed over sessions, with a number that all share.
//!
//! The number is the zxid of the directory's last change of children, which the server sends with their names: equal
//! numbers mean equal members, whoever looks. Where there is no directory it is that of the nearest ancestor there
//! is, which is larger than any that the directory had, and smaller than any it will have.
//!
//! It only reads. Following costs one watch on the directory and one on each node.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;
use zookeeper_client as zk;

use super::watching::Watches;
use crate::error::{Error, Result};
use crate::path::{child, parent as parent_of};
use crate::session::{Incarnation, Session, Stat, Succession};

/// What to read of every node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Who they are: a change of data is no change.
    Members,
    /// What they say, too.
    Data,
}

/// The ephemeral nodes of one directory at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Roster {
    pub(crate) number: i64,
    pub(crate) nodes: BTreeMap<String, Node>,
}

/// One of them. Its data may be newer than the roster's number.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) data: Arc<[u8]>,
    pub(crate) stat: Stat,
}

/// What a follower knows: nothing yet, the newest reading, or that the session is over.
pub(crate) type Seen = Result<Option<Arc<Roster>>>;

/// Reads the directory.
///
/// # Errors
/// `ConnectionLost` where the ensemble stays away for a session timeout; `NotAuthorized`, `Closed`, `AuthFailed`.
pub(crate) async fn read(session: &Session, directory: &str, detail: Detail) -> Result<Roster> {
    let reading = async {
        loop {
            let incarnation = session.live().await?;
            match read_once(&incarnation, directory, detail).await {
                Err(Error::SessionExpired(_)) => {}
                Err(Error::ConnectionLost(_)) => drop(incarnation.connected().await),
                read => return read,
            }
        }
    };
    match tokio::time::timeout(session.config().session_timeout, reading).await {
        Ok(read) => read,
        Err(_) => Err(Error::connection_lost(format!(
            "list '{}': no server answered in a session timeout; check that the ensemble runs",
            session.relative(directory)
        ))),
    }
}

async fn read_once(incarnation: &Incarnation, directory: &str, detail: Detail) -> Result<Roster> {
    let client = incarnation.client()?;
    'again: loop {
        let (names, number) = match incarnation.request("list", directory, client.get_children(directory)).await {
            Ok((names, stat)) => (names, stat.pzxid),
            Err(Error::NoNode(_)) => match absence(incarnation, &client, directory).await? {
                Some(number) => (Vec::new(), number),
                None => continue,
            },
            Err(why) => return Err(why),
        };
        let paths: Vec<String> = names.iter().map(|name| child(directory, name)).collect();
        // All requests are queued before the first reply is awaited.
        let mut nodes = BTreeMap::new();
        if detail == Detail::Data {
            let replies: Vec<_> = paths.iter().map(|path| client.get_data(path)).collect();
            for ((name, path), reply) in names.into_iter().zip(&paths).zip(replies) {
                match incarnation.request("get", path, reply).await {
                    Ok((data, stat)) if stat.czxid <= number => drop(nodes.insert(name, Node::new(data, stat))),
                    // Gone, or another of the same name: the list is old.
                    Ok(_) | Err(Error::NoNode(_)) => continue 'again,
                    Err(why) => return Err(why),
                }
            }
        } else {
            let replies: Vec<_> = paths.iter().map(|path| client.check_stat(path)).collect();
            for ((name, path), reply) in names.into_iter().zip(&paths).zip(replies) {
                match incarnation.request("look up", path, reply).await? {
                    Some(stat) if stat.czxid <= number => drop(nodes.insert(name, Node::new(Vec::new(), stat))),
                    _ => continue 'again,
                }
            }
        }
        nodes.retain(|_, node| node.stat.ephemeral_owner != 0);
        return Ok(Roster { number, nodes });
    }
}

/// The number of a directory that is not there; `None` where it is again. The nearest ancestor's list tells both in
/// one reply.
async fn absence(incarnation: &Incarnation, client: &zk::Client, directory: &str) -> Result<Option<i64>> {
    let mut missing = directory;
    while let Some(above) = parent_of(missing) {
        match incarnation.request("list", above, client.get_children(above)).await {
            Ok((names, stat)) => {
                let there = names.iter().any(|name| missing.rsplit_once('/').is_some_and(|(_, last)| last == name));
                return Ok((!there).then_some(stat.pzxid));
            }
            Err(Error::NoNode(_)) => missing = above,
            Err(why) => return Err(why),
        }
    }
    Ok(None)
}

impl Node {
    fn new(data: Vec<u8>, stat: Stat) -> Self {
        Self { data: data.into(), stat }
    }
}

/// Follows the directory for as long as somebody has a receiver, without keeping the session open. While no server
/// can be asked the last reading stands.
pub(crate) fn follow(session: &Session, directory: &str, detail: Detail) -> watch::Receiver<Seen> {
    let (seen, receiver) = watch::channel(Ok(None));
    let follower = Follower { directory: directory.to_owned(), detail, seen };
    let mut succession = session.succession();
    tokio::spawn(async move {
        let closed = follower.seen.clone();
        tokio::select! {
            () = closed.closed() => {}
            () = follower.run(&mut succession) => {}
        }
    });
    receiver
}

struct Follower {
    directory: String,
    detail: Detail,
    seen: watch::Sender<Seen>,
}

impl Follower {
    async fn run(&self, succession: &mut Succession) {
        loop {
            let why = match succession.next_live().await {
                Ok(incarnation) => match self.attend(&incarnation).await {
                    Ok(()) => continue,
                    Err(why) => why,
                },
                Err(why) => why,
            };
            if why.session_ended() || why.outcome_unknown() {
                continue;
            }
            if !why.is_terminated() {
                tracing::warn!(directory = self.directory, %why, "cannot be followed any more");
            }
            drop(self.seen.send_replace(Err(why)));
            return;
        }
    }

    /// Follows it until the incarnation ends; returns early where the connection was lost in between.
    async fn attend(&self, incarnation: &Arc<Incarnation>) -> Result<()> {
        incarnation.connected().await?;
        let client = incarnation.client()?;
        // The new session's server may lag behind the old one's, and numbers only grow.
        incarnation.request("sync", &self.directory, client.sync(&self.directory)).await?;
        let mut nodes: BTreeMap<String, Node> = BTreeMap::new();
        let mut watches = Watches::default();
        loop {
            let path = &self.directory;
            let (names, number, listed) =
                match incarnation.request("list", path, client.get_and_watch_children(path)).await {
                    Ok((names, stat, event)) => (names, stat.pzxid, event),
                    Err(Error::NoNode(_)) => {
                        let (found, event) =
                            incarnation.request("look up", path, client.check_and_watch_stat(path)).await?;
                        match absence(incarnation, &client, path).await? {
                            Some(number) if found.is_none() => (Vec::new(), number, event),
                            _ => continue,
                        }
                    }
                    Err(why) => return Err(why),
                };
            // A node of the same name may have taken the place of one that we know: its watch fired before the list came.
            for name in watches.fired().await {
                nodes.remove(&name);
            }
            nodes.retain(|name, _| names.contains(name));
            let listed = listed.changed();
            tokio::pin!(listed);
            while self.read_new(incarnation, &client, &names, &mut nodes, &mut watches).await?
                && nodes.values().all(|node| node.stat.czxid <= number)
            {
                self.tell(number, &nodes);
                tokio::select! {
                    biased;
                    _ = &mut listed => break,
                    fired = watches.next() => {
                        for name in fired {
                            nodes.remove(&name);
                        }
                    }
                    why = incarnation.ended() => return Err(why),
                }
            }
        }
    }

    /// Reads and watches what is listed and not known; false where the list is older than what it lists.
    async fn read_new(
        &self,
        incarnation: &Incarnation,
        client: &zk::Client,
        names: &[String],
        nodes: &mut BTreeMap<String, Node>,
        watches: &mut Watches,
    ) -> Result<bool> {
        let new: Vec<_> = names.iter().filter(|name| !nodes.contains_key(*name)).collect();
        let paths: Vec<String> = new.iter().map(|name| child(&self.directory, name)).collect();
        let mut read = Vec::new();
        if self.detail == Detail::Data {
            // All requests are queued before the first reply is awaited; here and below.
            let replies: Vec<_> = paths.iter().map(|path| client.get_and_watch_data(path)).collect();
            for (path, reply) in paths.iter().zip(replies) {
                read.push(incarnation.request("get", path, reply).await);
            }
        } else {
            // A watch for children: an ephemeral node has none, so only its deletion fires it.
            let replies: Vec<_> = paths.iter().map(|path| client.get_and_watch_children(path)).collect();
            for (path, reply) in paths.iter().zip(replies) {
                let reply = incarnation.request("watch", path, reply).await;
                read.push(reply.map(|(_, stat, event)| (Vec::new(), stat, event)));
            }
        }
        let mut whole = true;
        for (name, reply) in new.into_iter().zip(read) {
            match reply {
                Ok((data, stat, event)) => {
                    nodes.insert(name.clone(), Node::new(data, stat));
                    watches.add(name.clone(), event);
                }
                Err(Error::NoNode(_)) => whole = false,
                Err(why) => return Err(why),
            }
        }
        Ok(whole)
    }

    fn tell(&self, number: i64, nodes: &BTreeMap<String, Node>) {
        let mut nodes = nodes.clone();
        nodes.retain(|_, node| node.stat.ephemeral_owner != 0);
        drop(self.seen.send_replace(Ok(Some(Arc::new(Roster { number, nodes })))));
    }
}
