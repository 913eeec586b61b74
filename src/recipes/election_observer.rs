//! Watching who leads.
//!
//! Znodes: none of its own. It watches the leader's node; while nobody leads the line; while there is no
//! line its parent.

use zookeeper_client as zk;

use super::contenders::Contender;
use super::place::Place;
use super::turn::line;
use crate::error::{Error, Result};
use crate::path::child;
use crate::session::Incarnation;

/// The leaders of one election, one after the other.
#[derive(Debug)]
pub struct Observer {
    place: Place,
    markers: &'static [&'static str],
    /// The token of who was reported last; 0, which no node has, where that was nobody.
    last: Option<i64>,
}

impl Observer {
    pub(super) fn new(place: &Place, markers: &'static [&'static str]) -> Self {
        Self { place: place.clone(), markers, last: None }
    }

    /// Who leads now, at the first call; then waits until somebody else, or nobody (`None`), does.
    /// A leader that came and went between two looks is not reported. It goes on after a lost connection and an expiry.
    ///
    /// # Cancel safety
    /// Leaves no watch; the next call reports what this one would have.
    ///
    /// # Errors
    /// `Closed`, `AuthFailed`, `NotAuthorized`.
    pub async fn next(&mut self) -> Result<Option<Contender>> {
        let leader = self.change().await?;
        self.saw(leader.as_ref());
        Ok(leader)
    }

    /// Counts `leader`, which [`Self::change`] found, as reported.
    pub fn saw(&mut self, leader: Option<&Contender>) {
        self.last = Some(token(leader));
    }

    /// Who would be reported next, without counting it as reported.
    ///
    /// # Cancel safety
    /// Leaves no watch.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub async fn change(&self) -> Result<Option<Contender>> {
        loop {
            let incarnation = self.place.session.next_live().await?;
            let (leader, changed) = match self.look(&incarnation).await {
                Err(Error::ConnectionLost(_)) => {
                    // An end is seen by the next turn of the loop, which asks for the next session.
                    let _ = incarnation.connected().await;
                    continue;
                }
                Err(Error::SessionExpired(_)) => continue,
                looked => looked?,
            };
            if self.last != Some(token(leader.as_ref())) {
                return Ok(leader);
            }
            tokio::select! {
                _ = changed.changed() => {}
                _ = incarnation.ended() => {}
            }
        }
    }

    /// Who leads, and what fires when that may have changed.
    async fn look(&self, incarnation: &Incarnation) -> Result<(Option<Contender>, zk::OneshotWatcher)> {
        let (client, path) = (incarnation.client()?, &self.place.path);
        loop {
            let (children, line_changed) =
                match incarnation.request("list", path, client.list_and_watch_children(path)).await {
                    Err(Error::NoNode(_)) => {
                        match incarnation.request("watch", path, client.check_and_watch_stat(path)).await? {
                            (None, made) => return Ok((None, made)),
                            (Some(_), _) => continue,
                        }
                    }
                    listed => listed?,
                };
            let line = super::contenders::ordered(incarnation, &client, path, line(&children, self.markers)).await?;
            let Some(first) = line.first() else { return Ok((None, line_changed)) };
            let leader = child(path, &first.name);
            match incarnation.request("watch", &leader, client.get_and_watch_data(&leader)).await {
                Ok((data, stat, gone)) => return Ok((Some(Contender::new(&data, &stat, 0)), gone)),
                // It went meanwhile.
                Err(Error::NoNode(_)) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn token(leader: Option<&Contender>) -> i64 {
    leader.map_or(0, |leader| leader.token)
}
