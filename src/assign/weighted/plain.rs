//! Weights and a number of equal bins, and nothing else: what partition plans need.

use super::super::problem::{Member, Problem, Strategy};
use super::super::{Assignment, Certificate, assign};
use crate::error::Result;

/// Spreads items over equal bins so that the heaviest bin is as light as can cheaply be had.
///
/// Equal input gives equal output. Fails when there is no bin, or when the weights do not add up in 64 bits.
pub fn weighted(weights: &[u64], bins: u32) -> Result<Assignment> {
    assign(&problem(weights, &members(bins)))
}

/// The certificate of owners that [`weighted`] may have given.
pub fn certificate(weights: &[u64], bins: u32, owners: &[u32]) -> Result<Certificate> {
    Certificate::of(&problem(weights, &members(bins)), owners)
}

fn members(bins: u32) -> Vec<Member> {
    vec![Member::default(); bins as usize]
}

fn problem<'a>(weights: &'a [u64], members: &'a [Member]) -> Problem<'a> {
    let items = weights.len();
    Problem { strategy: Strategy::Weighted, members, items, weights: Some(weights), ..Problem::default() }
}
