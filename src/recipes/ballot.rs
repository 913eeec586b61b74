//! Who is to lead? Pure: from who is there, the round and the papers, the same answer for every observer.
//!
//! A round is the time without a leader after one went; its number grows with every term. Candidates are
//! told apart by when they arrived (their nodes' creation zxids), so no answer depends on an order of listing.
//! In a vote a round has attempts: in each, every live member says its score once and then casts one ballot,
//! for the best score. Valid are the ballots of live members for live candidates in the latest attempt.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// How a leader is found among the candidates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// In order of arrival.
    #[default]
    Fair,
    /// By lot, drawn anew for every term.
    Random,
    /// The highest priority, ties in order of arrival.
    Priority,
    /// The best score, by a strict majority.
    Vote,
}

impl Strategy {
    /// # Errors
    /// `Config`, naming the four.
    pub fn parse(word: &str) -> Result<Self> {
        [Self::Fair, Self::Random, Self::Priority, Self::Vote]
            .into_iter()
            .find(|known| known.word() == word)
            .ok_or_else(|| {
                Error::config(format!("strategy '{word}': there is \"fair\", \"random\", \"priority\" and \"vote\""))
            })
    }

    /// Its name.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Fair => "fair",
            Self::Random => "random",
            Self::Priority => "priority",
            Self::Vote => "vote",
        }
    }
}

/// A live candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nominee {
    /// When it arrived: the creation zxid of its node, which nobody else has.
    pub arrived: i64,
    /// The more, the sooner it leads.
    pub priority: i64,
}

/// The candidate drawn by lot for `round`, each with the same chance.
#[must_use]
pub fn drawn(round: i64, nominees: &[Nominee]) -> Option<i64> {
    let lot = |arrived: i64| Sha256::digest([round.to_be_bytes(), arrived.to_be_bytes()].concat());
    nominees.iter().map(|nominee| nominee.arrived).max_by_key(|arrived| lot(*arrived))
}

/// The candidate with the highest priority; among equals the one that arrived first.
#[must_use]
pub fn foremost(nominees: &[Nominee]) -> Option<i64> {
    let first = nominees.iter().min_by_key(|nominee| (std::cmp::Reverse(nominee.priority), nominee.arrived));
    first.map(|nominee| nominee.arrived)
}

/// What a member of a vote makes known. Scores order as numbers do; there is no NaN among them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Paper {
    /// The round it is of.
    pub round: i64,
    /// Counted from 0 in each round.
    pub attempt: u32,
    /// The member that it is from.
    pub voter: i64,
    /// What it says.
    pub says: Says,
}

/// What a paper says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Says {
    /// How good the voter itself would be.
    Score(f64),
    /// For whom it votes.
    Ballot(i64),
}

impl Paper {
    /// The name of the node that carries it.
    #[must_use]
    pub fn name(&self) -> String {
        let Self { round, attempt, voter, says } = self;
        let mut name = match says {
            Says::Score(_) => "score",
            Says::Ballot(_) => "ballot",
        }
        .to_owned();
        // Writing to a string does not fail.
        let _ = write!(name, ":{round}:{attempt}:{voter}:");
        let _ = match says {
            Says::Score(score) => write!(name, "{score:?}"),
            Says::Ballot(choice) => write!(name, "{choice}"),
        };
        name
    }

    /// The paper that a node of this name carries; `None` where it carries none.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let mut parts = name.split(':');
        let what = parts.next()?;
        let (round, attempt, voter) =
            (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let (value, None) = (parts.next()?, parts.next()) else { return None };
        let says = match what {
            "score" => Says::Score(value.parse().ok().filter(|score: &f64| !score.is_nan())?),
            "ballot" => Says::Ballot(value.parse().ok()?),
            _ => return None,
        };
        Some(Self { round, attempt, voter, says })
    }
}

/// What a member of a vote does next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// Say its score in this attempt.
    Score(u32),
    /// Cast its ballot in this attempt, for this candidate.
    Cast(u32, i64),
    /// It is elected, by so many votes.
    Elected(Count),
    /// Somebody else is: wait until it leads, or goes.
    Follow,
    /// Wait for the others in this attempt.
    Wait(u32),
}

/// The ballots of a round when it was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// All that were cast in it, void ones and those of earlier attempts included.
    pub total: u64,
    /// Those of live members for live candidates in the attempt that decided.
    pub valid: u64,
}

