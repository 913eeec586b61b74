//! Successive shortest paths, a whole level of them at a time (the primal-dual method).
//!
//! L. R. Ford and D. R. Fulkerson, *Flows in Networks*, 1962, with potentials after J. Edmonds and R. M. Karp, 1972,
//! and blocking flows after E. A. Dinic, 1970. Prices are small whole numbers (a zone, a move), so that there
//! are few different distances, and each is exhausted by a few blocking flows.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::ops::ControlFlow;

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
            let used = self.arcs[self.hubs[hub].clone()].iter().filter(|arc| arc.flow > 0);
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

    /// Shows the open ways out of a node, from the place `from` in their list on: the place, the step, the node that it
    /// leads to and its price. Stops where it is told to.
    fn ways<B>(
        &self,
        node: usize,
        from: usize,
        mut show: impl FnMut(usize, Step, usize, i64) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let (hubs, pool) = (self.hubs(), self.potential.len() - 1);
        let network = &*self.network;
        if node < hubs {
            let range = network.hubs[node].start + from..network.hubs[node].end;
            for (at, arc) in range.clone().zip(&network.arcs[range]).filter(|(_, arc)| arc.open) {
                let place = at - network.hubs[node].start;
                show(place, Step::Give(at), hubs + arc.member as usize, network.next_price(arc))?;
            }
        } else if node < pool {
            let member = node - hubs;
            if from == 0 && self.filled[member] < self.most[member] {
                show(0, Step::Fill(member), pool, 0)?;
            }
            // The list changes while items are pushed along: a way that is passed over so is found in the next layering.
            for (place, &at) in (1..).zip(network.used(member)).skip(from.saturating_sub(1)) {
                let arc = &network.arcs[at];
                show(place, Step::Take(at), arc.hub as usize, -network.last_price(arc))?;
            }
        } else {
            for member in (from..network.loads.len()).filter(|&member| self.filled[member] > self.least[member]) {
                show(member, Step::Vacate(member), hubs + member, 0)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// How much can go that way at that price.
    fn room(&self, step: Step) -> u64 {
        match step {
            Step::Give(arc) => {
                let arc = &self.network.arcs[arc];
                if arc.flow < arc.owned { u64::from(arc.owned - arc.flow) } else { u64::MAX }
            }
            Step::Take(arc) => {
                let arc = &self.network.arcs[arc];
                u64::from(if arc.flow > arc.owned { arc.flow - arc.owned } else { arc.flow })
            }
            Step::Fill(member) => self.most[member] - self.filled[member],
            Step::Vacate(member) => self.filled[member] - self.least[member],
        }
    }

    fn take(&mut self, step: Step, amount: u32) {
        match step {
            Step::Give(arc) => self.network.push(arc, amount),
            Step::Take(arc) => self.network.pull(arc, amount),
            Step::Fill(member) => self.filled[member] += u64::from(amount),
            Step::Vacate(member) => self.filled[member] -= u64::from(amount),
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
        let mut here = Vec::new();
        while let Some(Reverse((so_far, node))) = queue.pop() {
            if so_far > distance[node] {
                continue;
            }
            here.push(node);
            while let Some(node) = here.pop() {
                if self.excess[node] < 0 {
                    for (potential, distance) in self.potential.iter_mut().zip(distance) {
                        *potential += distance.min(so_far);
                    }
                    return true;
                }
                let _: ControlFlow<()> = self.ways(node, 0, |_, _, to, price| {
                    let farther = so_far + price + self.potential[node] - self.potential[to];
                    if farther < distance[to] {
                        distance[to] = farther;
                        // Without a price there is nothing to sort.
                        if farther == so_far { here.push(to) } else { queue.push(Reverse((farther, to))) }
                    }
                    ControlFlow::Continue(())
                });
            }
        }
        false
    }

    fn is_free(&self, from: usize, to: usize, price: i64) -> bool {
        price + self.potential[from] - self.potential[to] == 0
    }

    /// How many free steps each node is from the excess; false when no shortage is in reach.
    fn layer(&mut self) -> bool {
        let mut level = std::mem::take(&mut self.level);
        level.fill(u32::MAX);
        self.tried.fill(0);
        let mut queue: VecDeque<usize> = (0..self.excess.len()).filter(|&node| self.excess[node] > 0).collect();
        for &node in &queue {
            level[node] = 0;
        }
        let mut end = u32::MAX;
        while let Some(node) = queue.pop_front() {
            let next = level[node] + 1;
            if next > end {
                break;
            }
            let _: ControlFlow<()> = self.ways(node, 0, |_, _, to, price| {
                if level[to] == u32::MAX && self.is_free(node, to, price) {
                    level[to] = next;
                    if self.excess[to] < 0 {
                        end = next;
                    }
                    queue.push_back(to);
                }
                ControlFlow::Continue(())
            });
        }
        self.level = level;
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
            let next = self.level[node].saturating_add(1);
            let found = self.ways(node, self.tried[node], |place, step, to, price| {
                if self.level[to] == next && self.is_free(node, to, price) {
                    ControlFlow::Break((place, step, to))
                } else {
                    ControlFlow::Continue(())
                }
            });
            if let ControlFlow::Break((place, step, to)) = found {
                self.tried[node] = place;
                path.push((node, step));
                node = to;
            } else {
                // Nobody need try this one again.
                self.level[node] = u32::MAX;
                let Some((back, _)) = path.pop() else { return false };
                node = back;
                self.tried[node] += 1;
            }
        }
        let wanted = self.excess[source].min(-self.excess[node]).unsigned_abs();
        let amount = path.iter().map(|(_, step)| self.room(*step)).fold(wanted, u64::min);
        // Items, and so what is in excess of them, are counted in 32 bits.
        let amount = u32::try_from(amount).unwrap_or(u32::MAX);
        for (_, step) in path {
            self.take(step, amount);
        }
        self.excess[source] -= i64::from(amount);
        self.excess[node] += i64::from(amount);
        true
    }
}

/// Loads are counts of items, which have 32 bits.
fn difference(a: u64, b: u64) -> i64 {
    i64::try_from(a).unwrap_or(i64::MAX) - i64::try_from(b).unwrap_or(i64::MAX)
}
