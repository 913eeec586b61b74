//! The network: hubs, members, the arcs between them, and what flows along each.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

use super::super::capacity::Fraction;

/// From a hub to a member. Small, because searches read them by the hundred thousand.
#[derive(Clone, Debug)]
pub(in super::super) struct Arc {
    pub(in super::super) hub: u32,
    pub(in super::super) member: u32,
    /// How many of the hub's items the member owns already: the first so many cost one move less.
    pub(in super::super) owned: u32,
    pub(in super::super) flow: u32,
    /// Whether the member is outside the zone that the hub's items ask for.
    pub(in super::super) outside: bool,
    /// A closed arc takes no more.
    pub(in super::super) open: bool,
}

pub(in super::super) struct Network {
    pub(in super::super) arcs: Vec<Arc>,
    pub(in super::super) hubs: Vec<Range<usize>>,
    supply: Vec<u32>,
    /// The arcs in use into each member: a search backwards follows no others.
    used: Vec<Vec<usize>>,
    /// Where each arc in use stands among those into its member.
    place: Vec<usize>,
    pub(in super::super) loads: Vec<u64>,
    /// What an item outside its zone costs, and a move.
    prices: (i64, i64),
}

impl Network {
    /// Arcs come sorted by hub, at least one for each; nothing flows yet, and nothing has a price.
    pub(in super::super) fn new(arcs: Vec<Arc>, supply: Vec<u32>, members: usize) -> Self {
        let mut hubs = Vec::with_capacity(supply.len());
        let mut start = 0;
        for chunk in arcs.chunk_by(|a, b| a.hub == b.hub) {
            hubs.push(start..start + chunk.len());
            start += chunk.len();
        }
        let (used, place, loads) = (vec![Vec::new(); members], vec![0; arcs.len()], vec![0; members]);
        Self { arcs, hubs, supply, used, place, loads, prices: (0, 0) }
    }

    /// Whether zones and moves count from now on, or only who can reach whom.
    pub(in super::super) fn price(&mut self, counts: bool) {
        let items: i64 = self.supply.iter().copied().map(i64::from).sum();
        // A zone costs more than all the moves there can be.
        self.prices = if counts { (items + 1, 1) } else { (0, 0) };
    }

    /// What the arc's next item costs.
    pub(super) fn next_price(&self, arc: &Arc) -> i64 {
        self.item_price(arc.outside, arc.flow >= arc.owned)
    }

    /// What the arc's last item cost.
    pub(super) fn last_price(&self, arc: &Arc) -> i64 {
        self.item_price(arc.outside, arc.flow > arc.owned)
    }

    fn item_price(&self, outside: bool, moved: bool) -> i64 {
        i64::from(outside) * self.prices.0 + i64::from(moved) * self.prices.1
    }

    /// Adds to what flows along the arc.
    pub(super) fn push(&mut self, at: usize, amount: u32) {
        let arc = &mut self.arcs[at];
        let member = arc.member as usize;
        if arc.flow == 0 && amount > 0 {
            self.place[at] = self.used[member].len();
            self.used[member].push(at);
        }
        arc.flow += amount;
        self.loads[member] += u64::from(amount);
    }

    /// Takes from what flows along the arc.
    pub(super) fn pull(&mut self, at: usize, amount: u32) {
        let arc = &mut self.arcs[at];
        let member = arc.member as usize;
        arc.flow -= amount;
        self.loads[member] -= u64::from(amount);
        if arc.flow == 0 && amount > 0 {
            let place = self.place[at];
            self.used[member].swap_remove(place);
            if let Some(&other) = self.used[member].get(place) {
                self.place[other] = place;
            }
        }
    }

    /// The arcs in use into a member.
    pub(in super::super) fn used(&self, member: usize) -> &[usize] {
        &self.used[member]
    }

    /// Lets the items of each hub flow anew along open arcs, where it is cheapest for them alone.
    pub(in super::super) fn lay(&mut self, units: &[u64]) {
        self.arcs.iter_mut().for_each(|arc| arc.flow = 0);
        self.loads.fill(0);
        self.used.iter_mut().for_each(Vec::clear);
        let mut left = self.supply.clone();
        let mut inside = vec![false; self.hubs.len()];
        for hub in 0..self.hubs.len() {
            inside[hub] = self.arcs[self.hubs[hub].clone()].iter().any(|arc| arc.open && !arc.outside);
            for at in self.hubs[hub].clone() {
                let arc = &self.arcs[at];
                if arc.owned > 0 && arc.open && !(inside[hub] && arc.outside) {
                    left[hub] -= arc.owned;
                    self.push(at, arc.owned);
                }
            }
        }
        for (hub, amount) in left.into_iter().enumerate().filter(|(_, amount)| *amount > 0) {
            self.pour(hub, inside[hub], amount, units);
        }
    }

    /// Pours so many items of a hub over its members, emptiest first, in ever smaller portions.
    fn pour(&mut self, hub: usize, inside: bool, mut amount: u32, units: &[u64]) {
        let fill = |network: &Self, at: usize| {
            let member = network.arcs[at].member as usize;
            Reverse((Fraction(network.loads[member] + 1, units[member]), at))
        };
        let allowed = |at: &usize| {
            let arc = &self.arcs[*at];
            arc.open && !(inside && arc.outside)
        };
        let places = self.hubs[hub].clone().filter(allowed).map(|at| fill(self, at));
        if amount == 1 {
            if let Some(Reverse((_, at))) = places.max() {
                self.push(at, 1);
            }
            return;
        }
        let mut emptiest: BinaryHeap<_> = places.collect();
        let portions = 2 * u32::try_from(emptiest.len()).unwrap_or(u32::MAX / 2);
        while amount > 0
            && let Some(Reverse((_, at))) = emptiest.pop()
        {
            let portion = (amount / portions).max(1);
            self.push(at, portion);
            amount -= portion;
            emptiest.push(fill(self, at));
        }
    }

    /// The members that an item of these can be passed on to, directly or by pushing others along.
    pub(in super::super) fn reach(&self, from: impl Iterator<Item = usize>) -> Vec<bool> {
        let mut reached = vec![false; self.loads.len()];
        let mut seen = vec![false; self.hubs.len()];
        let mut queue: Vec<usize> = from.collect();
        for &member in &queue {
            reached[member] = true;
        }
        while let Some(member) = queue.pop() {
            for &arc in self.used(member) {
                let hub = self.arcs[arc].hub as usize;
                if std::mem::replace(&mut seen[hub], true) {
                    continue;
                }
                for onward in &self.arcs[self.hubs[hub].clone()] {
                    if onward.open && !std::mem::replace(&mut reached[onward.member as usize], true) {
                        queue.push(onward.member as usize);
                    }
                }
            }
        }
        reached
    }
}
