//! An election: one leader at a time, with a token that grows with every term.
//!
//! Znodes: `<path>/_c_<guid>-latch-<sequence>`, ephemeral, made by who wants to lead, deleted by it when it
//! steps down or gives up; data is its id. These are Curator's names, so a `LeaderLatch` on the path and we
//! exclude each other; kazoo's `__lock__` nodes are respected too. The first in line leads. Under
//! `fair` every candidate stands in that line. Otherwise candidates stand below `<path>/candidates`
//! (`candidates`) and only the one that is elected enters the line (`election_round`).
//! What leaders save is in `<path>.checkpoint` (`election_term`); the tally of the last vote is
//! the data of `<path>/candidates`, written by its winner.
//!
//! Guarantees: a term is LOST by the lease clock before any server can let the next leader in. A campaign
//! survives lost connections; after an expiry, or where an operator deleted its nodes or their parents, it begins anew.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::ballot::{Strategy, Tally};
use super::candidates::{self, Card, agree, hall};
use super::contenders::{self, Contender, LineKind};
pub use super::election_observer::Observer;
use super::election_round::Candidacy;
pub use super::election_term::Term;
pub use super::election_vote::Score;
use super::place::Place;
use super::turn;
use crate::error::{Error, Result};
use crate::retry::{Deadline, delays};
use crate::session::{Created, Grant, GrantKind, GrantState, Incarnation, Session, list_again};

const LINE: LineKind = LineKind {
    marker: "latch-",
    markers: &["-latch-", "__lock__"],
    grant: GrantKind::Term,
    rule: turn::first,
    settled: false,
};

/// How long a timed-out campaign may still ask who leads.
const WHO_LEADS: Duration = Duration::from_millis(50);

/// A campaign that lasted longer did not fail at once when it began anew.
const STEADY: Duration = Duration::from_secs(1);

/// As what one stands in an election.
#[derive(Clone, Debug, Default)]
pub struct Candidature {
    /// What the others see; the session's owner by default.
    pub id: Option<String>,
    /// How leaders are found; the same for all candidates on one path.
    pub strategy: Strategy,
    /// For [`Strategy::Priority`].
    pub priority: i64,
    /// For [`Strategy::Vote`].
    pub score: Score,
    /// Whether others make the election's node: under [`Strategy::Fair`] a campaign waits for it, and does not make it.
    pub settled: bool,
}

/// Somebody who leads or wants to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Who it says it is.
    pub id: String,
    /// The fencing token of its term, once it leads. `None` for who is elected by ballot and does not lead yet.
    pub token: Option<i64>,
    /// Since when it leads or waits: milliseconds since 1970 on the server's wall clock.
    pub since: i64,
    /// Its session.
    pub session_id: i64,
    /// 0 leads; the others in order of arrival, which under `fair` is the order in which they will lead.
    pub position: usize,
    /// Under `priority`.
    pub priority: Option<i64>,
}

/// The election at one path. Clones are one handle; every campaign is a candidate of its own.
#[derive(Clone, Debug)]
pub struct Election(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    place: Place,
    card: Card,
    score: Score,
    settled: bool,
    /// What this process knows without asking.
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// Our latest term.
    term: Weak<Grant>,
    /// Who led when we last looked.
    leader: Option<String>,
}

impl Election {
    /// A handle on the election at `path`.
    ///
    /// # Errors
    /// `InvalidPath`; the root is none either, because an election needs a node of its own.
    pub fn new(session: &Session, path: &str, candidature: Candidature) -> Result<Self> {
        let Candidature { id, strategy, priority, score, settled } = candidature;
        let id = id.unwrap_or_else(|| session.config().owner.clone());
        Ok(Self(Arc::new(Inner {
            place: Place::new(session, "election", path)?,
            card: Card { id, strategy, priority },
            score,
            settled,
            known: Mutex::default(),
        })))
    }

