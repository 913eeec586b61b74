//! Longest processing time first: heaviest item first, always into the lightest bin.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The bin of every item, by Graham's rule (R. L. Graham, "Bounds on Multiprocessing Timing
/// Anomalies", 1969): never above `4/3 − 1/(3N)` times the best possible maximum.
///
/// Ties go to the item and the bin that come first, so equal input gives equal output.
/// `bins` is at least 1. Takes `O(P log P + P log N)`.
pub(super) fn lpt(weights: &[u64], bins: u32) -> Vec<u32> {
    let mut heaviest_first: Vec<usize> = (0..weights.len()).collect();
    heaviest_first.sort_by_key(|&item| Reverse(weights[item]));
    let mut lightest: BinaryHeap<Reverse<(u64, u32)>> = (0..bins).map(|bin| Reverse((0, bin))).collect();
    let mut owners = vec![0; weights.len()];
    for item in heaviest_first {
        if let Some(mut top) = lightest.peek_mut() {
            let Reverse((load, bin)) = &mut *top;
            owners[item] = *bin;
            *load += weights[item];
        }
    }
    owners
}
