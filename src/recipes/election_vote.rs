//! One member's part in a vote: its score, its ballot, and when to stop waiting for the others.
//!
//! Znodes: `<path>/candidates/score:<round>:<attempt>:<voter>:<score>` and
//! `<path>/candidates/ballot:<round>:<attempt>:<voter>:<choice>`, ephemeral and empty, made by each member,
//! deleted by it in the next round or when its campaign ends. Names say it all, so that one listing
//! shows candidates, scores and ballots as they were at one instant.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::ballot::{Count, Paper, Says, Step, step};
use super::candidates::hall;
use crate::error::{Error, Result};
use crate::path::child;
use crate::session::{Incarnation, Leaf};

/// Says how good a leader its candidate would be now. It may take its time, on a thread of its own.
#[derive(Clone)]
pub struct Score(Arc<dyn Fn() -> Result<f64> + Send + Sync>);

impl Score {
    /// `evaluate` is called once in every attempt to find a leader.
    pub fn new(evaluate: impl Fn() -> Result<f64> + Send + Sync + 'static) -> Self {
        Self(Arc::new(evaluate))
    }

    async fn evaluate(&self) -> Result<f64> {
        let evaluate = self.0.clone();
        let score = tokio::task::spawn_blocking(move || evaluate()).await;
        match score.map_err(|error| Error::config(format!("a score could not be evaluated: {error}")))? {
            Ok(score) if score.is_nan() => Err(Error::config("a score is not a number (NaN)")),
            score => score,
        }
    }
}

impl Default for Score {
    /// Everybody is as good: the first to arrive is elected.
    fn default() -> Self {
        Self::new(|| Ok(0.0))
    }
}

impl fmt::Debug for Score {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Score")
    }
}

/// What a member has said in the present round.
pub(super) struct Vote<'a> {
    incarnation: &'a Arc<Incarnation>,
    path: &'a str,
    score: &'a Score,
    me: i64,
    round: i64,
    papers: Vec<Leaf>,
    /// The attempt that is waited in, and until when.
    waiting: Option<(i64, u32, Instant)>,
}

/// Where a vote stands after our part.
pub(super) enum Progress {
    /// We said something: look again.
    Said,
    Elected(Count),
    /// Others have to say something, lead, or go; where there is an end, only until then.
    Wait(Option<Instant>),
}

impl<'a> Vote<'a> {
    pub(super) fn new(incarnation: &'a Arc<Incarnation>, path: &'a str, score: &'a Score, me: i64) -> Self {
        Self { incarnation, path, score, me, round: 0, papers: Vec::new(), waiting: None }
    }

    /// Does what there is to do for us in `round`, given who is `live` and the names in the hall.
    ///
    /// # Cancel safety
    /// The papers go with `self`.
    ///
    /// # Errors
    /// `Config` where the score cannot be evaluated; `NoNode` where the hall is gone; `SessionExpired`.
    pub(super) async fn progress(&mut self, round: i64, live: &[i64], names: &[String]) -> Result<Progress> {
        if self.round != round {
            self.round = round;
            self.papers.clear();
        }
        let papers: Vec<Paper> = names.iter().filter_map(|name| Paper::parse(name)).collect();
        let patient = self.waiting.is_none_or(|(_, _, until)| Instant::now() < until);
        match step(self.me, live, &papers, round, patient) {
            Step::Score(attempt) => {
                let score = self.score.evaluate().await?;
                self.say(attempt, Says::Score(score)).await
            }
            Step::Cast(attempt, choice) => self.say(attempt, Says::Ballot(choice)).await,
            Step::Elected(count) => Ok(Progress::Elected(count)),
            Step::Follow => Ok(Progress::Wait(None)),
            Step::Wait(attempt) => Ok(Progress::Wait(Some(self.until(attempt)))),
        }
    }

    async fn say(&mut self, attempt: u32, says: Says) -> Result<Progress> {
        // Whoever waits for scores waits anew for ballots.
        self.waiting = None;
        let paper = Paper { round: self.round, attempt, voter: self.me, says };
        let path = child(&hall(self.path), &paper.name());
        self.papers.push(Leaf::create(self.incarnation, path, &[]).await?);
        Ok(Progress::Said)
    }

    /// After a session timeout a member that is dead is gone: one that is silent still is not waited for.
    fn until(&mut self, attempt: u32) -> Instant {
        let patience: Duration = self.incarnation.timeout();
        match self.waiting {
            Some((round, of, until)) if (round, of) == (self.round, attempt) => until,
            _ => {
                let until = Instant::now() + patience;
                self.waiting = Some((self.round, attempt, until));
                until
            }
        }
    }
}
