//! Packing under limits: the fullest member that has room first, and then every other way, as long as that may take.

use std::collections::HashSet;

use super::Task;

/// Comparisons after which the search gives up, some tenths of a second. Counted, not timed, so that equal input
/// gives equal output. The first way, best fit decreasing, is gone to its end in any case.
const BUDGET: usize = 1 << 22;

/// What came of the search.
pub(super) enum Packing {
    /// The members of the items, in their order.
    Found(Vec<u32>),
    /// No way is left.
    Impossible,
    /// There may be one all the same.
    Unknown,
}

/// A depth-first search over the items, heaviest first.
struct Search<'a> {
    task: &'a Task<'a>,
    items: &'a [usize],
    everybody: Vec<u32>,
    /// Members differ in nothing but their room, so that one of several with equal room is enough to try.
    alike: bool,
    room: Vec<u64>,
    /// What the items from each on weigh together.
    ahead: Vec<u64>,
    /// For the items from each on, how much of each room they can fill; empty where that would take too much memory.
    fill: Vec<Vec<u64>>,
    chosen: Vec<u32>,
    /// Rooms under which the items from one on did not fit.
    failed: HashSet<(usize, Vec<u64>)>,
    spent: usize,
}

/// Packs the items, which come heaviest first, into what the limits leave beside `loads`.
///
/// Branch and bound, after R. Korf, "A New Algorithm for Optimal Bin Packing", 2002: a partial packing is given up where
/// the items that are left could not fill as much of the rooms as they need, or where the same rooms failed before.
pub(super) fn pack(task: &Task<'_>, loads: &[u64], items: &[usize]) -> Packing {
    let mut ahead: Vec<u64> = items
        .iter()
        .rev()
        .scan(0, |sum, &item| {
            *sum += task.weights[item];
            Some(*sum)
        })
        .collect();
    ahead.reverse();
    let fill = fill(task.weights, items, ahead.first().copied().unwrap_or(0));
    let search = Search {
        task,
        items,
        everybody: (0..).take(loads.len()).collect(),
        alike: task.problem.eligible.is_none(),
        room: loads.iter().enumerate().map(|(member, load)| task.limit(member).saturating_sub(*load)).collect(),
        ahead,
        fill,
        chosen: Vec::with_capacity(items.len()),
        failed: HashSet::new(),
        spent: 0,
    };
    search.run()
}

/// The largest sum of items from each on that is no larger than each room up to `total`: a table of subset sums.
fn fill(weights: &[u64], items: &[usize], total: u64) -> Vec<Vec<u64>> {
    let Some(most) = usize::try_from(total).ok().filter(|most| most.saturating_mul(items.len()) < BUDGET) else {
        return Vec::new();
    };
    let mut table = vec![vec![0; most + 1]];
    for &item in items.iter().rev() {
        let without = &table[table.len() - 1];
        let mut with = without.clone();
        let weight = weights[item];
        // A weight is at most the total, which is a number of rooms.
        for (room, rest) in (usize::try_from(weight).unwrap_or(most)..=most).zip(without) {
            with[room] = with[room].max(rest + weight);
        }
        table.push(with);
    }
    table.reverse();
    table
}

impl Search<'_> {
    fn run(mut self) -> Packing {
        let mut tried = None;
        while let Some(&item) = self.items.get(self.chosen.len()) {
            let hopeless = tried.is_none() && self.is_hopeless();
            if !hopeless && let Some(member) = self.next(item, tried) {
                self.room[member as usize] -= self.task.weights[item];
                self.chosen.push(member);
                tried = None;
                continue;
            }
            self.failed.insert((self.chosen.len(), self.rooms()));
            let Some(member) = self.chosen.pop() else { return Packing::Impossible };
            if self.spent > BUDGET {
                return Packing::Unknown;
            }
            let room = &mut self.room[member as usize];
            *room += self.task.weights[self.items[self.chosen.len()]];
            tried = Some((*room, member));
        }
        Packing::Found(self.chosen)
    }

    /// The member with the least room that holds the item, after those that were tried.
    fn next(&mut self, item: usize, tried: Option<(u64, u32)>) -> Option<u32> {
        let weight = self.task.weights[item];
        let choice = self.task.problem.class(item).unwrap_or(&self.everybody);
        self.spent += choice.len();
        // An item that fills a member to the brim can be exchanged for whatever else would be there.
        if self.alike && tried.is_some_and(|(room, _)| room == weight) {
            return None;
        }
        let is_new = |member: u32| {
            let room = self.room[member as usize];
            tried.is_none_or(|tried| if self.alike { room > tried.0 } else { (room, member) > tried })
        };
        let fitting = choice.iter().copied().filter(|&member| self.room[member as usize] >= weight && is_new(member));
        fitting.min_by_key(|&member| (self.room[member as usize], member))
    }

    fn is_hopeless(&mut self) -> bool {
        self.spent += self.room.len();
        let at = self.chosen.len();
        let fills = |room: u64| {
            let known = self.fill.get(at).and_then(|fill| fill.get(usize::try_from(room).ok()?));
            known.copied().unwrap_or_else(|| room.min(self.ahead[at]))
        };
        let useful = self.room.iter().fold(0_u64, |sum, room| sum.saturating_add(fills(*room)));
        useful < self.ahead[at] || (!self.failed.is_empty() && self.failed.contains(&(at, self.rooms())))
    }

    /// The rooms, in an order of their own where it does not matter whose they are.
    fn rooms(&self) -> Vec<u64> {
        let mut rooms = self.room.clone();
        if self.alike {
            rooms.sort_unstable();
        }
        rooms
    }
}
