//! Balance alone, from scratch: the article's `load_balance = tasks / executors`, rounded up or down.

use super::capacity::Capacities;
use super::problem::Problem;
use super::quota::quotas;
use crate::error::Result;

/// Deals items one at a time, in order, to the members that are short of their quota.
///
/// Every member ends with the average by its capacity, rounded up or down; who owned what before plays no part.
/// Takes `O(P + N log N)` where members are of one size without limits.
pub(super) fn average(problem: &Problem<'_>, capacities: &Capacities) -> Result<Vec<u32>> {
    let mut left = quotas(problem.members, capacities, problem.items)?.favouring(&vec![0; problem.members.len()]);
    let mut round: Vec<u32> = (0..).take(left.len()).collect();
    let mut owners = Vec::with_capacity(problem.items);
    while owners.len() < problem.items && !round.is_empty() {
        round.retain(|&member| {
            let left = &mut left[member as usize];
            if *left > 0 {
                owners.push(member);
                *left -= 1;
            }
            *left > 0
        });
    }
    Ok(owners)
}