/// The outcome of a vote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// All ballots cast in the round, void ones and those of earlier attempts included.
    pub total_votes: u64,
    /// Those that counted.
    pub valid_votes: u64,
    /// Who was elected.
    pub winner: String,
    /// The winner's token.
    pub token: i64,
}

impl Tally {
    /// Total votes by valid votes: 1.0 when every ballot counted, the more the more were void.
    #[must_use]
    pub fn turnout(&self) -> f64 {
        // Whoever is elected has a valid vote. Nobody counts beyond 2^53.
        #[expect(clippy::cast_precision_loss, reason = "see above")]
        let ratio = self.total_votes as f64 / self.valid_votes as f64;
        ratio
    }
}

/// The next step of the live member `me`. Without patience (`patient` false) it waits no longer for those
/// who said or cast nothing yet.
#[must_use]
pub fn step(me: i64, live: &[i64], papers: &[Paper], round: i64, patient: bool) -> Step {
    let of_round: Vec<&Paper> =
        papers.iter().filter(|paper| paper.round == round && live.contains(&paper.voter)).collect();
    let attempt = of_round.iter().map(|paper| paper.attempt).max().unwrap_or(0);
    let (mut scores, mut ballots) = (BTreeMap::new(), BTreeMap::new());
    for paper in of_round.iter().filter(|paper| paper.attempt == attempt) {
        match paper.says {
            Says::Score(score) => drop(scores.insert(paper.voter, score)),
            Says::Ballot(choice) => drop(ballots.insert(paper.voter, choice)),
        }
    }
    if !scores.contains_key(&me) {
        return Step::Score(attempt);
    }
    let all = |said: usize| said == live.len() || !patient;
    if !ballots.contains_key(&me) {
        return match best(&scores) {
            Some(choice) if all(scores.len()) => Step::Cast(attempt, choice),
            _ => Step::Wait(attempt),
        };
    }
    let cast: Vec<(i64, i64)> = ballots.into_iter().collect();
    let closed = all(cast.len());
    match majority(live, &cast, closed) {
        Some((winner, valid)) if winner == me => {
            let ballot = |paper: &&&Paper| matches!(paper.says, Says::Ballot(_));
            Step::Elected(Count { total: of_round.iter().filter(ballot).count() as u64, valid })
        }
        Some(_) => Step::Follow,
        None if closed => Step::Score(attempt + 1),
        None => Step::Wait(attempt),
    }
}

/// The best score; among equals the one that arrived first.
fn best(scores: &BTreeMap<i64, f64>) -> Option<i64> {
    scores.iter().max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(a.0))).map(|(voter, _)| *voter)
}

/// Who has a strict majority of the valid ballots, and how many are valid. While the round is not
/// `closed`, members that have not voted yet count as if they were against: no later ballot can undo the answer.
#[must_use]
pub fn majority(live: &[i64], ballots: &[(i64, i64)], closed: bool) -> Option<(i64, u64)> {
    let mut votes = BTreeMap::<i64, u64>::new();
    for (_, choice) in ballots.iter().filter(|(voter, choice)| live.contains(voter) && live.contains(choice)) {
        *votes.entry(*choice).or_default() += 1;
    }
    let valid: u64 = votes.values().sum();
    let electorate = if closed { valid } else { live.len() as u64 };
    votes.into_iter().find(|(_, count)| count * 2 > electorate).map(|(winner, _)| (winner, valid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn papers_are_read_back() {
        for says in [Says::Score(-1.5e300), Says::Score(42.0), Says::Score(f64::NEG_INFINITY), Says::Ballot(1 << 40)] {
            let paper = Paper { round: 17_179_869_201, attempt: 2, voter: 17_179_869_190, says };
            assert_eq!(Paper::parse(&paper.name()), Some(paper), "{}", paper.name());
        }
        for name in ["score:1:0:1:NaN", "ballot:1:0:1", "ballot:1:0:1:2:3", "_c_x-candidate-0000000001", "vote:1:0:1:2"]
        {
            assert_eq!(Paper::parse(name), None, "{name}");
        }
    }

    #[test]
    fn strategies_are_known_by_their_words() {
        for word in ["fair", "random", "priority", "vote"] {
            assert_eq!(Strategy::parse(word).map(Strategy::word), Ok(word));
        }
        assert!(matches!(Strategy::parse("first"), Err(Error::Config(_))));
    }
}
