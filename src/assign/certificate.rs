//! What an assignment achieved beside what is possible, for anybody to check.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::evidence::{Optimum, evaluate};
use super::load::Load;
use super::problem::{Problem, Strategy};
use crate::error::{Error, Result};

/// The quality of one assignment, next to bounds that no assignment of this input can beat.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Certificate {
    /// How the owners were chosen.
    pub strategy: Strategy,
    /// What each member owns, by its position: items, or their weight where they have weights.
    pub loads: Vec<u64>,
    /// How full the fullest member is: load over capacity, which is its load where all capacities are 1.0.
    pub max_load: Load,
    /// How full the fullest member must be at least, whatever the assignment. Without weights some
    /// assignment reaches it.
    pub lower_bound: Load,
    /// `max_load / lower_bound − 1`: 0 is proven optimal.
    pub gap: f64,
    /// Items that changed hands; an item that nobody owned before counts as one.
    pub moves: u64,
    /// No assignment that is at least as even, with as few items outside their zone, needs fewer moves. Without weights,
    /// and where the loads and zones are the best possible, some assignment reaches it.
    pub moves_lower_bound: u64,
    /// Items outside the zone they asked for.
    #[serde(default)]
    pub out_of_zone: u64,
    /// SHA-256, in hex, of the whole input: which one this speaks about.
    pub digest: String,
}

impl Certificate {
    /// The certificate of these owners: one member, by position, for each item, else this fails.
    pub fn of(problem: &Problem<'_>, owners: &[u32]) -> Result<Self> {
        Self::beside(problem, owners, None)
    }

    /// [`Self::of`], with the best that can be done where the caller knows it already.
    pub(super) fn beside(problem: &Problem<'_>, owners: &[u32], optimum: Option<&Optimum>) -> Result<Self> {
        let capacities = problem.check()?;
        let evidence = evaluate(problem, &capacities, owners, optimum)?;
        Ok(Self {
            strategy: problem.strategy,
            gap: evidence.max_load.gap(evidence.lower_bound),
            loads: evidence.loads,
            max_load: evidence.max_load,
            lower_bound: evidence.lower_bound,
            moves: evidence.moves,
            moves_lower_bound: evidence.moves_lower_bound,
            out_of_zone: evidence.out_of_zone,
            digest: problem.digest(),
        })
    }

    /// Works everything out again from the input and the owners; fails on the first field that differs, on an
    /// owner that an item may not go to, and on one past its limit.
    pub fn verify(&self, problem: &Problem<'_>, owners: &[u32]) -> Result<()> {
        let problem = Problem { strategy: self.strategy, ..*problem };
        self.compare(&Self::of(&problem, owners)?)
    }

    /// Fails on the first field in which the two differ.
    pub(crate) fn compare(&self, found: &Self) -> Result<()> {
        let differs = [
            ("digest", self.digest != found.digest),
            ("loads", self.loads != found.loads),
            ("max_load", !self.max_load.is_close(found.max_load)),
            ("lower_bound", !self.lower_bound.is_close(found.lower_bound)),
            ("gap", (self.gap - found.gap).abs() > 1e-9 || self.gap.is_nan()),
            ("moves", self.moves != found.moves),
            ("moves_lower_bound", self.moves_lower_bound != found.moves_lower_bound),
            ("out_of_zone", self.out_of_zone != found.out_of_zone),
        ];
        match differs.iter().find(|(_, differs)| *differs) {
            None => Ok(()),
            Some((field, _)) => Err(Error::config(format!(
                "the certificate does not belong to this assignment: its {field} differs from what the input and the owners give"
            ))),
        }
    }

    /// One JSON object with the fields under their names.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(self)
            .map_err(|error| Error::config(format!("cannot write a certificate as JSON: {error}")))
    }

    /// Reads what [`Self::to_json`] wrote.
    pub fn from_json(text: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(|error| Error::config(format!("not a certificate: {error}; found {text}")))
    }
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Certificate(strategy={:?}, members={}, max_load={}, lower_bound={}, gap={:.4}, moves={}, moves_lower_bound={})",
            self.strategy.name(),
            self.loads.len(),
            self.max_load,
            self.lower_bound,
            self.gap,
            self.moves,
            self.moves_lower_bound
        )
    }
}
