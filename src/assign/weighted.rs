//! The weighted assignment: the smallest maximum load that is worth its time.

use super::bound::lower_bound;
use super::certificate::{Certificate, Strategy};
use super::improve::improve;
use super::lpt::lpt;
use crate::error::Result;

/// Who owns each item, and what can be said about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    /// The bin of every item, in the order of the weights.
    pub owners: Vec<u32>,
    /// What was achieved beside what is possible.
    pub certificate: Certificate,
}

/// Spreads items over equal bins so that the heaviest bin is as light as can cheaply be had.
///
/// The smallest maximum ("minimum makespan") is NP-hard to find. LPT (Graham 1969) comes within a third of it
/// and, with many items, much closer; where it misses the lower bound, moves and swaps follow.
/// Equal input gives equal output. Fails when there is no bin, or when the weights do not add up in 64 bits.
pub fn weighted(weights: &[u64], bins: u32) -> Result<Assignment> {
    let bound = lower_bound(weights, bins)?;
    let mut owners = lpt(weights, bins);
    let mut loads = vec![0; bins as usize];
    for (owner, weight) in owners.iter().zip(weights) {
        loads[*owner as usize] += weight;
    }
    improve(weights, &mut owners, &mut loads, bound);
    let certificate = Certificate::of(Strategy::Weighted, weights, bins, &owners)?;
    Ok(Assignment { owners, certificate })
}
