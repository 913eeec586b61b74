//! How many items each member should own when every item may go to every member.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::capacity::{Capacities, Fraction};
use super::problem::Member;
use crate::error::{Error, Result};

/// The even loads: every member owns `least`, and `extra` of those that may own one more do.
///
/// The `k`-th item of a member with capacity `c` makes it `k / c` full: that is its place. Among all loads that add
/// up, these leave the fullest place as empty as can be, then the second fullest, and so on. With equal sizes:
/// the quotient, rounded up or down.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Quotas {
    pub(super) least: Vec<u64>,
    /// Whether the member may own one more than `least`: that makes it exactly as full as the fullest.
    pub(super) open: Vec<bool>,
    /// How many of the open members do own one more.
    pub(super) extra: u64,
}

/// The most items each member may have while the fullest is as little full as `items` allow.
///
/// # Errors
/// `Config` where a capacity is no number above 0, or the limits do not hold the items.
pub fn shares(members: &[Member], items: usize) -> Result<Vec<u64>> {
    if members.is_empty() {
        return Ok(Vec::new());
    }
    let Quotas { least, open, .. } = quotas(members, &Capacities::of(members)?, items)?;
    Ok(least.iter().zip(open).map(|(least, open)| least + u64::from(open)).collect())
}

/// Works out the quotas by giving each item in turn to the member that it leaves least full
/// (D'Hondt 1878, who gave seats to parties so), started from everybody's proportional share rounded down.
///
/// Takes `O(N log N)`. Fails where the limits do not hold `items`.
pub(super) fn quotas(members: &[Member], capacities: &Capacities, items: usize) -> Result<Quotas> {
    let limits: Vec<u64> = members.iter().map(|member| member.limit.unwrap_or(u64::MAX)).collect();
    let items = items as u64;
    let room = limits.iter().fold(0_u64, |sum, limit| sum.saturating_add(*limit));
    if room < items {
        return Err(Error::config(format!(
            "cannot assign {items} items: the limits of the {} members hold {room} in all; raise a limit or add members",
            members.len()
        )));
    }
    let units = &capacities.units;
    let mut loads = proportional(units, &limits, items);
    let mut left = items - loads.iter().sum::<u64>();
    let mut next: BinaryHeap<Reverse<(Fraction, usize)>> = (0..loads.len())
        .filter(|&member| loads[member] < limits[member])
        .map(|member| Reverse((Fraction(loads[member] + 1, units[member]), member)))
        .collect();
    while left > 0
        && let Some(Reverse((_, member))) = next.pop()
    {
        left -= 1;
        loads[member] += 1;
        if loads[member] < limits[member] {
            next.push(Reverse((Fraction(loads[member] + 1, units[member]), member)));
        }
    }
    let fullest = (0..loads.len()).map(|member| Fraction(loads[member], units[member])).max();
    let fullest = fullest.unwrap_or(Fraction(0, 1));
    let mut extra = 0;
    let mut open = vec![false; loads.len()];
    for (member, load) in loads.iter_mut().enumerate() {
        if *load > 0 && Fraction(*load, units[member]) == fullest {
            *load -= 1;
            extra += 1;
            open[member] = true;
        } else if *load < limits[member] && Fraction(*load + 1, units[member]) == fullest {
            open[member] = true;
        }
    }
    Ok(Quotas { least: loads, open, extra })
}

/// Everybody's share of the items by size, rounded down and cut at the limit; what is cut goes to the others.
fn proportional(units: &[u64], limits: &[u64], items: u64) -> Vec<u64> {
    let mut loads = vec![0; units.len()];
    let mut below: Vec<usize> = (0..units.len()).collect();
    let mut left = items;
    loop {
        let total: u128 = below.iter().map(|&member| u128::from(units[member])).sum();
        if total == 0 {
            return loads;
        }
        let share = |member: usize| u128::from(left) * u128::from(units[member]) / total;
        let (cut, rest): (Vec<usize>, Vec<usize>) =
            below.iter().partition(|&&member| share(member) >= u128::from(limits[member]));
        if cut.is_empty() {
            for member in rest {
                // A share is at most `left`, which has 64 bits.
                loads[member] = u64::try_from(share(member)).unwrap_or(left);
            }
            return loads;
        }
        for member in cut {
            loads[member] = limits[member];
            left -= limits[member];
        }
        below = rest;
    }
}

impl Quotas {
    /// The loads when the extra items go to the open members that own most above their quota already.
    ///
    /// That keeps as many as can be kept: a member with less than its quota gains nothing by a larger one.
    pub(super) fn favouring(&self, owned: &[u64]) -> Vec<u64> {
        let mut open: Vec<usize> = (0..self.least.len()).filter(|&member| self.open[member]).collect();
        open.sort_by_key(|&member| (Reverse(i128::from(owned[member]) - i128::from(self.least[member])), member));
        let mut loads = self.least.clone();
        for (_, member) in (0..self.extra).zip(open) {
            loads[member] += 1;
        }
        loads
    }

    /// Whether the loads are as even as these quotas.
    pub(super) fn allow(&self, loads: &[u64]) -> bool {
        (0..loads.len()).all(|member| {
            loads[member] == self.least[member] || (self.open[member] && loads[member] == self.least[member] + 1)
        }) && loads.iter().sum::<u64>() == self.least.iter().sum::<u64>() + self.extra
    }

    /// The load of a member that is as full as the fullest, and which one; none when there are no items.
    pub(super) fn fullest(&self) -> Option<(usize, u64)> {
        (0..self.least.len()).find(|&member| self.open[member]).map(|member| (member, self.least[member] + 1))
    }
}
