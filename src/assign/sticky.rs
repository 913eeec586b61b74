//! The best balance, and then the fewest moves, where every item may go to every member.

use super::capacity::Capacities;
use super::evidence::owned;
use super::problem::{NONE, Problem};
use super::quota::quotas;
use crate::error::Result;

/// Everybody keeps what they own up to their quota, and what is left goes to whoever is short of theirs, in order.
///
/// Takes `O(P + N log N)`. Best on both counts: the quotas are the most even loads there are, and the places
/// where loads may differ by one go to those who have the most to keep. With equal sizes, `q = ⌊P / N⌋`,
/// `r = P mod N` and members sorted by what they own, that is `moves = P − Σ min(own₍ₖ₎, q + [k ≤ r])`.
pub(super) fn sticky(problem: &Problem<'_>, capacities: &Capacities) -> Result<Vec<u32>> {
    let mut left = quotas(problem.members, capacities, problem.items)?.favouring(&owned(problem));
    let mut owners = vec![NONE; problem.items];
    if let Some(current) = problem.current {
        for (owner, &member) in owners.iter_mut().zip(current) {
            if let Some(left) = left.get_mut(member as usize)
                && *left > 0
            {
                *left -= 1;
                *owner = member;
            }
        }
    }
    let mut short = (0_u32..).zip(left).filter(|(_, left)| *left > 0);
    let mut taker = short.next();
    for owner in owners.iter_mut().filter(|owner| **owner == NONE) {
        // The quotas add up to the items, so that there is a taker for each.
        if let Some((member, left)) = &mut taker {
            *owner = *member;
            *left -= 1;
            if *left == 0 {
                taker = short.next();
            }
        }
    }
    Ok(owners)
}
