//! One item each in turn.

use super::problem::Problem;
use crate::error::{Error, Result};

/// Deals the items in order; a turn passes over members that may not have the item or have no room for it.
///
/// After each item the turn goes to the member behind the one that took it. Capacities and current owners play no
/// part. Takes `O(P)`, and a look at every member for each item that is passed on.
pub(super) fn round_robin(problem: &Problem<'_>) -> Result<Vec<u32>> {
    if problem.zones.is_some() {
        return Err(Error::config(
            "the strategy \"round_robin\" cannot honour zones: leave them out, or use \"sticky\"",
        ));
    }
    let members = problem.members;
    let mut loads = vec![0_u64; members.len()];
    let mut turn = 0;
    let mut owners = Vec::with_capacity(problem.items);
    for item in 0..problem.items {
        let weight = problem.weight(item);
        let fits = |member: usize| {
            members[member].limit.is_none_or(|limit| loads[member].saturating_add(weight) <= limit)
                && u32::try_from(member).is_ok_and(|member| problem.may(item, member))
        };
        let Some(member) = (turn..members.len()).chain(0..turn).find(|&member| fits(member)) else {
            return Err(super::refused::no_room(item, "round_robin"));
        };
        loads[member] += weight;
        turn = (member + 1) % members.len();
        owners.push(u32::try_from(member).unwrap_or(u32::MAX));
    }
    Ok(owners)
}
