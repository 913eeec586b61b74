//! Who comes first: high items to high members.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::capacity::{Capacities, Fraction};
use super::problem::Problem;
use super::refused::no_room;
use crate::error::{Error, Result};

/// Takes the items from the highest priority down, each to the least loaded member of the highest class with room.
///
/// Members of one priority are a class; a class fills up to its limits before the next one gets anything, and without
/// limits the highest class takes all. The least loaded is the one that the item leaves least full by its
/// capacity. Ties, of items as of members, go by position. With one class and items of one weight it comes to
/// [`super::average()`]. Takes `O(P log N)`, or `O(P N)` where items may not go to all members.
pub(super) fn priority(problem: &Problem<'_>, capacities: &Capacities) -> Result<Vec<u32>> {
    if problem.zones.is_some() {
        return Err(Error::config("the strategy \"priority\" cannot honour zones: leave them out, or use \"sticky\""));
    }
    let mut items: Vec<usize> = (0..problem.items).collect();
    if let Some(priorities) = problem.priorities {
        items.sort_by_key(|&item| Reverse(priorities[item]));
    }
    let mut owners = vec![0; problem.items];
    let mut loads = vec![0_u64; problem.members.len()];
    let mut classes = classes(problem, capacities);
    for item in items {
        let weight = problem.weight(item);
        let room = |member: usize, loads: &[u64]| {
            problem.members[member].limit.is_none_or(|limit| loads[member].saturating_add(weight) <= limit)
                && u32::try_from(member).is_ok_and(|member| problem.may(item, member))
        };
        let found = classes.iter().enumerate().find_map(|(class, line)| {
            line.iter().find(|(_, member)| room(*member, &loads)).map(|(load, member)| (class, *load, *member))
        });
        let (class, load, member) = found.ok_or_else(|| no_room(item, "priority"))?;
        classes[class].remove(&(load, member));
        loads[member] += weight;
        owners[item] = u32::try_from(member).unwrap_or(u32::MAX);
        let full = problem.members[member].limit.is_some_and(|limit| loads[member] >= limit);
        if !full || weight == 0 {
            classes[class].insert((Fraction(loads[member].saturating_add(1), capacities.units[member]), member));
        }
    }
    Ok(owners)
}

/// The members of each class, least loaded first, from the highest class down.
fn classes(problem: &Problem<'_>, capacities: &Capacities) -> Vec<BTreeSet<(Fraction, usize)>> {
    let mut members: Vec<usize> = (0..problem.members.len()).collect();
    members.sort_by_key(|&member| Reverse(problem.members[member].priority));
    members
        .chunk_by(|&a, &b| problem.members[a].priority == problem.members[b].priority)
        .map(|class| class.iter().map(|&member| (Fraction(1, capacities.units[member]), member)).collect())
        .collect()
}
