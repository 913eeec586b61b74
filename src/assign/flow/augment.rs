//! Successive shortest paths, a whole level of them at a time (the primal-dual method).
//!
//! L. R. Ford and D. R. Fulkerson, *Flows in Networks*, 1962, with potentials after J. Edmonds and R. M. Karp, 1972,
//! and blocking flows after E. A. Dinic, 1970. Prices are small whole numbers (a zone, a move), so that there
//! are few different distances, and each is exhausted by a few blocking flows.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::Network;

const FAR: i64 = i64::MAX;

/// One way on from a node.
#[derive(Clone, Copy)]
enum Step {
    /// From a hub to a member: one more item along the arc.
    Give(usize),
    /// From a member back to a hub: one item less along the arc.
    Take(usize),
    /// From a member to the pool of places that members may but need not fill.
    Fill(usize),
    /// Out of that pool: the member gives up such a place.
    Vacate(usize),
}

/// What stands at one place in the list of ways out of a node.
enum Way {
    /// A step, the node it leads to, and its price.
    Open(Step, usize, i64),
    Closed,
    /// Behind the last one.
    End,
}

impl Way {
    fn when(open: bool, step: Step, to: usize, price: i64) -> Self {
        if open { Self::Open(step, to, price) } else { Self::Closed }
    }
}

/// A run of the algorithm: nodes are the hubs, then the members, then the pool.
struct Run<'a> {
    network: &'a mut Network,
    least: &'a [u64],
    most: &'a [u64],
    /// Places that each member fills; what it owns beyond, or is short of, is its excess.
    filled: Vec<u64>,
    excess: Vec<i64>,
    potential: Vec<i64>,
    level: Vec<u32>,
    tried: Vec<usize>,
}

impl Network {
    /// Moves items between members, at the least price, until every load is within `least` and `most`.
    ///
    /// What flows must be the cheapest choice for each hub by itself. Gives up, with the rest left in place, where
    /// the arcs allow no more; loads are within the limits on return exactly if that can be had.
    pub(in super::super) fn settle(&mut self, least: &[u64], most: &[u64]) {
        let (hubs, members) = (self.hubs.len(), self.loads.len());
        let nodes = hubs + members + 1;
        let filled: Vec<u64> = (0..members).map(|m| self.loads[m].clamp(least[m], most[m])).collect();
        let mut excess = vec![0; nodes];
        for (member, filled) in filled.iter().enumerate() {
            excess[hubs + member] = difference(self.loads[member], *filled);
        }
        excess[nodes - 1] = -excess.iter().sum::<i64>();
        let mut potential = vec![0; nodes];
        for (hub, potential) in potential[..hubs].iter_mut().enumerate() {
            let used = self.hubs[hub].clone().filter(|&arc| self.arcs[arc].flow > 0);
            *potential = -used.map(|arc| self.last_price(arc)).max().unwrap_or(0);
        }
        let (level, tried) = (vec![u32::MAX; nodes], vec![0; nodes]);
        let mut run = Run { network: self, least, most, filled, excess, potential, level, tried };
        while run.shorten() {
            while run.layer() {
                run.block();
            }
        }
    }
}

