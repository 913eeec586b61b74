//! Neighbours stay together: each member gets one run of items, in the order of the members.

use super::capacity::Capacities;
use super::problem::{Problem, total};
use super::quota::quotas;
use crate::error::{Error, Result};

/// Cuts the items into runs: as long as the quotas, or, where items have weights, at each member's share of the weight.
///
/// Weighted, an item goes to the member in whose share its middle falls, so that a run is off its share by at
/// most half an item at either end. Takes `O(P + N log N)`.
pub(super) fn range(problem: &Problem<'_>, capacities: &Capacities) -> Result<Vec<u32>> {
    refuse(problem)?;
    let Some(weights) = problem.weights else {
        let loads = quotas(problem.members, capacities, problem.items)?.favouring(&vec![0; problem.members.len()]);
        let mut owners = Vec::with_capacity(problem.items);
        for (member, load) in (0_u32..).zip(loads) {
            // A quota is at most the number of items, which fits.
            owners.resize(owners.len() + usize::try_from(load).unwrap_or(0), member);
        }
        return Ok(owners);
    };
    let whole = u128::from(total(weights)?);
    let last = problem.members.len() - 1;
    let (mut member, mut before, mut units) = (0, 0_u128, u128::from(capacities.units[0]));
    let mut owners = Vec::with_capacity(weights.len());
    for &weight in weights {
        // Twice the middle of the item over twice the weight, beside the end of the member's share.
        let middle = 2 * before + u128::from(weight);
        while member < last && wide(middle, capacities.total) > wide(2 * whole, units) {
            member += 1;
            units += u128::from(capacities.units[member]);
        }
        owners.push(u32::try_from(member).unwrap_or(u32::MAX));
        before += u128::from(weight);
    }
    Ok(owners)
}

/// `a × b` of at most 66 and 64 bits, which 128 do not hold: high half first.
fn wide(a: u128, b: u128) -> (u128, u128) {
    const LOW: u128 = (1 << 64) - 1;
    let low = (a & LOW) * b;
    let high = (a >> 64) * b + (low >> 64);
    (high, low & LOW)
}

fn refuse(problem: &Problem<'_>) -> Result<()> {
    let limited = problem.weights.is_some() && problem.members.iter().any(|member| member.limit.is_some());
    let refused =
        [("eligible", problem.eligible.is_some()), ("zones", problem.zones.is_some()), ("a limit on weights", limited)];
    match refused.iter().find(|(_, present)| *present) {
        None => Ok(()),
        Some((what, _)) => Err(Error::config(format!(
            "the strategy \"range\" keeps neighbours together and cannot honour {what}: leave it out, or use \"sticky\""
        ))),
    }
}
