//! What the leader does: it balances anew after comings, goings and other changes, and publishes what differs.
//!
//! Any member may lead; who does is the election's choice. Every write checks in the same step that the term stands, and
//! is made at the version that was read. While nobody leads, everybody goes on with what they have.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::absence::Absence;
use super::balance::{Balanced, Owners, balance};
use super::card::Card;
use super::document;
use super::follow::Board;
use super::layout::Layout;
use super::published::Published;
use super::quiet::{Change, Quiet};
use super::spec::Spec;
use super::spec_node;
use crate::error::{Error, Result};
use crate::recipes::place::Place;
use crate::recipes::roster::{self, Detail, Roster};
use crate::recipes::{Candidature, Election, Term};
use crate::retry::delays;
use crate::session::Session;

/// A member that leads when it is elected.
pub(super) struct Leader {
    pub(super) place: Place,
    pub(super) layout: Arc<Layout>,
    pub(super) id: String,
    pub(super) board: Board,
}

/// Steps down when it is dropped, also where the task is aborted.
struct Leading(Term);

impl Drop for Leading {
    fn drop(&mut self) {
        drop(self.0.step_down());
    }
}

impl Leader {
    /// Campaigns and leads until no session will come.
    pub(super) async fn run(self) {
        let mut pauses = delays();
        loop {
            let served = async {
                let session = &self.place.session;
                let candidature = Candidature { id: Some(self.id.clone()), settled: true, ..Candidature::default() };
                let term = Leading(
                    Election::new(session, session.relative(&self.layout.leader), candidature)?.campaign(None).await?,
                );
                self.lead(&term.0).await
            };
            match served.await {
                Ok(()) => pauses = delays(),
                Err(why) if why.is_terminated() => return,
                Err(why) => {
                    tracing::warn!(group = self.place.name, %why, "cannot lead now; trying again");
                    tokio::time::sleep(pauses.next().unwrap_or_default()).await;
                }
            }
        }
    }

    /// Leads until the term ends.
    async fn lead(&self, term: &Term) -> Result<()> {
        let mut members = roster::follow(&self.place.session, &self.layout.members, Detail::Data);
        let Board { mut spec, mut done, .. } = self.board.clone();
        let (mut quiet, mut absence) = (Quiet::default(), Absence::default());
        let (mut cards, mut given_up) = (BTreeMap::new(), None::<Instant>);
        let mut newest = self.newest().await?;
        quiet.note(Change::Members, Instant::now());
        loop {
            let period = spec.borrow().as_ref().map_or(Duration::from_millis(super::QUIET), |spec| spec.quiet());
            let due = [quiet.due(period), given_up].into_iter().flatten().min();
            let due = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = term.grant().over() => return Ok(()),
                Ok(()) = members.changed() => {
                    let seen = members.borrow_and_update().clone()?;
                    let now = seen.as_deref().map(read_cards).unwrap_or_default();
                    if now != cards {
                        cards = now;
                        quiet.note(Change::Members, Instant::now());
                    }
                }
                Ok(()) = spec.changed() => {
                    spec.mark_unchanged();
                    quiet.note(Change::Items, Instant::now());
                }
                Ok(()) = done.changed() => {
                    done.mark_unchanged();
                    quiet.note(Change::Items, Instant::now());
                }
                () = due => {
                    quiet.over();
                    let (Some(spec), Some(done)) = (spec.borrow().clone(), done.borrow().clone()) else { continue };
                    let before = newest.as_ref().map(|(before, _)| before);
                    let none = BTreeMap::new();
                    let known = before.map_or(&none, |before| &before.members);
                    let (counted, absent, next) = absence.count_in(&cards, known, Instant::now());
                    given_up = next;
                    if cards.is_empty() {
                        // Our own node, too, is being made again.
                        continue;
                    }
                    let kept = before.map(|before| still(before, &spec, &done)).unwrap_or_default();
                    let Balanced { owners, certificate, unowned } =
                        balance(&spec, &counted, &done, before).unwrap_or_else(|why| {
                            // It stays as it is, but for who takes nothing.
                            let takes = |id: &String| counted.get(id).is_some_and(|card| card.limit != Some(0));
                            let owners = kept.clone().into_iter().filter(|(id, _)| takes(id)).collect();
                            Balanced { owners, certificate: None, unowned: Some(why.to_string()) }
                        });
                    let sum = spec_node::sum(&spec)?;
                    // `kept` lacks what was taken out, and loads follow weights: the same owners are no reason to keep silent.
                    if before.is_some_and(|before| {
                        before.spec == sum && before.members == counted && before.unowned == unowned && kept == owners
                    }) {
                        continue;
                    }
                    if let Some(why) = &unowned {
                        tracing::warn!(group = self.place.name, why, "items are left without an owner");
                    }
                    let next = Published {
                        generation: before.map_or(0, |before| before.generation) + 1,
                        term: term.grant().token(),
                        spec: sum,
                        members: counted,
                        absent,
                        owners,
                        unowned,
                        certificate,
                    };
                    if !self.publish(term, &next, newest.as_ref().map(|(_, version)| *version)).await? {
                        quiet.note(Change::Members, Instant::now());
                    }
                    newest = self.newest().await?;
                }
            }
        }
    }

    /// False where it is not known to have landed: whoever reads the newest knows.
    async fn publish(&self, term: &Term, next: &Published, version: Option<i32>) -> Result<bool> {
        let session = &self.place.session;
        let written = document::write(session, &self.layout.assignment, &next.bytes()?, version, &[term.grant()]).await;
        match written {
            Ok(()) => {
                tracing::info!(group = self.place.name, generation = next.generation, "divided anew");
                Ok(true)
            }
            // Fenced: the head of the loop sees it.
            Err(
                Error::BadVersion(_)
                | Error::NodeExists(_)
                | Error::NoNode(_)
                | Error::ConnectionLost(_)
                | Error::SessionExpired(_)
                | Error::TermLost(_),
            ) => Ok(false),
            Err(why) => Err(why),
        }
    }

    async fn newest(&self) -> Result<Option<(Published, i32)>> {
        let session: &Session = &self.place.session;
        // The server that we reached may lag behind the one that the last leader wrote to.
        match session.sync(session.relative(&self.layout.root)).await {
            Ok(()) | Err(Error::NoNode(_)) => {}
            Err(why) => return Err(why),
        }
        let read = document::read(session, &self.layout.assignment).await?;
        read.map(|(data, stat)| Ok((Published::read(&data)?, stat.version))).transpose()
    }
}

fn read_cards(roster: &Roster) -> BTreeMap<String, Card> {
    roster.nodes.iter().map(|(id, node)| (id.clone(), Card::read(&node.data))).collect()
}

/// What the assignment still says, without what is done or no item any more.
fn still(before: &Published, spec: &Spec, done: &std::collections::BTreeSet<String>) -> Owners {
    let items: std::collections::HashSet<_> = spec.items.iter().collect();
    let mut owners = before.owners.clone();
    for owned in owners.values_mut() {
        owned.retain(|item| items.contains(item) && !done.contains(item.name()));
    }
    owners.retain(|_, owned| !owned.is_empty());
    owners
}
