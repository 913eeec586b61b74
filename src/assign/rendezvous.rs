//! Highest random weight: who owns an item depends on its name and the members' names, and on nothing else.

use super::capacity::Capacities;
use super::problem::{Problem, mix};
use super::refused::no_room;
use crate::error::{Error, Result};

/// Each item goes to the member with the highest score for it (D. Thaler, C. Ravishankar, "Using Name-Based
/// Mappings to Increase Hit Rates", 1998), scores weighted by capacity as in J. Schindelhauer and G. Schomaker,
/// "Weighted Distributed Hash Tables", 2005: `−capacity / ln(u)` with `u` a uniform hash of the two names.
///
/// A member that leaves moves only its own items, one that comes takes only what becomes its own, and nobody needs
/// to know the current owners. The price is balance: loads scatter as those of a fair draw do, and the
/// certificate states the gap. A member at its limit is passed over, in the order of the items. Takes `O(P N)`.
pub(super) fn rendezvous(problem: &Problem<'_>, capacities: &Capacities) -> Result<Vec<u32>> {
    if problem.zones.is_some() {
        return Err(Error::config(
            "the strategy \"rendezvous\" cannot honour zones: leave them out, or use \"sticky\"",
        ));
    }
    let everybody: Vec<u32> = (0..).take(problem.members.len()).collect();
    let equal = capacities.are_equal();
    let mut loads = vec![0_u64; problem.members.len()];
    let mut owners = Vec::with_capacity(problem.items);
    for item in 0..problem.items {
        let name = problem.keys.map_or(item as u64, |keys| keys[item]);
        let weight = problem.weight(item);
        let mut best: Option<(f64, u64, u32)> = None;
        for &member in problem.class(item).unwrap_or(&everybody) {
            let it = &problem.members[member as usize];
            if it.limit.is_some_and(|limit| loads[member as usize].saturating_add(weight) > limit) {
                continue;
            }
            let hash = mix(mix(name) ^ it.key.rotate_left(32).wrapping_add(0x9e37_79b9_7f4a_7c15));
            // Equal sizes need no logarithm: the order is that of the hashes.
            let score = if equal { 0.0 } else { score(hash, capacities.units[member as usize]) };
            if best.is_none_or(|(most, other, _)| (score, hash) > (most, other)) {
                best = Some((score, hash, member));
            }
        }
        let (_, _, member) = best.ok_or_else(|| no_room(item, "rendezvous"))?;
        loads[member as usize] += weight;
        owners.push(member);
    }
    Ok(owners)
}

#[expect(clippy::cast_precision_loss, reason = "53 bits of a hash are as good as 64")]
fn score(hash: u64, units: u64) -> f64 {
    // Strictly between 0 and 1, so that its logarithm is finite and below 0.
    let uniform = ((hash >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    -(units as f64) / uniform.ln()
}
