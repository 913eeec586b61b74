//! Spark's hash of an int, and the ints that it sends to each partition.
//!
//! `df.repartition(n, col)` puts a row into `pmod(murmur3(col), n)`. Spark before 4.1 has no other
//! way to choose a row's partition, so we choose the int: one for each partition, found by trying.

use crate::error::{Error, Result};

/// The seed that Spark's `HashPartitioning` starts from.
const SEED: u32 = 42;

/// `Murmur3_x86_32.hashInt(input, 42)` of Spark (A. Appleby's `MurmurHash3`, one 4-byte block).
#[must_use]
pub fn hash_int(input: i32) -> i32 {
    let block = input.cast_unsigned().wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    let mut hash = (SEED ^ block).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    // The length in bytes.
    hash ^= 4;
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    (hash ^ (hash >> 16)).cast_signed()
}

/// For each partition, the smallest int from 0 up that `repartition(partitions, int)` sends there.
///
/// Takes about `n ln n` hashes. Fails for less than 1 partition, and for so many that the ints run out.
pub fn placement_keys(partitions: i32) -> Result<Vec<i32>> {
    if partitions < 1 {
        return Err(Error::config(format!("cannot place rows into {partitions} partitions: give at least 1")));
    }
    let mut keys = vec![None; partitions.cast_unsigned() as usize];
    let mut missing = keys.len();
    for candidate in 0..=i32::MAX {
        let partition = hash_int(candidate).rem_euclid(partitions);
        let key = &mut keys[partition.cast_unsigned() as usize];
        if key.is_none() {
            *key = Some(candidate);
            missing -= 1;
            if missing == 0 {
                return Ok(keys.into_iter().flatten().collect());
            }
        }
    }
    Err(Error::config(format!(
        "{partitions} partitions are too many: {missing} of them are never reached by the hash of an int"
    )))
}
