//! The weighted assignment: the smallest maximum load that is worth its time.

use super::Assignment;
use super::bound::lower_bound;
use super::capacity::Capacities;
use super::certificate::Certificate;
use super::improve::improve;
use super::lpt::lpt;
use super::problem::{Member, Problem, Strategy};
use crate::error::Result;

/// Spreads items over equal bins so that the heaviest bin is as light as can cheaply be had.
///
/// The smallest maximum ("minimum makespan") is NP-hard to find. LPT (Graham 1969) comes within a third of it
/// and, with many items, much closer; where it misses the lower bound, moves and swaps follow.
/// Equal input gives equal output. Fails when there is no bin, or when the weights do not add up in 64 bits.
pub fn weighted(weights: &[u64], bins: u32) -> Result<Assignment> {
    let members = vec![Member::default(); bins as usize];
    super::assign(&Problem {
        strategy: Strategy::Weighted,
        members: &members,
        items: weights.len(),
        weights: Some(weights),
        ..Problem::default()
    })
}

/// The certificate of owners that [`weighted`] may have given.
pub fn certificate(weights: &[u64], bins: u32, owners: &[u32]) -> Result<Certificate> {
    let members = vec![Member::default(); bins as usize];
    let problem = Problem {
        strategy: Strategy::Weighted,
        members: &members,
        items: weights.len(),
        weights: Some(weights),
        ..Problem::default()
    };
    Certificate::of(&problem, owners)
}

pub(super) fn solve(problem: &Problem<'_>, _capacities: &Capacities) -> Result<Vec<u32>> {
    let weights = problem.weights.unwrap_or(&[]);
    let bins = u32::try_from(problem.members.len()).unwrap_or(u32::MAX);
    let bound = lower_bound(weights, bins)?;
    let mut owners = lpt(weights, bins);
    let mut loads = vec![0; bins as usize];
    for (owner, weight) in owners.iter().zip(weights) {
        loads[*owner as usize] += weight;
    }
    improve(weights, &mut owners, &mut loads, bound);
    Ok(owners)
}
