//! Recovery: what a writer finds left over, and what may be done about it. Any number of actors may run it at once.
//!
//! Every action rests on a state that is final (aborted, committed, gone) or is the step that makes it final, so acting
//! on a survey that has aged is safe: nothing is ever deleted whose name could live again. [`plan`] names the next
//! round; its executor surveys again until a plan is empty.
//!
//! A survey lists the stagings *before* the transactions. A staging is made after its transaction, so one without a
//! transaction is left over for good.

use std::time::Duration;

/// Where an attempt stands, as its znode says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// It may commit yet.
    Active,
    /// It can never commit.
    Aborted,
    /// It has.
    Committed,
}

impl State {
    /// The word in the znode.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Aborted => "ABORTED",
            Self::Committed => "COMMITTED",
        }
    }

    /// Reads that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Active, Self::Aborted, Self::Committed].into_iter().find(|state| state.word() == word)
    }
}

/// One transaction as it was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its id.
    pub tx: String,
    /// The version of its znode.
    pub version: i32,
    /// Its state.
    pub state: State,
    /// The job it writes for.
    pub job_id: String,
    /// Whether its writer's session stands.
    pub alive: bool,
    /// For how long its session has been missed, where somebody noted it.
    pub missed: Option<Duration>,
}

/// Everything that was found.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// Transactions that have a staging directory, listed first.
    pub stagings: Vec<String>,
    /// Transactions that have a znode, listed second.
    pub transactions: Vec<Found>,
    /// The surveyor's own transaction, which is not left over.
    pub own: Option<String>,
    /// The job that the surveyor is about to run: its earlier attempts get no grace.
    pub job_id: Option<String>,
    /// How long a session may be missed before its transaction is given up.
    pub grace: Duration,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Note that its session is missed, from now on.
    Suspect(String),
    /// It came back: take the note away.
    Clear(String),
    /// Set it aborted, if the znode still has this version.
    Abort(String, i32),
    /// Delete what it staged and every final name it was about to use, then its znode.
    RollBack(String),
    /// Delete what it staged, then its znode. Its final names are live.
    Finish(String),
    /// Delete what it staged; its final names too, unless a manifest names one of them.
    Sweep(String),
}

/// The next round, empty when nothing is left.
#[must_use]
pub fn plan(survey: &Survey) -> Vec<Action> {
    let others = survey.transactions.iter().filter(|found| Some(&found.tx) != survey.own.as_ref());
    let mut actions: Vec<Action> = others.filter_map(|found| next(survey, found)).collect();
    let known = |tx: &String| survey.transactions.iter().any(|found| &found.tx == tx);
    let gone = survey.stagings.iter().filter(|tx| !known(tx) && Some(*tx) != survey.own.as_ref());
    actions.extend(gone.cloned().map(Action::Sweep));
    actions
}

fn next(survey: &Survey, found: &Found) -> Option<Action> {
    let tx = found.tx.clone();
    match (found.state, found.alive) {
        (State::Active, true) => found.missed.map(|_| Action::Clear(tx)),
        // It is cleaning up after itself; when it dies, somebody will find it here.
        (State::Aborted | State::Committed, true) => None,
        (State::Aborted, false) => Some(Action::RollBack(tx)),
        (State::Committed, false) => Some(Action::Finish(tx)),
        (State::Active, false) => {
            let taken_over = survey.job_id.as_ref() == Some(&found.job_id);
            match found.missed {
                _ if taken_over || survey.grace.is_zero() => Some(Action::Abort(tx, found.version)),
                Some(missed) if missed >= survey.grace => Some(Action::Abort(tx, found.version)),
                Some(_) => None,
                None => Some(Action::Suspect(tx)),
            }
        }
    }
}
