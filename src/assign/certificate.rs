//! What an assignment achieved beside what is possible, for anybody to check.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::bound::lower_bound;
use crate::error::{Error, Result};

/// How the owners were chosen.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// [`super::weighted`]: the lightest heaviest load.
    Weighted,
}

impl Strategy {
    /// The name that users write.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Weighted => "weighted",
        }
    }
}

/// The quality of one assignment, next to bounds that no assignment of this input can beat.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Certificate {
    /// How the owners were chosen.
    pub strategy: Strategy,
    /// The weight in every bin, by its number.
    pub loads: Vec<u64>,
    /// The heaviest of them.
    pub max_load: u64,
    /// What no assignment can stay under; see [`super::lower_bound`].
    pub lower_bound: u64,
    /// `max_load / lower_bound − 1`: 0 is proven optimal.
    pub gap: f64,
    /// Items that changed hands; an item that nobody owned before counts as one.
    pub moves: u64,
    /// The fewest moves that any assignment of these items would need.
    pub moves_lower_bound: u64,
    /// SHA-256, in hex, of the number of bins and the weights: which input this speaks about.
    pub digest: String,
}

impl Certificate {
    /// The certificate of an assignment made from scratch.
    ///
    /// `owners` holds one bin number under `bins` for each weight, else this fails.
    pub fn of(strategy: Strategy, weights: &[u64], bins: u32, owners: &[u32]) -> Result<Self> {
        let lower_bound = lower_bound(weights, bins)?;
        if owners.len() != weights.len() {
            return Err(Error::config(format!(
                "an assignment needs one owner for each weight: there are {} owners and {} weights",
                owners.len(),
                weights.len()
            )));
        }
        let mut loads = vec![0; bins as usize];
        for (&owner, weight) in owners.iter().zip(weights) {
            let load = loads
                .get_mut(owner as usize)
                .ok_or_else(|| Error::config(format!("owner {owner} is out of range: there are {bins} partitions")))?;
            *load += weight;
        }
        let max_load = loads.iter().copied().max().unwrap_or(0);
        let moves = weights.len() as u64;
        Ok(Self {
            strategy,
            loads,
            max_load,
            lower_bound,
            gap: gap(max_load, lower_bound),
            moves,
            moves_lower_bound: moves,
            digest: digest(weights, bins),
        })
    }

    /// Works everything out again from the input and the owners; fails on the first field that differs.
    pub fn verify(&self, weights: &[u64], bins: u32, owners: &[u32]) -> Result<()> {
        let found = Self::of(self.strategy, weights, bins, owners)?;
        let differs = [
            ("digest", self.digest != found.digest),
            ("loads", self.loads != found.loads),
            ("max_load", self.max_load != found.max_load),
            ("lower_bound", self.lower_bound != found.lower_bound),
            // The one field that text may round.
            ("gap", (self.gap - found.gap).abs() > 1e-9 || self.gap.is_nan()),
            ("moves", self.moves != found.moves),
            ("moves_lower_bound", self.moves_lower_bound != found.moves_lower_bound),
        ];
        match differs.iter().find(|(_, differs)| *differs) {
            None => Ok(()),
            Some((field, _)) => Err(Error::config(format!(
                "the certificate does not belong to this assignment: its {field} differs from what the weights and owners give"
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
            "Certificate(strategy={:?}, partitions={}, max_load={}, lower_bound={}, gap={:.4}, moves={}, moves_lower_bound={})",
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

// Loads of 2^53 and more lose their last bits here; a ratio does not need them.
#[allow(clippy::cast_precision_loss)]
fn gap(max_load: u64, lower_bound: u64) -> f64 {
    if lower_bound == 0 {
        return 0.0;
    }
    max_load as f64 / lower_bound as f64 - 1.0
}

fn digest(weights: &[u64], bins: u32) -> String {
    let mut hash = Sha256::new();
    hash.update(bins.to_le_bytes());
    for weight in weights {
        hash.update(weight.to_le_bytes());
    }
    format!("{:x}", hash.finalize())
}
