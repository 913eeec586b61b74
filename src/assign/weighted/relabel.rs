//! Which member gets which bin, so that most items stay.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::Draft;

/// Gives bins to members, those with the most items in common first, ties by weight and position.
///
/// A bin and a member that share nothing are paired in order. Greedy: at least half of what could stay does.
pub(super) fn relabel(current: &[u32], weights: &[u64], draft: &mut Draft) {
    let members = draft.loads.len();
    let mut common: BTreeMap<(u32, u32), (u64, u64)> = BTreeMap::new();
    for ((&bin, &member), weight) in draft.owners.iter().zip(current).zip(weights) {
        if (member as usize) < members {
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
    let mut free = (0_u32..).zip(taken).filter(|(_, taken)| !taken).map(|(member, _)| member);
    let name: Vec<u32> = name.into_iter().map(|name| name.or_else(|| free.next()).unwrap_or(0)).collect();
    let mut loads = vec![0; members];
    for (owner, weight) in draft.owners.iter_mut().zip(weights) {
        *owner = name[*owner as usize];
        loads[*owner as usize] += weight;
    }
    draft.loads = loads;
}
