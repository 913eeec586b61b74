//! Which member gets which bin: so that each is within its limit, and then so that most items stay.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};

use super::super::problem::Member;
use super::Draft;

/// Gives the heaviest bin to the member with the highest limit, and so on, unless all are within their limits as they
/// are; whether they are then. No other order would do where this one does not.
pub(super) fn fit(members: &[Member], weights: &[u64], draft: &mut Draft) -> bool {
    let limit = |member: usize| members[member].limit.unwrap_or(u64::MAX);
    let fits = |draft: &Draft| draft.loads.iter().enumerate().all(|(member, load)| *load <= limit(member));
    if fits(draft) {
        return true;
    }
    let mut bins: Vec<usize> = (0..members.len()).collect();
    bins.sort_by_key(|&bin| Reverse(draft.loads[bin]));
    let mut highest: Vec<usize> = (0..members.len()).collect();
    highest.sort_by_key(|&member| Reverse(limit(member)));
    let mut name = vec![0; members.len()];
    for (bin, member) in bins.into_iter().zip(highest) {
        // There are no more members than 32 bits can count.
        name[bin] = u32::try_from(member).unwrap_or(u32::MAX);
    }
    rename(&name, weights, draft);
    fits(draft)
}

/// Exchanges bins between members of one limit: those with the most items in common first, ties by weight and position.
///
/// A bin and a member that share nothing are paired in order. Greedy: at least half of what could stay does.
pub(super) fn relabel(who: &[Member], current: &[u32], weights: &[u64], draft: &mut Draft) {
    let members = draft.loads.len();
    let mut common: BTreeMap<(u32, u32), (u64, u64)> = BTreeMap::new();
    for ((&bin, &member), weight) in draft.owners.iter().zip(current).zip(weights) {
        if (member as usize) < members && who[member as usize].limit == who[bin as usize].limit {
            let (items, sum) = common.entry((bin, member)).or_default();
            *items += 1;
            *sum += weight;
        }
    }
    let mut pairs: Vec<_> = common.into_iter().collect();
    pairs.sort_by_key(|&(pair, shared)| (Reverse(shared), pair));
    let mut name = vec![None; members];
    let mut taken = vec![false; members];
    for ((bin, member), _) in pairs {
        if name[bin as usize].is_none() && !taken[member as usize] {
            name[bin as usize] = Some(member);
            taken[member as usize] = true;
        }
    }
    let mut free: BTreeMap<Option<u64>, VecDeque<u32>> = BTreeMap::new();
    for (member, _) in (0_u32..).zip(taken).filter(|(_, taken)| !taken) {
        free.entry(who[member as usize].limit).or_default().push_back(member);
    }
    let mut next = |bin: usize| free.get_mut(&who[bin].limit).and_then(VecDeque::pop_front);
    let name: Vec<u32> =
        name.into_iter().enumerate().map(|(bin, name)| name.or_else(|| next(bin)).unwrap_or(0)).collect();
    rename(&name, weights, draft);
}

fn rename(name: &[u32], weights: &[u64], draft: &mut Draft) {
    draft.loads.fill(0);
    for (owner, weight) in draft.owners.iter_mut().zip(weights) {
        *owner = name[*owner as usize];
        draft.loads[*owner as usize] += weight;
    }
}
