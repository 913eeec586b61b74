//! Balance, then zones, then moves, all exact, where items may not go everywhere or have a zone.

use std::collections::BTreeMap;

use super::balance::{even, face};
use super::capacity::Capacities;
use super::evidence::Optimum;
use super::flow::{Arc, Network};
use super::problem::{NONE, Problem};
use crate::error::Result;

/// Items that may go to the same members and ask for the same zone.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Kind {
    class: u32,
    zone: u32,
}

/// Solves the problem for items of one weight, in two flows: the first finds the most even loads, the second, among
/// all assignments with such loads, the one with the fewest items outside their zone and then the fewest moves.
pub(super) fn solve(problem: &Problem<'_>, capacities: &Capacities) -> Result<(Vec<u32>, Optimum)> {
    let (kinds, hub_of) = kinds(problem);
    let mut network = network(problem, &kinds, &hub_of);
    for hub in 0..network.hubs.len() {
        keep_owned(&mut network, hub, |_| true);
        let arcs: Vec<usize> = network.hubs[hub].clone().collect();
        let left = left(&network, hub);
        network.pour(&arcs, left, &capacities.units);
    }
    even(&mut network, problem.members, capacities, &|hubs| name(&hub_of, hubs))?;
    if problem.current.is_some() || problem.zones.is_some() {
        let (least, most) = face(&mut network, problem.members, capacities);
        cheapest(&mut network, &capacities.units);
        network.settle(&least, &most);
    }
    let owners = deal(problem, &network, &hub_of);
    let optimum = Optimum {
        out_of_zone: network.arcs.iter().filter(|arc| arc.outside).map(|arc| arc.flow).sum(),
        moves: problem.items as u64 - network.arcs.iter().map(|arc| arc.flow.min(arc.owned)).sum::<u64>(),
        loads: network.loads,
    };
    Ok((owners, optimum))
}

/// The kinds of items there are, and the kind of each item.
fn kinds(problem: &Problem<'_>) -> (Vec<Kind>, Vec<usize>) {
    let mut numbers: BTreeMap<Kind, usize> = BTreeMap::new();
    let kind = |item: usize| Kind {
        class: problem.eligible.map_or(NONE, |eligible| eligible.of[item]),
        zone: problem.zones.map_or(NONE, |zones| zones[item]),
    };
    let hub_of = (0..problem.items)
        .map(|item| {
            let next = numbers.len();
            *numbers.entry(kind(item)).or_insert(next)
        })
        .collect();
    let mut kinds = vec![Kind { class: NONE, zone: NONE }; numbers.len()];
    for (kind, number) in numbers {
        kinds[number] = kind;
    }
    (kinds, hub_of)
}

fn network(problem: &Problem<'_>, kinds: &[Kind], hub_of: &[usize]) -> Network {
    let mut arcs = Vec::new();
    let mut starts = Vec::with_capacity(kinds.len());
    for (hub, kind) in kinds.iter().enumerate() {
        starts.push(arcs.len());
        let class = problem.eligible.and_then(|eligible| eligible.classes.get(kind.class as usize));
        let mut members: Vec<u32> = class.map_or_else(|| (0..).take(problem.members.len()).collect(), Clone::clone);
        members.sort_unstable();
        members.dedup();
        arcs.extend(members.into_iter().map(|member| {
            let outside = kind.zone != NONE && problem.members[member as usize].zone != kind.zone;
            Arc { hub, member: member as usize, owned: 0, outside, flow: 0, open: true }
        }));
    }
    starts.push(arcs.len());
    let mut supply = vec![0; kinds.len()];
    for (item, &hub) in hub_of.iter().enumerate() {
        supply[hub] += 1;
        let arcs = &mut arcs[starts[hub]..starts[hub + 1]];
        let owner = problem.current.map_or(NONE, |current| current[item]);
        if let Ok(position) = arcs.binary_search_by_key(&(owner as usize), |arc| arc.member) {
            arcs[position].owned += 1;
        }
    }
    Network::new(arcs, supply, problem.members.len())
}

/// Items of the hub that flow nowhere yet.
fn left(network: &Network, hub: usize) -> u64 {
    network.supply[hub] - network.arcs[network.hubs[hub].clone()].iter().map(|arc| arc.flow).sum::<u64>()
}

/// Leaves items where they are.
fn keep_owned(network: &mut Network, hub: usize, here: impl Fn(&Arc) -> bool) {
    for arc in network.hubs[hub].clone() {
        if here(&network.arcs[arc]) {
            network.push(arc, network.arcs[arc].owned);
        }
    }
}

/// Lets the items of each hub flow where it is cheapest for them alone, whatever that does to the loads.
fn cheapest(network: &mut Network, units: &[u64]) {
    network.clear();
    network.priced = true;
    for hub in 0..network.hubs.len() {
        let inside: Vec<usize> =
            network.hubs[hub].clone().filter(|&arc| network.arcs[arc].open && !network.arcs[arc].outside).collect();
        let arcs = if inside.is_empty() {
            keep_owned(network, hub, |arc| arc.open);
            network.hubs[hub].clone().filter(|&arc| network.arcs[arc].open).collect()
        } else {
            keep_owned(network, hub, |arc| arc.open && !arc.outside);
            inside
        };
        let left = left(network, hub);
        network.pour(&arcs, left, units);
    }
}

/// Turns amounts into owners: whoever may keep items keeps the first of them, and the others follow in order.
fn deal(problem: &Problem<'_>, network: &Network, hub_of: &[usize]) -> Vec<u32> {
    let mut keep: Vec<u64> = network.arcs.iter().map(|arc| arc.flow.min(arc.owned)).collect();
    let mut give: Vec<u64> = network.arcs.iter().zip(&keep).map(|(arc, keep)| arc.flow - keep).collect();
    let mut owners = vec![NONE; problem.items];
    for (item, &hub) in hub_of.iter().enumerate() {
        let arcs = network.hubs[hub].clone();
        let owner = problem.current.map_or(NONE, |current| current[item]);
        if let Ok(position) = network.arcs[arcs.clone()].binary_search_by_key(&(owner as usize), |arc| arc.member)
            && keep[arcs.start + position] > 0
        {
            keep[arcs.start + position] -= 1;
            owners[item] = owner;
        }
    }
    let mut at: Vec<usize> = network.hubs.iter().map(|hub| hub.start).collect();
    for (owner, &hub) in owners.iter_mut().zip(hub_of).filter(|(owner, _)| **owner == NONE) {
        let end = network.hubs[hub].end;
        while at[hub] < end && give[at[hub]] == 0 {
            at[hub] += 1;
        }
        if at[hub] < end {
            give[at[hub]] -= 1;
            *owner = u32::try_from(network.arcs[at[hub]].member).unwrap_or(NONE);
        }
    }
    owners
}

/// The first few items of these hubs.
fn name(hub_of: &[usize], hubs: &[usize]) -> String {
    let some: Vec<String> = (0..hub_of.len())
        .filter(|&item| hubs.binary_search(&hub_of[item]).is_ok())
        .take(5)
        .map(|item| format!("item {item}"))
        .collect();
    format!("the first of them {}", some.join(", "))
}
