//! A JSON document in one node, or in several where it is too long for one: read as a whole, or not at all.
//!
//! Znodes: `<head>` has the document, or says `{"pages","sha256"}`; then it is in `<head>-pages-<sha256>-<n>`, made
//! before the head is written and deleted by whoever writes a later document. Names are made from the content, so what
//! a writer that died leaves behind is what another would write, and a page is never rewritten.
//!
//! A reader that finds a page missing, or the sum of all not to be what the head says, reads the head again: there is a
//! later document then.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::path::{child, name, parent};
use crate::session::{CreateKind, Grant, Incarnation, NotWritten, Session, Stat, Write};

/// The most that one node has.
pub(super) const PAGE: usize = 512 << 10;

#[derive(Debug, Serialize, Deserialize)]
struct Head {
    pages: usize,
    sha256: String,
}

/// Writes the document, where `version` (`None`: there is none) is still the newest.
///
/// # Errors
/// `BadVersion`, `NodeExists` where it is not; the guard's own; `ConnectionLost` where it is unknown whether it landed.
pub(super) async fn write(
    session: &Session,
    path: &str,
    document: &[u8],
    version: Option<i32>,
    guards: &[&Grant],
) -> Result<()> {
    let head_path = session.relative(path).to_owned();
    let sum = sum(document);
    let split = document.len() > PAGE;
    let head = if split {
        let pages = document.len().div_ceil(PAGE);
        for (number, page) in document.chunks(PAGE).enumerate() {
            let page_path = session.relative(&page_at(path, &sum, number)).to_owned();
            match session.create(&page_path, page, CreateKind::PERSISTENT, false, guards).await {
                // Made by an earlier try, or by a writer of the same document.
                Ok(_) | Err(Error::NodeExists(_)) => {}
                Err(why) => return Err(why),
            }
        }
        serde_json::to_vec(&Head { pages, sha256: sum.clone() }).unwrap_or_default()
    } else {
        document.to_vec()
    };
    let write = match version {
        Some(version) => Write::Set(&head_path, &head, Some(version)),
        None => Write::Create(&head_path, &head, CreateKind::PERSISTENT),
    };
    session.multi(&[write], guards).await.map_err(|NotWritten { error, .. }| error)?;
    tidy(session, path, split.then_some(sum.as_str()), guards).await;
    Ok(())
}

/// Deletes the pages of other documents. What is left behind the next write finds.
async fn tidy(session: &Session, path: &str, keep: Option<&str>, guards: &[&Grant]) {
    let Some(above) = parent(path) else { return };
    let above = session.relative(above).to_owned();
    let prefix = page_prefix(path);
    let Ok(names) = session.children(&above).await else { return };
    for name in names.iter().filter(|name| name.starts_with(&prefix)) {
        if keep.is_none_or(|keep| !name.contains(&keep[..32]))
            && let Err(why) = session.delete(&child(&above, name), None, false, guards).await
        {
            tracing::debug!(name, %why, "an old page was not deleted");
        }
    }
}

/// The document behind what the head says. `None` where it was replaced meanwhile: read the head again.
///
/// # Errors
/// `ConnectionLost`, `SessionExpired`, `NotAuthorized`.
pub(super) async fn follow_head(incarnation: &Incarnation, path: &str, head: Vec<u8>) -> Result<Option<Vec<u8>>> {
    let Ok(Head { pages, sha256 }) = serde_json::from_slice::<Head>(&head) else { return Ok(Some(head)) };
    let client = incarnation.client()?;
    let paths: Vec<String> = (0..pages).map(|number| page_at(path, &sha256, number)).collect();
    // All requests are queued before the first reply is awaited.
    let replies: Vec<_> = paths.iter().map(|path| client.get_data(path)).collect();
    let mut document = Vec::new();
    for (path, reply) in paths.iter().zip(replies) {
        match incarnation.request("get", path, reply).await {
            Ok((page, _)) => document.extend(page),
            Err(Error::NoNode(_)) => return Ok(None),
            Err(why) => return Err(why),
        }
    }
    Ok((sum(&document) == sha256).then_some(document))
}

/// Reads the newest document; `None` where there is none.
///
/// # Errors
/// `ConnectionLost` where the ensemble stays away.
pub(super) async fn read(session: &Session, path: &str) -> Result<Option<(Vec<u8>, Stat)>> {
    let relative = session.relative(path).to_owned();
    loop {
        let (head, stat) = match session.get(&relative).await {
            Err(Error::NoNode(_)) => return Ok(None),
            read => read?,
        };
        let incarnation = session.live().await?;
        match follow_head(&incarnation, path, head).await {
            Ok(Some(document)) => return Ok(Some((document, stat))),
            Ok(None) => {
                // The server that we reached may lag behind.
                session.sync(&relative).await?;
            }
            Err(Error::ConnectionLost(_)) => drop(incarnation.connected().await),
            Err(Error::SessionExpired(_)) => {}
            Err(why) => return Err(why),
        }
    }
}

/// The SHA-256 of a document.
pub(super) fn sum(document: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(document).iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn page_prefix(path: &str) -> String {
    format!("{}-pages-", name(path))
}

fn page_at(path: &str, sum: &str, number: usize) -> String {
    format!("{path}-pages-{}-{number}", &sum[..32])
}
