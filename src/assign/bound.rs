//! Loads that no assignment of weighted items can stay under.

use super::capacity::{Capacities, Fraction};
use super::problem::{NONE, Problem, total};
use crate::error::{Error, Result};

/// The largest of three loads that some bin must carry (for `N` bins and total weight `W`):
///
/// - `⌈W / N⌉`: weights are whole, so the average is rounded up;
/// - the heaviest item;
/// - for every `k`, the `k + 1` smallest of the `kN + 1` largest items: by the pigeonhole
///   principle some bin holds `k + 1` of those `kN + 1`.
///
/// Takes `O(P log P)`. Fails when there is no bin or the weights do not add up in 64 bits.
pub fn lower_bound(weights: &[u64], bins: u32) -> Result<u64> {
    let total = total(weights)?;
    if bins == 0 {
        return Err(Error::config("cannot assign to 0 partitions: give at least 1".to_owned()));
    }
    let mut descending = weights.to_vec();
    descending.sort_unstable_by(|a, b| b.cmp(a));
    Ok(pigeonhole(&descending, bins as usize).max(total.div_ceil(u64::from(bins))))
}

/// `k = 0` is the heaviest item alone.
fn pigeonhole(descending: &[u64], bins: usize) -> u64 {
    (0..)
        .map_while(|k: usize| descending.get(k * bins - k..=k * bins))
        .map(|smallest| smallest.iter().sum())
        .max()
        .unwrap_or(0)
}

/// How full the fullest member must become, as a load over units of capacity.
///
/// The largest of: all weight over all capacity; each item over the largest member that it may go to; the
/// items of each class over the members of that class. Where the members are of one size, loads are whole and
/// [`lower_bound`] holds as well.
pub(super) fn fullest(problem: &Problem<'_>, capacities: &Capacities) -> Result<Fraction> {
    let weights = problem.weights.unwrap_or(&[]);
    let equal = capacities.are_equal();
    let over = |weight: u64, units: u128| {
        if equal {
            // Units are 1 where all are equal, so that `units` counts members.
            let whole = u128::from(weight).div_ceil(units.max(1));
            Fraction(u64::try_from(whole).unwrap_or(weight), 1)
        } else {
            Fraction(weight, u64::try_from(units).unwrap_or(u64::MAX))
        }
    };
    let bins = u32::try_from(problem.members.len()).unwrap_or(u32::MAX);
    let mut bound = over(total(weights)?, capacities.total);
    if equal {
        bound = bound.max(Fraction(lower_bound(weights, bins)?, 1));
    }
    let largest = |members: &mut dyn Iterator<Item = usize>| members.map(|member| capacities.units[member]).max();
    let heaviest = weights.iter().copied().max().unwrap_or(0);
    let Some(eligible) = problem.eligible else {
        let largest = largest(&mut (0..problem.members.len())).unwrap_or(1);
        return Ok(bound.max(Fraction(heaviest, largest)));
    };
    let mut classes = vec![(0_u64, 0_u64); eligible.classes.len() + 1];
    let last = eligible.classes.len();
    for (&class, &weight) in eligible.of.iter().zip(weights) {
        let (sum, heaviest) = &mut classes[if class == NONE { last } else { class as usize }];
        *sum += weight;
        *heaviest = weight.max(*heaviest);
    }
    for (class, (sum, heaviest)) in eligible.classes.iter().zip(&classes) {
        let mut members: Vec<usize> = class.iter().map(|member| *member as usize).collect();
        members.sort_unstable();
        members.dedup();
        let units: u128 = members.iter().map(|&member| u128::from(capacities.units[member])).sum();
        if units > 0 {
            bound = bound.max(over(*sum, units));
            bound = bound.max(Fraction(*heaviest, largest(&mut members.into_iter()).unwrap_or(1)));
        }
    }
    let largest = largest(&mut (0..problem.members.len())).unwrap_or(1);
    Ok(bound.max(Fraction(classes[last].1, largest)))
}
