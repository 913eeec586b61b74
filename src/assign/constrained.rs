//! Balance, then zones, then moves, all exact, where items may not go everywhere or have a zone.

use std::borrow::Cow;
use std::collections::HashMap;

use super::balance::{even, face};
use super::capacity::Capacities;
use super::evidence::Optimum;
use super::flow::{Arc, Network};
use super::problem::{NONE, Problem};
use crate::error::Result;

/// Items that may go to the same members and ask for the same zone.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
struct Kind {
    class: u32,
    zone: u32,
}

/// Solves the problem for items of one weight.
///
/// One flow is enough where the loads can be as even as if every item could go everywhere. Otherwise a first one finds
/// the most even loads, and a second one, among all assignments with such loads, the one with the fewest items outside
/// their zone and then the fewest moves.
pub(super) fn solve(problem: &Problem<'_>, capacities: &Capacities) -> Result<(Vec<u32>, Optimum)> {
    let (kinds, hub_of) = kinds(problem);
    let mut network = network(problem, &kinds, &hub_of);
    let counts = problem.current.is_some() || problem.zones.is_some();
    network.price(counts);
    network.lay(&capacities.units);
    if !even(&mut network, problem.members, capacities, &|hubs| name(&hub_of, hubs))? && counts {
        let (least, most) = face(&mut network, problem.members, capacities);
        network.price(true);
        network.lay(&capacities.units);
        network.settle(&least, &most);
    }
    let owners = deal(problem, &network, &hub_of);
    let optimum = Optimum {
        out_of_zone: network.arcs.iter().filter(|arc| arc.outside).map(|arc| u64::from(arc.flow)).sum(),
        moves: problem.items as u64 - network.arcs.iter().map(|arc| u64::from(arc.flow.min(arc.owned))).sum::<u64>(),
        loads: network.loads,
    };
    Ok((owners, optimum))
}

/// The kinds of items there are, and the kind of each item.
fn kinds(problem: &Problem<'_>) -> (Vec<Kind>, Vec<u32>) {
    let mut numbers: HashMap<Kind, u32> = HashMap::new();
    let mut kinds = Vec::new();
    let hub_of = (0..problem.items)
        .map(|item| {
            let kind = Kind {
                class: problem.eligible.map_or(NONE, |eligible| eligible.of[item]),
                zone: problem.zones.map_or(NONE, |zones| zones[item]),
            };
            *numbers.entry(kind).or_insert_with(|| {
                kinds.push(kind);
                u32::try_from(kinds.len() - 1).unwrap_or(NONE)
            })
        })
        .collect();
    (kinds, hub_of)
}

fn network(problem: &Problem<'_>, kinds: &[Kind], hub_of: &[u32]) -> Network {
    let everybody: Vec<u32> = (0..).take(problem.members.len()).collect();
    let mut arcs = Vec::new();
    let mut starts = Vec::with_capacity(kinds.len() + 1);
    for (hub, kind) in (0..).zip(kinds) {
        starts.push(arcs.len());
        let class = problem.eligible.and_then(|eligible| eligible.classes.get(kind.class as usize));
        let mut members = Cow::from(class.unwrap_or(&everybody));
        if !members.is_sorted_by(|a, b| a < b) {
            let members = members.to_mut();
            members.sort_unstable();
            members.dedup();
        }
        arcs.extend(members.iter().map(|&member| {
            let outside = kind.zone != NONE && problem.members[member as usize].zone != kind.zone;
            Arc { hub, member, owned: 0, flow: 0, outside, open: true }
        }));
    }
    starts.push(arcs.len());
    let mut supply = vec![0; kinds.len()];
    for (item, &hub) in hub_of.iter().enumerate() {
        let hub = hub as usize;
        supply[hub] += 1;
        let arcs = &mut arcs[starts[hub]..starts[hub + 1]];
        let owner = problem.current.map_or(NONE, |current| current[item]);
        if let Ok(position) = arcs.binary_search_by_key(&owner, |arc| arc.member) {
            arcs[position].owned += 1;
        }
    }
    Network::new(arcs, supply, problem.members.len())
}

/// Turns amounts into owners: whoever may keep items keeps the first of them, and the others follow in order.
fn deal(problem: &Problem<'_>, network: &Network, hub_of: &[u32]) -> Vec<u32> {
    let mut keep: Vec<u32> = network.arcs.iter().map(|arc| arc.flow.min(arc.owned)).collect();
    let mut give: Vec<u32> = network.arcs.iter().zip(&keep).map(|(arc, keep)| arc.flow - keep).collect();
    let mut owners = vec![NONE; problem.items];
    for (item, &hub) in hub_of.iter().enumerate() {
        let arcs = network.hubs[hub as usize].clone();
        let owner = problem.current.map_or(NONE, |current| current[item]);
        if let Ok(position) = network.arcs[arcs.clone()].binary_search_by_key(&owner, |arc| arc.member)
            && keep[arcs.start + position] > 0
        {
            keep[arcs.start + position] -= 1;
            owners[item] = owner;
        }
    }
    let mut at: Vec<usize> = network.hubs.iter().map(|hub| hub.start).collect();
    for (owner, &hub) in owners.iter_mut().zip(hub_of).filter(|(owner, _)| **owner == NONE) {
        let (at, end) = (&mut at[hub as usize], network.hubs[hub as usize].end);
        while *at < end && give[*at] == 0 {
            *at += 1;
        }
        if *at < end {
            give[*at] -= 1;
            *owner = network.arcs[*at].member;
        }
    }
    owners
}

/// The first few items of these hubs.
fn name(hub_of: &[u32], hubs: &[usize]) -> String {
    let some: Vec<String> = (0..hub_of.len())
        .filter(|&item| hubs.binary_search(&(hub_of[item] as usize)).is_ok())
        .take(5)
        .map(|item| format!("item {item}"))
        .collect();
    format!("the first of them {}", some.join(", "))
}
