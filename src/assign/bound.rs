//! A load that no assignment of weighted items to equal bins can stay under.

use crate::error::{Error, Result};

/// The largest of three loads that some bin must carry (for `N` bins and total weight `W`):
///
/// - `⌈W / N⌉`: weights are whole, so the average is rounded up;
/// - the heaviest item;
/// - for every `k`, the `k + 1` smallest of the `kN + 1` largest items: by the pigeonhole
///   principle some bin holds `k + 1` of those `kN + 1`.
///
/// Takes `O(P log P)`. Fails when there is no bin or the weights do not add up in 64 bits.
pub fn lower_bound(weights: &[u64], bins: u32) -> Result<u64> {
    let total = total(weights)?;
    if bins == 0 {
        return Err(Error::config("cannot assign to 0 partitions: give at least 1".to_owned()));
    }
    let mut descending = weights.to_vec();
    descending.sort_unstable_by(|a, b| b.cmp(a));
    Ok(pigeonhole(&descending, bins as usize).max(total.div_ceil(u64::from(bins))))
}

/// The sum of the weights, or an error where it passes 64 bits: no later sum of loads can overflow.
fn total(weights: &[u64]) -> Result<u64> {
    weights
        .iter()
        .try_fold(0_u64, |sum, weight| sum.checked_add(*weight))
        .ok_or_else(|| Error::config("the weights add up to more than 2^64 - 1: scale them down".to_owned()))
}

/// `k = 0` is the heaviest item alone.
fn pigeonhole(descending: &[u64], bins: usize) -> u64 {
    (0..)
        .map_while(|k: usize| descending.get(k * bins - k..=k * bins))
        .map(|smallest| smallest.iter().sum())
        .max()
        .unwrap_or(0)
}
