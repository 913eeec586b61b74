//! MULTIFIT: pack the items into bins of a size, and search for the smallest size that suffices.

use std::cmp::Reverse;

/// More passes than this narrow the size by less than a thousandth of the range.
const PASSES: usize = 12;

/// The owners with the smallest maximum that was found between `bound` and below `known`, if any (E. Coffman,
/// M. Garey, D. Johnson, "An Application of Bin-Packing to Multiprocessor Scheduling", 1978): first fit decreasing,
/// never above `13/11` times the best maximum. Each pass takes `O(P log N)`.
pub(super) fn multifit(weights: &[u64], bins: usize, bound: u64, known: u64) -> Option<Vec<u32>> {
    let mut items: Vec<usize> = (0..weights.len()).collect();
    items.sort_by_key(|&item| Reverse(weights[item]));
    let (mut least, mut most) = (bound, known);
    let mut best = None;
    for _ in 0..PASSES {
        if least >= most {
            break;
        }
        let size = least + (most - least) / 2;
        if let Some(owners) = first_fit(weights, &items, bins, size) {
            best = Some(owners);
            most = size;
        } else {
            least = size + 1;
        }
    }
    best
}

/// Each item into the first bin with room, found in a tree whose nodes know the largest room below them.
fn first_fit(weights: &[u64], items: &[usize], bins: usize, size: u64) -> Option<Vec<u32>> {
    let leaves = bins.next_power_of_two();
    let mut room = vec![0; 2 * leaves];
    room[leaves..leaves + bins].fill(size);
    for node in (1..leaves).rev() {
        room[node] = room[2 * node].max(room[2 * node + 1]);
    }
    let mut owners = vec![0; weights.len()];
    for &item in items {
        let weight = weights[item];
        if room[1] < weight {
            return None;
        }
        let mut node = 1;
        while node < leaves {
            node = if room[2 * node] >= weight { 2 * node } else { 2 * node + 1 };
        }
        // An empty leaf past the last bin has room for weight 0 only, and the first bin has that too.
        owners[item] = u32::try_from(node - leaves).unwrap_or(u32::MAX);
        room[node] -= weight;
        while node > 1 {
            node /= 2;
            room[node] = room[2 * node].max(room[2 * node + 1]);
        }
    }
    Some(owners)
}
