//! The rounds of an election by ballot, as one candidate goes through them.
//!
//! While somebody leads, candidates watch the latch line and their own node only. Once it is empty a round begins: its number is
//! the zxid of the last change to the line, the same for everybody who looks. Each computes who is elected from
//! what it sees, and only that candidate enters the line, where it leads if nobody was quicker. So
//! exclusion rests on the line alone; where two looked at different moments and disagree, one of them leaves again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use zookeeper_client as zk;

use super::ballot::{Count, Nominee, Strategy, drawn, foremost};
use super::candidates::{self, Card, Standing, agree, hall};
use super::contenders::{self, LineKind};
use super::election_vote::{Progress, Score, Vote};
use super::patience::Patience;
use super::place::Place;
use super::turn::line;
use crate::error::{Error, Result};
use crate::path::child;
use crate::session::{Created, Grant, Incarnation};

/// Who wants to lead, and how.
pub(super) struct Candidacy<'a> {
    pub(super) kind: LineKind,
    pub(super) place: &'a Place,
    pub(super) card: &'a Card,
    pub(super) score: &'a Score,
    /// Whether to wait, or to give up where others have to do something first.
    pub(super) wait: bool,
    pub(super) asked: Instant,
}

/// A term won by ballot. The candidate stands until it is dropped.
pub(super) struct Won {
    pub(super) grant: Arc<Grant>,
    pub(super) stands: Created,
    /// Of a vote.
    pub(super) count: Option<Count>,
}

