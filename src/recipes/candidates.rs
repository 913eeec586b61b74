//! The candidates of an election that is decided by ballot: who stands, and since when.
//!
//! Znodes: `<path>/candidates`, a container; below it `_c_<guid>-candidate-<sequence>`, ephemeral, made by
//! each candidate when it begins to campaign, deleted by it when its campaign or its term ends. Data is a card
//! in JSON: id, strategy, priority. A vote's papers stand beside them; see [`super::election_vote`].

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use zookeeper_client as zk;

use super::ballot::Strategy;
use super::turn::line;
use crate::error::{Error, Result};
use crate::path::child;
use crate::session::{Created, Incarnation, create_protected};

const MARKER: &str = "candidate-";
const MARKERS: &[&str] = &["-candidate-"];

/// The node below an election's that its candidates stand in.
pub(super) fn hall(path: &str) -> String {
    child(path, "candidates")
}

/// What a candidate says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Card {
    pub(super) id: String,
    pub(super) strategy: Strategy,
    #[serde(default)]
    pub(super) priority: i64,
}

/// A candidate that stands.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    pub(super) card: Card,
    /// The creation zxid of its node.
    pub(super) arrived: i64,
    /// Milliseconds since 1970 on the server's clock.
    pub(super) since: i64,
    pub(super) session_id: i64,
}

/// Stands as a candidate until the answer is dropped.
///
/// # Cancel safety
/// Leaves no node.
///
/// # Errors
/// `SessionExpired`; `NotAuthorized`, `PayloadTooLarge` and the like.
pub(super) async fn register(incarnation: &Arc<Incarnation>, path: &str, card: &Card) -> Result<Created> {
    let data = serde_json::to_vec(card).map_err(|error| Error::config(format!("candidate '{}': {error}", card.id)))?;
    create_protected(incarnation, &hall(path), MARKER, &data, false).await
}

/// Those among `children` of the hall that are candidates, in order of arrival. `known` has what was read
/// before: a card never changes.
///
/// # Errors
/// `ConnectionLost` where the link broke; `SessionExpired`.
pub(super) async fn standing(
    incarnation: &Incarnation,
    client: &zk::Client,
    path: &str,
    children: &[String],
    known: &mut HashMap<String, Standing>,
) -> Result<Vec<Standing>> {
    let names: Vec<String> = line(children, MARKERS).into_iter().map(|ticket| ticket.name).collect();
    known.retain(|name, _| names.contains(name));
    // All requests are queued before the first reply is awaited.
    let unknown: Vec<_> = names.iter().filter(|name| !known.contains_key(*name)).collect();
    let paths: Vec<String> = unknown.iter().map(|name| child(&hall(path), name)).collect();
    let replies: Vec<_> = paths.iter().map(|path| client.get_data(path)).collect();
    for ((reply, path), name) in replies.into_iter().zip(&paths).zip(unknown) {
        match incarnation.request("get", path, reply).await {
            // What is no card was put there by somebody else.
            Ok((data, stat)) => drop(serde_json::from_slice(&data).map(|card| {
                let (arrived, since, session_id) = (stat.czxid, stat.ctime, stat.ephemeral_owner);
                known.insert(name.clone(), Standing { card, arrived, since, session_id })
            })),
            // It left meanwhile.
            Err(Error::NoNode(_)) => {}
            Err(error) => return Err(error),
        }
    }
    let mut standing: Vec<Standing> = known.values().cloned().collect();
    standing.sort_by_key(|candidate| candidate.arrived);
    Ok(standing)
}

/// # Errors
/// `Config` where one of the others, here before us, is elected by another strategy.
pub(super) fn agree(name: &str, mine: Strategy, others: &[Standing]) -> Result<()> {
    match others.iter().find(|other| other.card.strategy != mine) {
        None => Ok(()),
        Some(Standing { card, .. }) => Err(Error::config(format!(
            "election '{name}': {} stands in it with strategy \"{}\", and this candidate with \"{}\"; \
             use one strategy on one path",
            card.id,
            card.strategy.word(),
            mine.word()
        ))),
    }
}
