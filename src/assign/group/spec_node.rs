//! The spec's node: published by the first who brings one, together with the group's directories.

use zookeeper_client as zk;

use super::follow::read_spec;
use super::layout::Layout;
use super::spec::{Change, Spec};
use crate::error::{Error, Result};
use crate::recipes::place::Place;
use crate::recipes::queue::batch::{Refused, Step, send};
use crate::session::{Incarnation, NotWritten, Session, Stat, Write, make_parents};

/// The spec that is published; where none is, `asked` is, if it has items.
///
/// # Errors
/// `Config` where another is published; `NoNode` where none is and none was asked for.
pub(super) async fn agree(place: &Place, layout: &Layout, asked: &Change) -> Result<Spec> {
    let (session, name) = (&place.session, &place.name);
    loop {
        if let Some((found, _)) = read(session, layout).await? {
            return match found.difference(asked) {
                None => Ok(found),
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

/// The newest spec, and the stat of its node.
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

/// Publishes the spec again where the ensemble was wiped.
pub(super) async fn make_again(incarnation: &Incarnation, layout: &Layout, spec: &Spec) -> Result<()> {
    let client = incarnation.client()?;
    loop {
        match incarnation.request("look up", &layout.spec, client.check_stat(&layout.spec)).await {
            Ok(Some(_)) => return Ok(()),
            Ok(None) => return make(incarnation, layout, spec).await,
            Err(Error::ConnectionLost(_)) => incarnation.connected().await?,
            Err(why) => return Err(why),
        }
    }
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

fn bytes(spec: &Spec) -> Result<Vec<u8>> {
    serde_json::to_vec(spec).map_err(|why| Error::config(format!("a spec: {why}")))
}
