//! What can be said about given owners: recomputed from the input alone, by whoever made the assignment or doubts it.

use std::cmp::Reverse;

use super::bound;
use super::capacity::{Capacities, Fraction};
use super::constrained;
use super::load::Load;
use super::problem::Problem;
use super::quota::quotas;
use crate::error::{Error, Result};

/// The best that can be done for items of one weight: loads, then zones, then moves.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Optimum {
    /// Loads as even as can be; the same up to an exchange between members that it leaves equally full.
    pub(super) loads: Vec<u64>,
    pub(super) out_of_zone: u64,
    pub(super) moves: u64,
}

/// The figures of a certificate.
pub(super) struct Evidence {
    pub(super) loads: Vec<u64>,
    pub(super) max_load: Load,
    pub(super) lower_bound: Load,
    pub(super) moves: u64,
    pub(super) moves_lower_bound: u64,
    pub(super) out_of_zone: u64,
}

/// Fails unless every item has one owner that it may go to, and no owner passes its limit.
pub(super) fn evaluate(
    problem: &Problem<'_>,
    capacities: &Capacities,
    owners: &[u32],
    optimum: Option<&Optimum>,
) -> Result<Evidence> {
    let loads = loads(problem, owners)?;
    let moves = (0..owners.len()).filter(|&item| problem.current.is_none_or(|current| current[item] != owners[item]));
    let moves = moves.count() as u64;
    let out_of_zone = (0..owners.len()).filter(|&item| problem.out_of_zone(item, owners[item])).count() as u64;
    let fullest = fullest(capacities, &loads);
    let max_load = capacities.load(Fraction(loads[fullest], capacities.units[fullest]));
    let (lower_bound, moves_lower_bound) = if problem.weights.is_some() {
        (bound::fullest(problem, capacities)?, moves_under(problem, capacities, &loads, fullest))
    } else if problem.is_constrained() {
        let found;
        let best = if let Some(optimum) = optimum {
            optimum
        } else {
            found = constrained::solve(problem, capacities)?.1;
            &found
        };
        let top = self::fullest(capacities, &best.loads);
        let as_good = are_alike(capacities, &loads, &best.loads) && out_of_zone == best.out_of_zone;
        let fewest = if as_good { best.moves } else { moves_under(problem, capacities, &loads, fullest) };
        (Fraction(best.loads[top], capacities.units[top]), fewest)
    } else {
        let quotas = quotas(problem.members, capacities, problem.items)?;
        let bound = quotas.fullest().map_or(Fraction(0, 1), |(member, load)| Fraction(load, capacities.units[member]));
        let fewest = if quotas.allow(&loads) {
            let owned = owned(problem);
            let kept: u64 = owned.iter().zip(quotas.favouring(&owned)).map(|(owned, quota)| *owned.min(&quota)).sum();
            problem.items as u64 - kept
        } else {
            moves_under(problem, capacities, &loads, fullest)
        };
        (bound, fewest)
    };
    let lower_bound = capacities.load(lower_bound);
    Ok(Evidence { loads, max_load, lower_bound, moves, moves_lower_bound, out_of_zone })
}

fn loads(problem: &Problem<'_>, owners: &[u32]) -> Result<Vec<u64>> {
    if owners.len() != problem.items {
        return Err(Error::config(format!(
            "an assignment needs one owner for each item: there are {} owners and {} items",
            owners.len(),
            problem.items
        )));
    }
    let mut loads = vec![0; problem.members.len()];
    for (item, &owner) in owners.iter().enumerate() {
        let load = loads.get_mut(owner as usize).ok_or_else(|| {
            Error::config(format!("owner {owner} is out of range: there are {} members", problem.members.len()))
        })?;
        if !problem.may(item, owner) {
            return Err(Error::config(format!("item {item} is given to member {owner}, which it may not go to")));
        }
        *load += problem.weight(item);
    }
    for (member, (load, limit)) in loads.iter().zip(problem.members.iter().map(|member| member.limit)).enumerate() {
        if limit.is_some_and(|limit| *load > limit) {
            return Err(Error::config(format!("member {member} carries {load}, which is more than its limit")));
        }
    }
    Ok(loads)
}

/// How many items each member owns now and may keep.
pub(super) fn owned(problem: &Problem<'_>) -> Vec<u64> {
    let mut owned = vec![0; problem.members.len()];
    if problem.current.is_some() {
        for member in (0..problem.items).filter_map(|item| problem.keeper(item)) {
            owned[member as usize] += 1;
        }
    }
    owned
}

/// The first of the fullest members.
pub(super) fn fullest(capacities: &Capacities, loads: &[u64]) -> usize {
    let fuller = |best: usize, member: usize| {
        if capacities.compare(loads[member], member, loads[best], best).is_gt() { member } else { best }
    };
    (0..loads.len()).fold(0, fuller)
}

/// Whether two loads are equally even: the places that only the one fills are as full as those that only the other does.
fn are_alike(capacities: &Capacities, loads: &[u64], others: &[u64]) -> bool {
    let beyond = |loads: &[u64], others: &[u64]| {
        let mut places: Vec<Fraction> = (0..loads.len())
            .flat_map(|member| {
                (others[member]..loads[member]).map(move |place| Fraction(place + 1, capacities.units[member]))
            })
            .collect();
        places.sort_unstable();
        places
    };
    beyond(loads, others) == beyond(others, loads)
}

/// The fewest moves after which no member is fuller than the fullest is here: each sheds its heaviest first.
fn moves_under(problem: &Problem<'_>, capacities: &Capacities, loads: &[u64], fullest: usize) -> u64 {
    let mut items: Vec<Vec<u64>> = vec![Vec::new(); problem.members.len()];
    let mut moves = 0;
    for item in 0..problem.items {
        match problem.keeper(item) {
            Some(member) => items[member as usize].push(problem.weight(item)),
            None => moves += 1,
        }
    }
    for (member, weights) in items.iter_mut().enumerate() {
        let limit = problem.members[member].limit.unwrap_or(u64::MAX);
        let most = capacities.matching(member, loads[fullest], fullest).min(limit);
        let mut load: u64 = weights.iter().sum();
        if load > most {
            weights.sort_unstable_by_key(|weight| Reverse(*weight));
        }
        for weight in weights.iter() {
            if load <= most {
                break;
            }
            load -= weight;
            moves += 1;
        }
    }
    moves
}
