//! The network: hubs, members, the arcs between them, and what flows along each.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

use super::super::capacity::Fraction;

/// From a hub to a member.
#[derive(Clone, Debug)]
pub(in super::super) struct Arc {
    pub(in super::super) hub: usize,
    pub(in super::super) member: usize,
    /// How many of the hub's items the member owns already: the first so many cost one move less.
    pub(in super::super) owned: u64,
    /// Whether the member is outside the zone that the hub's items ask for.
    pub(in super::super) outside: bool,
    pub(in super::super) flow: u64,
    /// A closed arc takes no more.
    pub(in super::super) open: bool,
}

pub(in super::super) struct Network {
    pub(in super::super) arcs: Vec<Arc>,
    pub(in super::super) hubs: Vec<Range<usize>>,
    pub(in super::super) supply: Vec<u64>,
    /// The arcs into each member: first those in use, because a search backwards follows no others.
    pub(in super::super) into: Vec<Vec<usize>>,
    /// How many of them are in use.
    used: Vec<usize>,
    /// Where each arc stands among those into its member.
    place: Vec<usize>,
    pub(in super::super) loads: Vec<u64>,
    /// What an item outside its zone costs; a move costs 1.
    pub(in super::super) outside: i64,
    /// Whether zones and moves count, or only who can reach whom.
    pub(in super::super) priced: bool,
}

impl Network {
    /// Arcs come sorted by hub, at least one for each; nothing flows yet.
    pub(in super::super) fn new(arcs: Vec<Arc>, supply: Vec<u64>, members: usize) -> Self {
        let mut hubs = vec![0..0; supply.len()];
        let mut into = vec![Vec::new(); members];
        let mut place = vec![0; arcs.len()];
        let mut start = 0;
        for chunk in arcs.chunk_by(|a, b| a.hub == b.hub) {
            hubs[chunk[0].hub] = start..start + chunk.len();
            for (position, arc) in (start..).zip(chunk) {
                place[position] = into[arc.member].len();
                into[arc.member].push(position);
            }
            start += chunk.len();
        }
        // More than all the moves there can be.
        let items = supply.iter().sum::<u64>();
        let outside = i64::try_from(items).unwrap_or(i64::MAX - 1) + 1;
        let (used, loads) = (vec![0; members], vec![0; members]);
        Self { arcs, hubs, supply, into, used, place, loads, outside, priced: false }
    }

    /// What the arc's next item costs.
    pub(super) fn next_price(&self, arc: usize) -> i64 {
        let arc = &self.arcs[arc];
        self.price(arc.outside, arc.flow >= arc.owned)
    }

    /// What the arc's last item cost.
    pub(super) fn last_price(&self, arc: usize) -> i64 {
        let arc = &self.arcs[arc];
        self.price(arc.outside, arc.flow > arc.owned)
    }

    fn price(&self, outside: bool, moved: bool) -> i64 {
        if self.priced { i64::from(outside) * self.outside + i64::from(moved) } else { 0 }
    }

    /// Adds to what flows along the arc.
    pub(in super::super) fn push(&mut self, arc: usize, amount: u64) {
        if self.arcs[arc].flow == 0 && amount > 0 {
            let member = self.arcs[arc].member;
            self.exchange(arc, self.used[member]);
            self.used[member] += 1;
        }
        self.arcs[arc].flow += amount;
        self.loads[self.arcs[arc].member] += amount;
    }

    /// Takes from what flows along the arc.
    pub(super) fn pull(&mut self, arc: usize, amount: u64) {
        self.arcs[arc].flow -= amount;
        self.loads[self.arcs[arc].member] -= amount;
        if self.arcs[arc].flow == 0 && amount > 0 {
            let member = self.arcs[arc].member;
            self.used[member] -= 1;
            self.exchange(arc, self.used[member]);
        }
    }

    fn exchange(&mut self, arc: usize, place: usize) {
        let into = &mut self.into[self.arcs[arc].member];
        let (from, other) = (self.place[arc], into[place]);
        into.swap(from, place);
        self.place[arc] = place;
        self.place[other] = from;
    }

    /// The arcs in use into a member.
    pub(in super::super) fn used(&self, member: usize) -> &[usize] {
        &self.into[member][..self.used[member]]
    }

    /// Empties every arc.
    pub(in super::super) fn clear(&mut self) {
        self.arcs.iter_mut().for_each(|arc| arc.flow = 0);
        self.loads.fill(0);
        self.used.fill(0);
    }

    /// Pours so many items of a hub over these arcs, emptiest member first, in ever smaller portions.
    pub(in super::super) fn pour(&mut self, arcs: &[usize], mut amount: u64, units: &[u64]) {
        let fill = |network: &Self, arc: usize| {
            let member = network.arcs[arc].member;
            Reverse((Fraction(network.loads[member] + 1, units[member]), arc))
        };
        let mut emptiest: BinaryHeap<_> = arcs.iter().map(|&arc| fill(self, arc)).collect();
        while amount > 0
            && let Some(Reverse((_, arc))) = emptiest.pop()
        {
            let portion = (amount / (2 * arcs.len() as u64)).max(1);
            self.push(arc, portion);
            amount -= portion;
            emptiest.push(fill(self, arc));
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
                let arc = &self.arcs[arc];
                if std::mem::replace(&mut seen[arc.hub], true) {
                    continue;
                }
                for onward in &self.arcs[self.hubs[arc.hub].clone()] {
                    if onward.open && !std::mem::replace(&mut reached[onward.member], true) {
                        queue.push(onward.member);
                    }
                }
            }
        }
        reached
    }
}
