//! The spec's node: published by the first who brings one, together with the group's directories.

use zookeeper_client as zk;

use super::claim::{Claimant, look};
use super::document;
use super::follow::read_spec;
use super::layout::Layout;
use super::spec::{Change, Spec};
use crate::error::{Error, Result};
use crate::path::parent;
use crate::recipes::place::Place;
use crate::recipes::queue::batch::{Refused, Step, send};
use crate::session::{Incarnation, NotWritten, Session, Stat, Write, make_parents};

/// The spec that is published, and the zxid of its last change; where none is, `asked` is, if it has items.
///
/// # Errors
/// `Config` where another is published; `NoNode` where none is and none was asked for.
pub(super) async fn agree(place: &Place, layout: &Layout, asked: &Change) -> Result<(Spec, i64)> {
    let (session, name) = (&place.session, &place.name);
    loop {
        if let Some((found, stat)) = read(session, layout).await? {
            return match found.difference(asked) {
                None => Ok((found, stat.mzxid)),
                Some(what) => Err(Error::config(format!(
                    "partitions '{name}' is published with other settings: {what}; leave these out to join as it is, \
                     or change it for everybody with update()"
                ))),
            };
        }
        if asked.items.is_none() {
            return Err(unpublished(name));
        }
        let spec = Spec { quiet: super::QUIET, ..Spec::default() }.changed(name, asked)?;
        let incarnation = session.live().await?;
        match make(&incarnation, layout, &spec).await {
            Ok(()) | Err(Error::SessionExpired(_)) => {}
            Err(Error::ConnectionLost(_)) => drop(incarnation.connected().await),
            Err(why) => return Err(why),
        }
    }
}

/// There is no such group yet.
pub(super) fn unpublished(name: &str) -> Error {
    Error::no_node(format!(
        "partitions '{name}': nobody published its items yet; give items= and join, which publishes them"
    ))
}

/// There is no such group any more.
pub(super) fn deleted(name: &str) -> Error {
    Error::no_node(format!(
        "partitions '{name}': the group was deleted, and its members are out; give items= and join to publish it anew"
    ))
}

/// The spec as the leader of the ensemble has it.
///
/// # Errors
/// `ConnectionLost` where the ensemble stays away.
pub(super) async fn newest(session: &Session, layout: &Layout) -> Result<Option<Spec>> {
    match session.sync(session.relative(&layout.root)).await {
        Ok(()) | Err(Error::NoNode(_)) => {}
        Err(why) => return Err(why),
    }
    Ok(read(session, layout).await?.map(|(spec, _)| spec))
}

/// The spec that our server has, and the stat of its node.
///
/// # Errors
/// `ConnectionLost` where the ensemble stays away.
pub(super) async fn read(session: &Session, layout: &Layout) -> Result<Option<(Spec, Stat)>> {
    match session.get(session.relative(&layout.spec)).await {
        Ok((data, stat)) => Ok(Some((read_spec(&data)?, stat))),
        Err(Error::NoNode(_)) => Ok(None),
        Err(why) => Err(why),
    }
}

/// Publishes the spec where there is none.
async fn make(incarnation: &Incarnation, layout: &Layout, spec: &Spec) -> Result<()> {
    let client = incarnation.client()?;
    let directory = |path: &str| Step::Create(path.to_owned(), Vec::new(), zk::CreateMode::Persistent);
    let mut steps = vec![Step::Create(layout.spec.clone(), bytes(spec)?, zk::CreateMode::Persistent)];
    steps.extend(layout.directories().map(directory));
    loop {
        match send(incarnation, &client, "publish", &steps).await {
            Ok(_) | Err(Refused { at: Some(0), error: Error::NodeExists(_) }) => return Ok(()),
            Err(Refused { at: Some(0), error: Error::NoNode(_) }) => {
                make_parents(incarnation, &client, &layout.root, zk::CreateMode::Persistent).await?;
            }
            // Somebody deleted a part of the group by hand.
            Err(Refused { at: Some(at), error: Error::NodeExists(_) }) => drop(steps.remove(at)),
            Err(Refused { error: Error::ConnectionLost(_), .. }) => incarnation.connected().await?,
            Err(Refused { error, .. }) => return Err(error),
        }
    }
}

/// Sees to it that a session begins with a group. `seen` is a zxid at which it stood; the answer is one for next time.
///
/// A deleted group stays deleted; one that went with the whole ensemble is published again. They are told apart by what
/// is above it: in one history a deletion leaves its zxid there, which is later than any before, and a new history
/// begins with small ones.
///
/// # Errors
/// `NoNode` where the group was deleted; `SessionExpired` and the like.
pub(super) async fn see_to(incarnation: &Incarnation, claimant: &Claimant, spec: &Spec, seen: i64) -> Result<i64> {
    let (client, layout) = (incarnation.client()?, &claimant.layout);
    loop {
        if let Some(stat) = look(incarnation, &client, &layout.spec).await? {
            return Ok(stat.mzxid);
        }
        let mut above = Some(layout.root.as_str());
        while let Some(path) = above {
            if let Some(stat) = look(incarnation, &client, path).await? {
                if stat.pzxid > seen {
                    return Err(deleted(&claimant.group));
                }
                break;
            }
            above = parent(path);
        }
        match make(incarnation, layout, spec).await {
            Ok(()) => {}
            Err(Error::ConnectionLost(_)) => incarnation.connected().await?,
            Err(why) => return Err(why),
        }
    }
}

/// Whether it stands in this session, which saw it before.
///
/// # Errors
/// `NoNode` where it was deleted; `SessionExpired` and the like.
pub(super) async fn check(incarnation: &Incarnation, claimant: &Claimant) -> Result<()> {
    let found = look(incarnation, &*incarnation.client()?, &claimant.layout.spec).await?;
    found.map(drop).ok_or_else(|| deleted(&claimant.group))
}

/// Changes the published spec; what the change does not name stays.
///
/// # Errors
/// `NoNode` where none is published; `Config`; `ConnectionLost` where the ensemble stays away.
pub(super) async fn change(place: &Place, layout: &Layout, change: &Change) -> Result<()> {
    let (session, name) = (&place.session, &place.name);
    let path = session.relative(&layout.spec);
    loop {
        let Some((spec, stat)) = read(session, layout).await? else {
            return Err(unpublished(name));
        };
        let changed = spec.changed(name, change)?;
        if changed == spec {
            return Ok(());
        }
        match session.multi(&[Write::Set(path, &bytes(&changed)?, Some(stat.version))], &[]).await {
            Ok(_) => return Ok(()),
            // Somebody came in between; or the reply was lost, and reading it again tells.
            Err(NotWritten {
                error: Error::BadVersion(_) | Error::ConnectionLost(_) | Error::SessionExpired(_),
                ..
            }) => {}
            Err(NotWritten { error, .. }) => return Err(error),
        }
    }
}

/// The sum of what is divided, and how; when to divide is no part of it.
pub(super) fn sum(spec: &Spec) -> Result<String> {
    bytes(&Spec { quiet: 0, ..spec.clone() }).map(|bytes| document::sum(&bytes))
}

fn bytes(spec: &Spec) -> Result<Vec<u8>> {
    serde_json::to_vec(spec).map_err(|why| Error::config(format!("a spec: {why}")))
}
