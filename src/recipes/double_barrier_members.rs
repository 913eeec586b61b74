//! The nodes of a double barrier: each member's own, and the one above them that holds the state.

use std::sync::Arc;

use zookeeper_client as zk;

use super::double_barrier_round::{State, View};
use crate::error::{Error, Result};
use crate::path::child;
use crate::session::{Incarnation, delete_in_background};

/// A member's nodes; they go with it.
#[derive(Debug)]
pub(super) struct Party {
    pub(super) incarnation: Arc<Incarnation>,
    pub(super) members: String,
    pub(super) name: String,
    pub(super) generation: u64,
    pub(super) said: Vec<String>,
}

impl Drop for Party {
    fn drop(&mut self) {
        // What it said first: without its member node nobody reads it.
        for name in self.said.iter().chain([&self.name]) {
            drop(delete_in_background(&self.incarnation, child(&self.members, name)));
        }
    }
}

/// The node above all members.
#[derive(Debug)]
pub(super) struct Members {
    /// The barrier as the user wrote it.
    pub(super) barrier: String,
    /// Its absolute path.
    pub(super) path: String,
}

impl Members {
    /// The state and everybody there, in one flight, each with its watch.
    pub(super) async fn view(
        &self,
        incarnation: &Arc<Incarnation>,
        client: &zk::Client,
        all: bool,
    ) -> Result<(View, i32, zk::OneshotWatcher, Option<zk::OneshotWatcher>)> {
        let members = &self.path;
        // While our node is there its parent is.
        let ours = |error| if matches!(error, Error::NoNode(_)) { self.gone() } else { error };
        let data = client.get_and_watch_data(members);
        let (data, names, watcher) = if all {
            let listed = client.list_and_watch_children(members);
            let data = incarnation.request("get", members, data).await;
            let (names, watcher) = incarnation.request("list", members, listed).await.map_err(ours)?;
            (data, names, Some(watcher))
        } else {
            let listed = client.list_children(members);
            let data = incarnation.request("get", members, data).await;
            (data, incarnation.request("list", members, listed).await.map_err(ours)?, None)
        };
        let (data, stat, changes) = data.map_err(ours)?;
        let found = if data.is_empty() { Ok(State::initial()) } else { serde_json::from_slice(&data) };
        let found = found.map_err(|why| {
            let what = "it is no state of a double barrier";
            Error::server(format!("read '{members}': {what} ({why}); use another path"))
        })?;
        Ok((View::new(found, &names), stat.version, changes, watcher))
    }

    /// Writes the state at its version, where these members and answers exist. False where something had changed.
    pub(super) async fn write(
        &self,
        incarnation: &Incarnation,
        client: &zk::Client,
        state: &State,
        version: i32,
        checks: &[String],
    ) -> Result<bool> {
        let members = &self.path;
        let data = serde_json::to_vec(state).unwrap_or_default();
        let mut multi = client.new_multi_writer();
        let filled = checks
            .iter()
            .try_for_each(|name| multi.add_check_version(&child(members, name), -1))
            .and_then(|()| multi.add_set_data(members, &data, Some(version)));
        filled.map_err(|error| Error::from_client(&error, "set", members))?;
        let written = async { Ok::<_, zk::Error>(multi.commit().await) };
        match incarnation.request("set", members, written).await? {
            Ok(_) => Ok(true),
            Err(zk::MultiWriteError::OperationFailed { source: zk::Error::NoNode | zk::Error::BadVersion, .. }) => {
                Ok(false)
            }
            Err(error) => Err(Error::from_client(&error.into(), "set", members)),
        }
    }

    /// Our node is not there any more.
    pub(super) fn gone(&self) -> Error {
        Error::session_expired(format!(
            "double barrier '{}': our node is gone, so the others see us gone; enter again",
            self.barrier
        ))
    }
}
