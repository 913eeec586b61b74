//! Who leads or wants to, and how a vote went.

use pyo3::prelude::*;

use crate::recipes;
use crate::recipes::ballot;

/// Somebody who leads an election or wants to.
#[pyclass(frozen, get_all, eq, new = "from_fields", skip_from_py_object, module = "sparkeeper._sparkeeper")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    /// Who it says it is.
    id: String,
    /// The fencing token of its term, once it leads. None for one that will be elected by ballot and does not lead.
    token: Option<i64>,
    /// Since when it leads or waits, in milliseconds since 1970 on the server's clock.
    since: i64,
    /// Its session.
    session_id: i64,
    /// 0 leads; the others in order of arrival, which with "fair" is the order in which they will lead.
    position: usize,
    /// Its priority in an election by "priority", else None.
    priority: Option<i64>,
}

pickles!(Candidate { id, token, since, session_id, position, priority });

impl From<recipes::Candidate> for Candidate {
    fn from(found: recipes::Candidate) -> Self {
        let recipes::Candidate { id, token, since, session_id, position, priority } = found;
        Self { id, token, since, session_id, position, priority }
    }
}

#[pymethods]
impl Candidate {
    fn __repr__(&self) -> String {
        let Self { id, token, since, session_id, position, priority } = self;
        let none = || "None".to_owned();
        let token = token.map_or_else(none, |token| token.to_string());
        let priority = priority.map_or_else(none, |priority| priority.to_string());
        format!(
            "Candidate(id='{id}', token={token}, since={since}, session_id={session_id:#x}, \
             position={position}, priority={priority})"
        )
    }
}

/// How a vote went.
#[pyclass(frozen, get_all, eq, new = "from_fields", skip_from_py_object, module = "sparkeeper._sparkeeper")]
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tally {
    /// Ballots cast in the round that elected the winner, void ones and those of earlier attempts included.
    total_votes: u64,
    /// Ballots that counted: of live members for live candidates, in the attempt that elected the winner.
    valid_votes: u64,
    /// `total_votes / valid_votes`: 1.0 when every ballot counted, the more the more were void.
    turnout: f64,
    /// The id of who was elected.
    winner: String,
    /// The winner's fencing token.
    token: i64,
}

pickles!(Tally { total_votes, valid_votes, turnout, winner, token });

impl From<ballot::Tally> for Tally {
    fn from(found: ballot::Tally) -> Self {
        let turnout = found.turnout();
        let ballot::Tally { total_votes, valid_votes, winner, token } = found;
        Self { total_votes, valid_votes, turnout, winner, token }
    }
}

#[pymethods]
impl Tally {
    fn __repr__(&self) -> String {
        let Self { total_votes, valid_votes, turnout, winner, token } = self;
        format!(
            "Tally(total_votes={total_votes}, valid_votes={valid_votes}, turnout={turnout:.2}, \
             winner='{winner}', token={token})"
        )
    }
}
