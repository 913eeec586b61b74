//! LPT for bins of one size, by a heap.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Adds the items, which come heaviest first, to the lightest bin each, by Graham's rule (R. L. Graham, "Bounds on
/// Multiprocessing Timing Anomalies", 1969): from empty bins never above `4/3 − 1/(3N)` times the best maximum.
///
/// Ties go to the bin that comes first. Takes `O(P log N)`.
pub(super) fn lpt(weights: &[u64], heaviest_first: &[usize], owners: &mut [u32], loads: &mut [u64]) {
    let mut lightest: BinaryHeap<Reverse<(u64, u32)>> =
        loads.iter().zip(0..).map(|(load, bin)| Reverse((*load, bin))).collect();
    for &item in heaviest_first {
        if let Some(mut top) = lightest.peek_mut() {
            let Reverse((load, bin)) = &mut *top;
            owners[item] = *bin;
            *load += weights[item];
            loads[*bin as usize] = *load;
        }
    }
}
