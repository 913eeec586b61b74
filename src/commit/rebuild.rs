//! Rebuilding `ZooKeeper`'s record of a table from what its directory proves, and giving a record up.
//!
//! A mirror file exists only if its version was committed, so the newest one proves the head.

use crate::commit::chain::Chain;
use crate::commit::head::Head;
use crate::commit::identity::Identity;
use crate::commit::layout;
use crate::commit::manifest::Manifest;
use crate::commit::mirror;
use crate::commit::record::Committed;
use crate::commit::table::{Table, ensure, found, until_answered};
use crate::commit::transaction::NODE;
use crate::commit::uri::Location;
use crate::error::{Error, Result};
use crate::session::{NotWritten, Session, Write};

/// The manifest among `candidates` whose publication is what the mirror holds as its newest file.
#[must_use]
pub fn proven<'a>(
    root: &Location,
    chain: &'a Chain,
    candidates: &'a [String],
    newest: u64,
    content: &[u8],
) -> Option<(&'a str, &'a Manifest)> {
    candidates.iter().find_map(|name| {
        let manifest = chain.get(name)?;
        let proven = manifest.mirror == newest && mirror::written(root, manifest) == content;
        proven.then_some((name.as_str(), manifest))
    })
}

/// Puts the record of the table `identity` at `at` back: its head, its jobs and its streaming queries, as `commits`
/// say, oldest first. What `ZooKeeper` has of it and is older is replaced.
///
/// # Errors
/// `Config` where `ZooKeeper` knows of later commits; `ConnectionLost` where the ensemble stays away.
pub async fn rebuild(
    session: &Session,
    at: &Location,
    identity: &Identity,
    commits: &[(String, Manifest)],
) -> Result<()> {
    let uuid = &identity.uuid;
    let Some((name, newest)) = commits.last() else {
        return Err(Error::config(format!("repair {}: no manifest is proven by its mirror", at.canonical())));
    };
    for node in ["/paths".to_owned(), layout::table(uuid), layout::transactions(uuid), layout::jobs(uuid)] {
        ensure(session, &node).await?;
    }
    let mut queries = std::collections::BTreeMap::new();
    for (name, manifest) in commits {
        ensure(session, &layout::job_shard(uuid, &manifest.job_id)).await?;
        let done = Committed {
            version: manifest.version,
            tx: manifest.tx.clone(),
            manifest: name.clone(),
            files: manifest.added.len() as u64,
            bytes: manifest.added.iter().map(|file| file.size).sum(),
        };
        put(session, &layout::job(uuid, &manifest.job_id)?, &done.encode()).await?;
        if let Some(batch) = &manifest.batch {
            queries.insert(batch.app_id.clone(), batch.batch);
        }
    }
    for (app_id, batch) in queries {
        ensure(session, &layout::apps(uuid)).await?;
        let record = crate::commit::app::AppRecord { batch: Some(batch), owner: "repair".to_owned() };
        put(session, &layout::app(uuid, &app_id)?, &record.encode()).await?;
    }
    put(session, &layout::table(uuid), &identity.encode()).await?;
    put(session, &at.znode(), &identity.encode()).await?;
    let sha256 = newest.seal()?.sha256;
    let head = Head {
        v: newest.version,
        manifest: Some(name.clone()),
        sha256: Some(sha256),
        totals: newest.totals,
        tx: Some(newest.tx.clone()),
        closed: false,
        mirror: Some(newest.mirror),
    };
    // Last: with a head the table is open again.
    let path = layout::head(uuid);
    let Some((data, stat)) = found(session.get(&path).await)? else {
        return put(session, &path, &head.encode()).await;
    };
    match Head::decode(uuid, &data) {
        Ok(known) if known.mirror > head.mirror => Err(Error::config(format!(
            "repair {}: ZooKeeper knows version {}, which is newer than version {} of the mirror; nothing is lost, \
             recover() publishes it",
            at.canonical(),
            known.v,
            head.v
        ))),
        _ => session.set(&path, &head.encode(), Some(stat.version), &[]).await.map(drop),
    }
}

/// Creates a node, or sets it.
async fn put(session: &Session, path: &str, data: &[u8]) -> Result<()> {
    let created = until_answered(session, || session.create(path, data, NODE, false, &[])).await;
    match created {
        Err(Error::NodeExists(_)) => until_answered(session, || session.set(path, data, None, &[])).await.map(drop),
        created => created.map(drop),
    }
}

impl Table {
    /// Lets nobody commit any more, and returns the last head.
    ///
    /// # Errors
    /// `HistoryLost`; `ConnectionLost` where the ensemble stays away.
    pub async fn close(&self) -> Result<Head> {
        let path = layout::head(&self.identity.uuid);
        loop {
            let (head, version) = self.head().await?;
            if head.closed {
                return Ok(head);
            }
            let closed = Head { closed: true, ..head };
            match self.session.multi(&[Write::Set(&path, &closed.encode(), Some(version))], &[]).await {
                Ok(_) => return Ok(closed),
                Err(NotWritten { error: Error::BadVersion(_), .. }) => {}
                Err(refused) if refused.error.outcome_unknown() => self.session.sync(&path).await?,
                Err(refused) => return Err(refused.error),
            }
        }
    }

    /// Deletes everything that `ZooKeeper` knows of it.
    ///
    /// # Errors
    /// `ConnectionLost` where the ensemble stays away: call it again.
    pub async fn drop_record(&self, at: &Location) -> Result<()> {
        let table = layout::table(&self.identity.uuid);
        for path in [at.znode(), table] {
            found(until_answered(&self.session, || self.session.delete(&path, None, true, &[])).await)?;
        }
        Ok(())
    }
}