impl Run<'_> {
    fn hubs(&self) -> usize {
        self.network.hubs.len()
    }

    fn way(&self, node: usize, at: usize) -> Way {
        let (hubs, pool) = (self.hubs(), self.potential.len() - 1);
        let network = &*self.network;
        if node < hubs {
            let arc = network.hubs[node].start + at;
            if arc >= network.hubs[node].end {
                return Way::End;
            }
            let to = &network.arcs[arc];
            Way::when(to.open, Step::Give(arc), hubs + to.member, network.next_price(arc))
        } else if node < pool {
            let member = node - hubs;
            // The list changes while items are pushed along: a way that is passed over so is found in the next layering.
            match at.checked_sub(1).map(|at| network.used(member).get(at)) {
                None => Way::when(self.filled[member] < self.most[member], Step::Fill(member), pool, 0),
                Some(Some(&arc)) => Way::Open(Step::Take(arc), network.arcs[arc].hub, -network.last_price(arc)),
                Some(None) => Way::End,
            }
        } else if at < network.loads.len() {
            Way::when(self.filled[at] > self.least[at], Step::Vacate(at), hubs + at, 0)
        } else {
            Way::End
        }
    }

    /// How much can go that way at that price.
    fn room(&self, step: Step) -> u64 {
        match step {
            Step::Give(arc) => {
                let arc = &self.network.arcs[arc];
                if arc.flow < arc.owned { arc.owned - arc.flow } else { u64::MAX }
            }
            Step::Take(arc) => {
                let arc = &self.network.arcs[arc];
                if arc.flow > arc.owned { arc.flow - arc.owned } else { arc.flow }
            }
            Step::Fill(member) => self.most[member] - self.filled[member],
            Step::Vacate(member) => self.filled[member] - self.least[member],
        }
    }

    fn take(&mut self, step: Step, amount: u64) {
        match step {
            Step::Give(arc) => self.network.push(arc, amount),
            Step::Take(arc) => self.network.pull(arc, amount),
            Step::Fill(member) => self.filled[member] += amount,
            Step::Vacate(member) => self.filled[member] -= amount,
        }
    }

    /// Dijkstra from all excess to the nearest shortage; afterwards shortest ways cost nothing. False: no way is left.
    fn shorten(&mut self) -> bool {
        let mut distance = vec![FAR; self.potential.len()];
        let mut queue = BinaryHeap::new();
        for (node, excess) in self.excess.iter().enumerate() {
            if *excess > 0 {
                distance[node] = 0;
                queue.push(Reverse((0, node)));
            }
        }
        let mut nearest = FAR;
        let mut here = Vec::new();
        while let Some(Reverse((so_far, node))) = queue.pop() {
            if so_far > distance[node] {
                continue;
            }
            if so_far > nearest {
                break;
            }
            here.push(node);
            while let Some(node) = here.pop() {
                if self.excess[node] < 0 {
                    nearest = so_far;
                }
                for at in 0.. {
                    let (to, price) = match self.way(node, at) {
                        Way::Open(_, to, price) => (to, price),
                        Way::Closed => continue,
                        Way::End => break,
                    };
                    let reduced = price + self.potential[node] - self.potential[to];
                    if so_far + reduced < distance[to] {
                        distance[to] = so_far + reduced;
                        // Without a price there is nothing to sort.
                        if reduced == 0 { here.push(to) } else { queue.push(Reverse((distance[to], to))) }
                    }
                }
            }
        }
        if nearest < FAR {
            for (potential, distance) in self.potential.iter_mut().zip(distance) {
                *potential += distance.min(nearest);
            }
        }
        nearest < FAR
    }

    fn is_free(&self, from: usize, to: usize, price: i64) -> bool {
        price + self.potential[from] - self.potential[to] == 0
    }

    /// How many free steps each node is from the excess; false when no shortage is in reach.
    fn layer(&mut self) -> bool {
        self.level.fill(u32::MAX);
        self.tried.fill(0);
        let mut queue: VecDeque<usize> = (0..self.excess.len()).filter(|&node| self.excess[node] > 0).collect();
        for &node in &queue {
            self.level[node] = 0;
        }
        let mut end = u32::MAX;
        while let Some(node) = queue.pop_front() {
            if self.level[node] >= end {
                break;
            }
            for at in 0.. {
                match self.way(node, at) {
                    Way::Open(_, to, price) if self.level[to] == u32::MAX && self.is_free(node, to, price) => {
                        self.level[to] = self.level[node] + 1;
                        if self.excess[to] < 0 {
                            end = self.level[to];
                        }
                        queue.push_back(to);
                    }
                    Way::Open(..) | Way::Closed => {}
                    Way::End => break,
                }
            }
        }
        end < u32::MAX
    }

    /// Pushes along the layers until every way is blocked.
    fn block(&mut self) {
        for source in 0..self.excess.len() {
            while self.excess[source] > 0 && self.send(source) {}
        }
    }

    /// One path from a source; false when it has none left.
    fn send(&mut self, source: usize) -> bool {
        let mut path: Vec<(usize, Step)> = Vec::new();
        let mut node = source;
        while self.excess[node] >= 0 {
            match self.way(node, self.tried[node]) {
                Way::Open(step, to, price)
                    if self.level[to] == self.level[node].saturating_add(1) && self.is_free(node, to, price) =>
                {
                    path.push((node, step));
                    node = to;
                }
                Way::Open(..) | Way::Closed => self.tried[node] += 1,
                Way::End => {
                    let Some((back, _)) = path.pop() else { return false };
                    node = back;
                    self.tried[node] += 1;
                }
            }
        }
        let wanted = self.excess[source].min(-self.excess[node]).unsigned_abs();
        let amount = path.iter().map(|(_, step)| self.room(*step)).fold(wanted, u64::min);
        for (_, step) in path {
            self.take(step, amount);
        }
        let moved = i64::try_from(amount).unwrap_or(i64::MAX);
        self.excess[source] -= moved;
        self.excess[node] += moved;
        true
    }
}

/// Loads are counts of items, which have 32 bits.
fn difference(a: u64, b: u64) -> i64 {
    i64::try_from(a).unwrap_or(i64::MAX) - i64::try_from(b).unwrap_or(i64::MAX)
}