impl Candidacy<'_> {
    /// Stands as a candidate through as many rounds as it takes; `None` where it was not to wait.
    ///
    /// # Cancel safety
    /// Leaves no node and no watch.
    ///
    /// # Errors
    /// `SessionExpired` or `NoNode` where our nodes are gone, with the session or without: stand again then.
    /// `Config` where strategies are mixed or a score cannot be evaluated.
    pub(super) async fn stand(&self, incarnation: &Arc<Incarnation>) -> Result<Option<Won>> {
        let stands = candidates::register(incarnation, &self.place.path, self.card).await?;
        let mut vote = Vote::new(incarnation, &self.place.path, self.score, stands.czxid);
        match self.rounds(incarnation, &stands, &mut vote).await? {
            Some((grant, count)) => Ok(Some(Won { grant, stands, count })),
            None => Ok(None),
        }
    }

    async fn rounds(
        &self,
        incarnation: &Arc<Incarnation>,
        stands: &Created,
        vote: &mut Vote<'_>,
    ) -> Result<Option<(Arc<Grant>, Option<Count>)>> {
        let client = incarnation.client()?;
        let (mut known, mut agreed, mut patience) = (HashMap::new(), false, Patience::new());
        loop {
            let seen = match self.look(incarnation, &client, stands, &mut known, agreed).await {
                Err(Error::ConnectionLost(_)) => {
                    incarnation.connected().await?;
                    continue;
                }
                seen => seen?,
            };
            let verdict = match &seen.hall {
                Some(hall) => {
                    self.still_stands(stands, hall)?;
                    agreed = true;
                    if seen.leader.is_some() {
                        Verdict::Wait(None)
                    } else {
                        self.decide(seen.round, stands.czxid, hall, vote).await?
                    }
                }
                None => Verdict::Wait(None),
            };
            let until = match verdict {
                Verdict::Again => continue,
                Verdict::Elected(count) => {
                    let (kind, data) = (self.kind, self.card.id.as_bytes());
                    // Not waiting there: whoever finds somebody before it leaves, and looks again.
                    match contenders::enter(incarnation, kind, self.place, data, false, self.asked).await? {
                        Some(grant) => return Ok(Some((grant, count))),
                        None => continue,
                    }
                }
                Verdict::Wait(_) if !self.wait => return Ok(None),
                Verdict::Wait(until) => until,
            };
            if let Some(leader) = &seen.leader {
                patience.name(incarnation, &client, &self.place.name, leader, 0).await;
            }
            tokio::select! {
                () = seen.changed() => {}
                () = at(until) => {}
                () = patience.long() => {}
                why = incarnation.ended() => return Err(why),
            }
        }
    }

    /// Looks at the line, and where nobody leads, or `agreed` is not yet known, at the hall.
    async fn look(
        &self,
        incarnation: &Incarnation,
        client: &zk::Client,
        stands: &Created,
        known: &mut HashMap<String, Standing>,
        agreed: bool,
    ) -> Result<Seen> {
        let path = &self.place.path;
        let list = client.get_and_watch_children(path);
        let (in_line, stat, changed) = incarnation.request("list", path, list).await?;
        let leader = line(&in_line, self.kind.markers).first().map(|ticket| child(path, &ticket.name));
        let led = leader.is_some();
        let mut seen = Seen { round: stat.pzxid, leader, line: changed, mine: None, hall: None };
        // While somebody leads it does not matter who else stands, but we have to.
        if led && agreed {
            let mine = child(&hall(path), &stands.name);
            let (_, _, gone) = incarnation.request("watch", &mine, client.get_and_watch_data(&mine)).await?;
            seen.mine = Some(gone);
            return Ok(seen);
        }
        let hall = hall(path);
        let (names, changed) = incarnation.request("list", &hall, client.list_and_watch_children(&hall)).await?;
        let standing = candidates::standing(incarnation, client, path, &names, known).await?;
        seen.hall = Some(Hall { names, standing, changed });
        Ok(seen)
    }

    fn still_stands(&self, stands: &Created, hall: &Hall) -> Result<()> {
        let me = hall.standing.iter().position(|other| other.arrived == stands.czxid);
        let Some(me) = me else {
            let name = &self.place.name;
            return Err(Error::session_expired(format!("'{name}': our node among the candidates was deleted")));
        };
        // Whoever came first decides.
        agree(&self.place.name, self.card.strategy, &hall.standing[..me])
    }

    async fn decide(&self, round: i64, me: i64, hall: &Hall, vote: &mut Vote<'_>) -> Result<Verdict> {
        let nominee = |other: &Standing| Nominee { arrived: other.arrived, priority: other.card.priority };
        let same = hall.standing.iter().filter(|other| other.card.strategy == self.card.strategy);
        let nominees: Vec<Nominee> = same.map(nominee).collect();
        let elected = match self.card.strategy {
            Strategy::Fair => Some(me),
            Strategy::Random => drawn(round, &nominees),
            Strategy::Priority => foremost(&nominees),
            Strategy::Vote => {
                let live: Vec<i64> = nominees.iter().map(|nominee| nominee.arrived).collect();
                return Ok(match vote.progress(round, &live, &hall.names).await? {
                    Progress::Said => Verdict::Again,
                    Progress::Elected(count) => Verdict::Elected(Some(count)),
                    Progress::Wait(until) => Verdict::Wait(until),
                });
            }
        };
        Ok(if elected == Some(me) { Verdict::Elected(None) } else { Verdict::Wait(None) })
    }
}

/// What a candidate sees, and is told of when it changes.
struct Seen {
    /// The node of whoever leads.
    leader: Option<String>,
    round: i64,
    line: zk::OneshotWatcher,
    /// Our own node, where the hall is not watched.
    mine: Option<zk::OneshotWatcher>,
    hall: Option<Hall>,
}

struct Hall {
    names: Vec<String>,
    standing: Vec<Standing>,
    changed: zk::OneshotWatcher,
}

enum Verdict {
    Elected(Option<Count>),
    /// We said something ourselves.
    Again,
    Wait(Option<tokio::time::Instant>),
}

impl Seen {
    async fn changed(self) {
        let others = self.mine.or(self.hall.map(|hall| hall.changed));
        tokio::select! {
            _ = self.line.changed() => {}
            () = changed(others) => {}
        }
    }
}

async fn changed(watcher: Option<zk::OneshotWatcher>) {
    match watcher {
        Some(watcher) => drop(watcher.changed().await),
        None => std::future::pending().await,
    }
}

async fn at(until: Option<tokio::time::Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until).await,
        None => std::future::pending().await,
    }
}