    /// The path as the user wrote it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.place.name
    }

    /// Who we say we are.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.card.id
    }

    /// Wants to lead, and waits until it does.
    ///
    /// `timeout` is the total over everything, reconnects included: zero tries once, `None` waits for ever.
    ///
    /// # Cancel safety
    /// A campaign that is dropped leaves no node and no watch.
    ///
    /// # Errors
    /// `AcquireTimeout`, naming the leader; `Config` where the others on the path use another strategy, or
    /// the score cannot be evaluated; `Closed`, `AuthFailed`, `NotAuthorized`.
    pub async fn campaign(&self, timeout: Option<Duration>) -> Result<Term> {
        let wait = !timeout.is_some_and(|timeout| timeout.is_zero());
        let elected = if wait {
            Deadline::after(timeout).bound(self.contend(true)).await.unwrap_or(Ok(None))?
        } else {
            self.contend(false).await?
        };
        match elected {
            Some(term) => {
                self.know(Some(self.id().to_owned()));
                self.known().term = Arc::downgrade(term.grant());
                Ok(term)
            }
            None => Err(self.timed_out(timeout).await),
        }
    }

    /// Who leads.
    ///
    /// # Errors
    /// `ConnectionLost` where the ensemble stays away.
    pub async fn leader(&self) -> Result<Option<Candidate>> {
        let Place { session, path, .. } = &self.0.place;
        let found =
            session.look(|incarnation| async move { contenders::holder(&incarnation, path, LINE).await }).await?;
        let leader = found.map(|(leader, _)| Candidate::from(leader));
        self.know(leader.as_ref().map(|leader| leader.id.clone()));
        Ok(leader)
    }

    /// Everybody who leads or wants to, the leader first.
    ///
    /// # Errors
    /// `ConnectionLost` where the ensemble stays away.
    pub async fn candidates(&self) -> Result<Vec<Candidate>> {
        let Place { session, path, .. } = &self.0.place;
        let (line, hall) = session
            .look(|incarnation| async move {
                Ok((contenders::contenders(&incarnation, path, LINE).await?, self.standing(&incarnation).await?))
            })
            .await?;
        let mut found: Vec<Candidate> = line.into_iter().map(Candidate::from).collect();
        let mut leading = found.first().cloned();
        for other in hall {
            let priority = (other.card.strategy == Strategy::Priority).then_some(other.card.priority);
            // Who was elected stands still, in the line and in the hall.
            let same = |leader: &Candidate| leader.session_id == other.session_id && leader.id == other.card.id;
            if leading.take_if(|leader| same(leader)).is_some() {
                found[0].priority = priority;
                continue;
            }
            let (since, session_id, position) = (other.since, other.session_id, found.len());
            found.push(Candidate { id: other.card.id, token: None, since, session_id, position, priority });
        }
        Ok(found)
    }

    /// The leaders from now on.
    #[must_use]
    pub fn observe(&self) -> Observer {
        Observer::new(&self.0.place, LINE.markers)
    }

    /// The outcome of the last vote; `None` where there was none since the candidates' node was made.
    ///
    /// # Errors
    /// `ConnectionLost` where the ensemble stays away.
    pub async fn tally(&self) -> Result<Option<Tally>> {
        let Place { session, path, .. } = &self.0.place;
        let data = super::election_term::read(session, session.relative(&hall(path))).await?;
        Ok(data.and_then(|data| serde_json::from_slice(&data).ok()))
    }

    /// The state of this handle's latest term, where it stands.
    #[must_use]
    pub fn term(&self) -> Option<(i64, GrantState)> {
        let grant = self.known().term.upgrade()?;
        let state = grant.state();
        (state != GrantState::Lost).then(|| (grant.token(), state))
    }

    /// Who led when this process last looked.
    #[must_use]
    pub fn known_leader(&self) -> Option<String> {
        self.known().leader.clone()
    }

    async fn contend(&self, wait: bool) -> Result<Option<Term>> {
        let (asked, session) = (Instant::now(), &self.0.place.session);
        let mut pauses = delays();
        loop {
            let incarnation = if wait { session.next_live().await? } else { session.live().await? };
            let begun = Instant::now();
            let elected = match self.0.card.strategy {
                Strategy::Fair => self.queue(&incarnation, wait, asked).await,
                _ => self.stand(&incarnation, wait, asked).await,
            };
            match elected {
                // Our place went with the session, or with a parent that an operator deleted: begin anew.
                Err(Error::SessionExpired(_) | Error::NoNode(_)) => {}
                elected => return elected,
            }
            if begun.elapsed() > STEADY {
                pauses = delays();
            }
            tokio::time::sleep(pauses.next().unwrap_or_default()).await;
        }
    }

    async fn stand(&self, incarnation: &Arc<Incarnation>, wait: bool, asked: Instant) -> Result<Option<Term>> {
        let Inner { place, card, score, .. } = &*self.0;
        let Some(won) = (Candidacy { kind: LINE, place, card, score, wait, asked }).stand(incarnation).await? else {
            return Ok(None);
        };
        let (token, count) = (won.grant.token(), won.count);
        let mut won = Unsettled(Some(self.elected(won.grant, Some(won.stands))));
        if let (Some(count), Some(term)) = (count, &won.0) {
            let (total_votes, valid_votes, winner) = (count.total, count.valid, card.id.clone());
            match term.publish(&Tally { total_votes, valid_votes, winner, token }).await {
                // Lost as soon as it was won: it has to be won again.
                Err(Error::TermLost(why)) => return Err(Error::session_expired(why)),
                published => published?,
            }
        }
        Ok(won.0.take())
    }

    /// Under `fair`: in one flight, makes sure that nobody is elected otherwise here, and enters the line.
    async fn queue(&self, incarnation: &Arc<Incarnation>, wait: bool, asked: Instant) -> Result<Option<Term>> {
        let Inner { place, card, settled, .. } = &*self.0;
        let line = LineKind { settled: *settled, ..LINE };
        let (client, hall) = (incarnation.client()?, hall(&place.path));
        let others = incarnation.request("list", &hall, client.list_children(&hall));
        let entering = contenders::enter(incarnation, line, place, card.id.as_bytes(), wait, asked);
        tokio::pin!(entering);
        let entered = tokio::select! {
            biased;
            others = others => {
                // Almost always there is no such node, and nobody in it. A lost reply is as good: exclusion does not rest on it.
                if others.is_ok_and(|others| !others.is_empty()) {
                    agree(&place.name, Strategy::Fair, &self.standing(incarnation).await?)?;
                }
                entering.await
            }
            entered = &mut entering => entered,
        };
        Ok(entered?.map(|grant| self.elected(grant, None)))
    }

    async fn standing(&self, incarnation: &Incarnation) -> Result<Vec<candidates::Standing>> {
        let (client, path) = (incarnation.client()?, &self.0.place.path);
        let names = match list_again(incarnation, &client, &hall(path)).await {
            Err(Error::NoNode(_)) => return Ok(Vec::new()),
            names => names?,
        };
        candidates::standing(incarnation, &client, path, &names, &mut std::collections::HashMap::new()).await
    }

    fn elected(&self, grant: Arc<Grant>, stands: Option<Created>) -> Term {
        Term::new(&self.0.place, self.id(), grant, stands)
    }

    async fn timed_out(&self, timeout: Option<Duration>) -> Error {
        let after = timeout.unwrap_or_default();
        let found = match tokio::time::timeout(WHO_LEADS, self.leader()).await {
            Ok(Ok(Some(Candidate { id, token, session_id, .. }))) => {
                format!("{id} leads (token {}, session {session_id:#x})", token.unwrap_or_default())
            }
            Ok(Ok(None)) => "nobody leads now".to_owned(),
            _ => format!("no server said who leads (session {})", self.0.place.session.state().name()),
        };
        Error::acquire_timeout(format!(
            "election '{}': {} was not elected within {after:?}: {found}; wait longer, or let the leader step down",
            self.name(),
            self.id()
        ))
    }

    fn know(&self, leader: Option<String>) {
        self.known().leader = leader;
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A term that nobody was told of. Dropping it steps down.
struct Unsettled(Option<Term>);

impl Drop for Unsettled {
    fn drop(&mut self) {
        if let Some(term) = &self.0 {
            drop(term.step_down());
        }
    }
}

impl From<Contender> for Candidate {
    fn from(found: Contender) -> Self {
        let Contender { owner, token, since, session_id, position } = found;
        Self { id: owner, token: Some(token), since, session_id, position, priority: None }
    }
}
