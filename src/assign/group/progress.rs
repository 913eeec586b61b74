//! How far a group is, for anybody who asks. It only reads: two flights, however many items there are.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;

use super::claim::{Mark, Record};
use super::item::Item;
use super::layout::Layout;
use super::spec::Spec;
use crate::error::{Error, Result};
use crate::session::{Incarnation, Session};

/// How far a group is.
#[derive(Debug, Serialize)]
pub struct Progress {
    /// What became of each item, in their order.
    pub entries: Vec<Entry>,
    /// Why the leader left waiting items without an owner; `None` where it did not.
    pub unowned: Option<String>,
    /// Static members that are away, and for whom waiting items are kept.
    pub absent: Vec<String>,
}

/// What became of one item so far.
#[derive(Debug, Serialize)]
pub struct Entry {
    /// The item.
    pub item: Item,
    /// "waiting", "claimed" or "done".
    pub state: &'static str,
    /// Who has it, or finished it.
    pub owner: Option<String>,
    /// The token of that claim.
    pub token: Option<i64>,
    /// What was saved last.
    pub checkpoint: Option<Box<RawValue>>,
    /// What it was finished with.
    pub result: Option<Box<RawValue>>,
}

/// Reads all of it. What changes meanwhile may be seen as before or as after.
///
/// # Errors
/// `ConnectionLost` where the ensemble stays away for a session timeout.
pub(super) async fn read(session: &Session, layout: &Layout, spec: &Spec) -> Result<Vec<Entry>> {
    loop {
        let incarnation = session.live().await?;
        match read_once(&incarnation, layout, spec).await {
            Err(Error::ConnectionLost(_)) => {
                let patience = session.config().session_timeout;
                tokio::time::timeout(patience, incarnation.connected()).await.map_err(|_| {
                    Error::connection_lost(format!(
                        "progress of '{}': no server answered in a session timeout; check that the ensemble runs",
                        session.relative(&layout.root)
                    ))
                })??;
            }
            Err(Error::SessionExpired(_)) => {}
            read => return read,
        }
    }
}

async fn read_once(incarnation: &Incarnation, layout: &Layout, spec: &Spec) -> Result<Vec<Entry>> {
    let client = incarnation.client()?;
    let directories = [layout.done.as_str(), layout.claims(), layout.all_progress()];
    // All requests are queued before the first reply is awaited, here and below. What is claimed is listed after what
    // is done: an item between the two is seen as claimed or as done, not as waiting.
    let lists = directories.map(|path| client.list_children(path));
    let mut listed = Vec::new();
    for (path, list) in directories.iter().zip(lists) {
        listed.push(match incarnation.request("list", path, list).await {
            Ok(names) => names,
            Err(Error::NoNode(_)) => Vec::new(),
            Err(why) => return Err(why),
        });
    }
    let at: [fn(&Layout, &str) -> String; 3] = [Layout::finished, Layout::mark, Layout::progress];
    let mut reads = Vec::new();
    for (kind, names) in listed.iter().enumerate() {
        for name in names {
            let path = at[kind](layout, name);
            let read = client.get_data(&path);
            reads.push((kind, name, path, read));
        }
    }
    let mut found: [BTreeMap<&str, (Vec<u8>, i64)>; 3] = Default::default();
    for (kind, name, path, read) in reads {
        match incarnation.request("get", &path, read).await {
            Ok((data, stat)) => drop(found[kind].insert(name, (data, stat.czxid))),
            Err(Error::NoNode(_)) => {}
            Err(why) => return Err(why),
        }
    }
    let [done, claimed, saved] = found;
    let record = |data: &[u8]| serde_json::from_slice::<Record>(data).ok();
    let entries = spec.items.iter().map(|item| {
        let checkpoint = saved.get(item.name()).and_then(|(data, _)| record(data)).map(|record| record.value);
        let mut entry =
            Entry { item: item.clone(), state: "waiting", owner: None, token: None, checkpoint, result: None };
        if let Some((data, _)) = done.get(item.name()) {
            entry.state = "done";
            if let Some(Record { token, by, value }) = record(data) {
                (entry.owner, entry.token, entry.result) = (Some(by), Some(token), Some(value));
            }
        } else if let Some((data, token)) = claimed.get(item.name()) {
            entry.state = "claimed";
            entry.owner = serde_json::from_slice::<Mark>(data).ok().map(|mark| mark.member);
            entry.token = Some(*token);
        }
        entry
    });
    Ok(entries.collect())
}
