//! The largest differencing method: put the two most uneven parts together so that they even each other out.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Every item is a part of as many bins as there are: beyond this many bins in all it is not worth its time.
const LARGEST: usize = 1 << 18;

/// Bins with their items, heaviest first; the lightest is taken off all of them.
#[derive(Eq, PartialEq)]
struct Part {
    bins: Vec<(u64, Vec<u32>)>,
    first: Reverse<u32>,
}

impl Part {
    fn spread(&self) -> u64 {
        self.bins.first().map_or(0, |bin| bin.0)
    }
}

impl Ord for Part {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.spread(), self.first).cmp(&(other.spread(), other.first))
    }
}

impl PartialOrd for Part {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// The owners by N. Karmarkar and R. Karp, "The Differencing Method of Set Partitioning", 1982; `None` for inputs
/// where items times bins pass 2^18. Takes `O(P N log N)`.
pub(super) fn differencing(weights: &[u64], bins: usize, _bound: u64, _known: u64) -> Option<Vec<u32>> {
    if weights.len().checked_mul(bins)? > LARGEST {
        return None;
    }
    let mut parts: BinaryHeap<Part> = (0_u32..)
        .zip(weights)
        .map(|(item, weight)| {
            let mut empty = vec![(0, Vec::new()); bins];
            empty[0] = (*weight, vec![item]);
            Part { bins: empty, first: Reverse(item) }
        })
        .collect();
    while parts.len() > 1 {
        let (mut one, other) = (parts.pop()?, parts.pop()?);
        for ((load, items), (more, others)) in one.bins.iter_mut().zip(other.bins.into_iter().rev()) {
            *load += more;
            items.extend(others);
        }
        one.bins.sort_by_key(|bin| Reverse(bin.0));
        let lightest = one.bins.last().map_or(0, |bin| bin.0);
        one.bins.iter_mut().for_each(|bin| bin.0 -= lightest);
        one.first = one.first.max(other.first);
        parts.push(one);
    }
    let mut owners = vec![0; weights.len()];
    for (bin, (_, items)) in (0_u32..).zip(parts.pop()?.bins) {
        for item in items {
            owners[item as usize] = bin;
        }
    }
    Some(owners)
}
