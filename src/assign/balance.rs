//! The most even loads where items may not go everywhere, and all the assignments that have them.
//!
//! Decomposition (S. Fujishige, "Lexicographically Optimal Base of a Polymatroid", 1980; H. Groenevelt, 1991): aim at
//! the quotas as if every item could go everywhere. Where items can't, the members that are too full and those
//! that they could still pass items to are on their own: nobody else can relieve them. Cut there, and go on.

use std::collections::BTreeMap;

use super::capacity::{Capacities, Fraction};
use super::flow::{Arc, Network};
use super::problem::Member;
use super::quota::quotas;
use crate::error::{Error, Result};

/// Evens the loads of whatever flows; `name` says which items a hub holds. Fails where limits cannot be kept.
///
/// The prices of `network` hold for the first step, which most often is the only one. True: it was, and no assignment
/// that is as even is cheaper.
pub(super) fn even(
    network: &mut Network,
    members: &[Member],
    capacities: &Capacities,
    name: &dyn Fn(&[usize]) -> String,
) -> Result<bool> {
    let mut parts = vec![0_usize; members.len()];
    let Aim { least, most, .. } = aim(network, members, capacities, &parts, name)?;
    network.settle(&least, &most);
    if (0..members.len()).all(|m| (least[m]..=most[m]).contains(&network.loads[m])) {
        return Ok(true);
    }
    network.price(false);
    loop {
        let Aim { targets, .. } = aim(network, members, capacities, &parts, name)?;
        network.settle(&targets, &targets);
        let over: Vec<usize> = (0..members.len()).filter(|&m| network.loads[m] > targets[m]).collect();
        if over.is_empty() {
            return Ok(false);
        }
        let reached = network.reach(over.iter().copied());
        let mut cut: BTreeMap<usize, usize> = BTreeMap::new();
        let mut next = parts.iter().max().map_or(1, |last| last + 1);
        for (part, _) in parts.iter_mut().zip(&reached).filter(|(_, reached)| **reached) {
            *part = *cut.entry(*part).or_insert_with(|| {
                next += 1;
                next - 1
            });
        }
        for hub in network.hubs.clone() {
            let arcs = &mut network.arcs[hub];
            // All that flows out of a hub ends in one part.
            let part = |arc: &Arc| parts[arc.member as usize];
            let Some(here) = arcs.iter().find(|arc| arc.flow > 0).map(part) else { continue };
            for arc in arcs {
                arc.open &= part(arc) == here;
            }
        }
    }
}

/// Loads to aim at: all between `least` and `most` that add up are as even as `targets`.
struct Aim {
    least: Vec<u64>,
    most: Vec<u64>,
    targets: Vec<u64>,
}

/// The quotas of each part by itself, for what its members hold together.
fn aim(
    network: &Network,
    members: &[Member],
    capacities: &Capacities,
    parts: &[usize],
    name: &dyn Fn(&[usize]) -> String,
) -> Result<Aim> {
    let mut together: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (member, part) in parts.iter().enumerate() {
        together.entry(*part).or_default().push(member);
    }
    let none = vec![0; members.len()];
    let mut aim = Aim { least: none.clone(), most: none.clone(), targets: none };
    for part in together.values() {
        let loads: Vec<u64> = part.iter().map(|&member| network.loads[member]).collect();
        let items = loads.iter().sum::<u64>();
        let these: Vec<Member> = part.iter().map(|&member| members[member]).collect();
        let room = these.iter().fold(0_u64, |sum, member| sum.saturating_add(member.limit.unwrap_or(u64::MAX)));
        if room < items {
            let mut hubs: Vec<usize> = part
                .iter()
                .flat_map(|&member| network.used(member))
                .map(|&arc| network.arcs[arc].hub as usize)
                .collect();
            hubs.sort_unstable();
            hubs.dedup();
            let some: Vec<String> = part.iter().take(5).map(|member| format!("member {member}")).collect();
            return Err(Error::config(format!(
                "cannot assign {items} items, {}: they may only go to {}{}, whose limits hold {room} in all; \
                 raise a limit, or let some of them go to other members",
                name(&hubs),
                some.join(", "),
                if part.len() > some.len() { format!(" and {} more", part.len() - some.len()) } else { String::new() }
            )));
        }
        let quotas = quotas(&these, &capacities.only(part), usize::try_from(items).unwrap_or(usize::MAX))?;
        for (at, (&member, target)) in part.iter().zip(quotas.favouring(&loads)).enumerate() {
            aim.targets[member] = target;
            aim.least[member] = quotas.least[at];
            aim.most[member] = quotas.least[at] + u64::from(quotas.open[at]);
        }
    }
    Ok(aim)
}

/// Loads between which every assignment with the best balance lies; closes the arcs that none of them uses.
///
/// By the duals of the flow that `network` holds, which must be of best balance: the level of a member is the
/// emptiest place that its items can be passed on to. Places below the level are full in every best
/// assignment, places above it are empty, and an item goes to the lowest level that it may go to.
pub(super) fn face(network: &mut Network, members: &[Member], capacities: &Capacities) -> (Vec<u64>, Vec<u64>) {
    network.arcs.iter_mut().for_each(|arc| arc.open = true);
    let limit = |member: usize| members[member].limit.unwrap_or(u64::MAX);
    let next = |member: usize| {
        (network.loads[member] < limit(member))
            .then(|| Fraction(network.loads[member] + 1, capacities.units[member]))
            .map_or(Level::Full, Level::Next)
    };
    let mut order: Vec<usize> = (0..members.len()).collect();
    order.sort_by_key(|&member| (next(member), member));
    let mut into = vec![Vec::new(); members.len()];
    for arc in &network.arcs {
        into[arc.member as usize].push(arc.hub as usize);
    }
    let mut level = vec![None; members.len()];
    let mut seen = vec![false; network.hubs.len()];
    for lowest in order {
        let found = next(lowest);
        let mut queue = vec![lowest];
        while let Some(member) = queue.pop() {
            if level[member].is_some() {
                continue;
            }
            level[member] = Some(found);
            for &hub in &into[member] {
                if !std::mem::replace(&mut seen[hub], true) {
                    let from = network.arcs[network.hubs[hub].clone()].iter();
                    queue.extend(from.filter(|arc| arc.flow > 0).map(|arc| arc.member as usize));
                }
            }
        }
    }
    let level: Vec<Level> = level.into_iter().map(|level| level.unwrap_or(Level::Full)).collect();
    for hub in network.hubs.clone() {
        let arcs = &mut network.arcs[hub];
        let lowest = arcs.iter().map(|arc| level[arc.member as usize]).min();
        for arc in arcs {
            arc.open = Some(level[arc.member as usize]) == lowest;
        }
    }
    let places = |member: usize, full: bool| match level[member] {
        Level::Full => limit(member),
        Level::Next(Fraction(load, units)) => {
            let reach = u128::from(load) * u128::from(capacities.units[member]);
            let units = u128::from(units);
            // Rounded up and one less: the places strictly below the level.
            let places = if full { reach / units } else { reach.div_ceil(units).saturating_sub(1) };
            u64::try_from(places).unwrap_or(u64::MAX).min(limit(member))
        }
    };
    let least = (0..members.len()).map(|member| places(member, false)).collect();
    let most = (0..members.len()).map(|member| places(member, true)).collect();
    (least, most)
}

/// How full a place makes its member; a member at its limit has none left.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Level {
    Next(Fraction),
    Full,
}
