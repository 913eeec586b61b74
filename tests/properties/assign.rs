//! Assignments: nothing lost, bounds that hold, certificates that only fit their own input.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int8Array, Int64Array, UInt64Array};
use proptest::prelude::*;
use sparkeeper::arrow;
use sparkeeper::assign::murmur3::{hash_int, placement_keys};
use sparkeeper::assign::{Assignment, Certificate, Load, Member, Problem, Strategy as How, assign, lower_bound};
use sparkeeper::error::Result;

fn weights() -> impl Strategy<Value = Vec<u64>> {
    prop_oneof![
        prop::collection::vec(0..1_000_u64, 0..60),
        prop::collection::vec(0..4_u64, 0..200),
        prop::collection::vec((0..40_u32).prop_map(|power| 1_u64 << power), 0..40),
    ]
}

/// What these weights and so many equal bins give.
fn on_bins<T>(weights: &[u64], bins: u32, work: impl FnOnce(&Problem<'_>) -> T) -> T {
    let members = vec![Member::default(); bins as usize];
    let (strategy, items) = (How::Weighted, weights.len());
    work(&Problem { strategy, members: &members, items, weights: Some(weights), ..Problem::default() })
}

pub(crate) fn weighted(weights: &[u64], bins: u32) -> Result<Assignment> {
    on_bins(weights, bins, assign)
}

/// Whether the certificate is the one of these owners.
fn fits(a: &Certificate, weights: &[u64], bins: u32, owners: &[u32]) -> bool {
    on_bins(weights, bins, |problem| a.verify(problem, owners).is_ok())
}

fn max_load(a: &Assignment) -> u64 {
    a.certificate.loads.iter().copied().max().unwrap_or(0)
}

/// The smallest maximum load, by trying every assignment.
fn optimum(weights: &[u64], loads: &mut Vec<u64>) -> u64 {
    let Some((first, rest)) = weights.split_first() else {
        return loads.iter().copied().max().unwrap_or(0);
    };
    let mut best = u64::MAX;
    for bin in 0..loads.len() {
        loads[bin] += first;
        best = best.min(optimum(rest, loads));
        loads[bin] -= first;
    }
    best
}

proptest! {
    #[test]
    fn every_item_has_one_owner_and_the_certificate_verifies(weights in weights(), bins in 1..20_u32) {
        let a = weighted(&weights, bins).unwrap();
        prop_assert_eq!(a.owners.len(), weights.len());
        prop_assert!(a.owners.iter().all(|owner| *owner < bins));
        prop_assert_eq!(a.certificate.loads.iter().sum::<u64>(), weights.iter().sum::<u64>());
        prop_assert!(a.certificate.max_load.as_f64() >= a.certificate.lower_bound.as_f64());
        prop_assert!(fits(&a.certificate, &weights, bins, &a.owners));
    }

    #[test]
    fn grahams_guarantee_holds(weights in prop::collection::vec(0..50_u64, 0..8), bins in 1..4_u32) {
        let best = optimum(&weights, &mut vec![0; bins as usize]);
        let bound = lower_bound(&weights, bins).unwrap();
        let found = max_load(&weighted(&weights, bins).unwrap());
        prop_assert!(bound <= best, "bound {} is above the optimum {}", bound, best);
        // found <= (4/3 - 1/(3N)) * best, in whole numbers.
        prop_assert!(found * 3 * u64::from(bins) <= best * (4 * u64::from(bins) - 1));
    }

    #[test]
    fn equal_input_gives_equal_output(weights in weights(), bins in 1..20_u32) {
        prop_assert_eq!(weighted(&weights, bins).unwrap(), weighted(&weights, bins).unwrap());
    }

    #[test]
    fn no_single_move_or_swap_would_help(weights in prop::collection::vec(0..100_u64, 1..24), bins in 2..6_u32) {
        let a = weighted(&weights, bins).unwrap();
        let loads = &a.certificate.loads;
        let max = max_load(&a);
        // Nothing is to be shown where the bound is met or two members are as full.
        if Load::Whole(max) == a.certificate.lower_bound || loads.iter().filter(|load| **load == max).count() != 1 {
            return Ok(());
        }
        let helps = |to: u32, shifted: u64| shifted > 0 && loads[to as usize] + shifted < max;
        let full = (0..bins).find(|bin| loads[*bin as usize] == max).unwrap();
        for out in (0..weights.len()).filter(|item| a.owners[*item] == full) {
            prop_assert!((0..bins).filter(|to| *to != full).all(|to| !helps(to, weights[out])));
            for back in (0..weights.len()).filter(|item| a.owners[*item] != full) {
                prop_assert!(!helps(a.owners[back], weights[out].saturating_sub(weights[back])));
            }
        }
    }

    #[test]
    fn a_certificate_fits_no_other_input(weights in prop::collection::vec(0..1_000_u64, 1..40), bins in 2..9_u32, at in any::<prop::sample::Index>()) {
        let a = weighted(&weights, bins).unwrap();
        let at = at.index(weights.len());
        let mut other = weights.clone();
        other[at] += 1;
        prop_assert!(!fits(&a.certificate, &other, bins, &a.owners));
        prop_assert!(!fits(&a.certificate, &weights, bins + 1, &a.owners));
        let mut owners = a.owners.clone();
        owners[at] = (owners[at] + 1) % bins;
        prop_assert_eq!(fits(&a.certificate, &weights, bins, &owners), weights[at] == 0);
    }

    #[test]
    fn a_certificate_survives_json(weights in weights(), bins in 1..20_u32) {
        let a = weighted(&weights, bins).unwrap();
        let read = Certificate::from_json(&a.certificate.to_json().unwrap()).unwrap();
        prop_assert!(fits(&read, &weights, bins, &a.owners));
    }

    #[test]
    fn a_placement_key_is_the_smallest_that_reaches_its_partition(partitions in 1..400_i32) {
        let keys = placement_keys(partitions).unwrap();
        prop_assert_eq!(i32::try_from(keys.len()).unwrap(), partitions);
        for (partition, &key) in (0..).zip(&keys) {
            prop_assert_eq!(hash_int(key).rem_euclid(partitions), partition);
            prop_assert!((0..key).all(|smaller| hash_int(smaller).rem_euclid(partitions) != partition));
        }
    }
}

/// FAULTS 29, over the range of skews that real keys show.
#[test]
fn zipf_weights_come_within_a_hundredth_of_the_bound() {
    for skew in [0.3, 0.5, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.5, 2.0] {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let weights: Vec<u64> = (1..=200).map(|rank| (1e6 / f64::from(rank).powf(skew)).round() as u64).collect();
        let certificate = weighted(&weights, 8).unwrap().certificate;
        assert!(certificate.gap <= 0.01, "skew {skew}: gap {}", certificate.gap);
    }
}

#[test]
fn swaps_reach_what_longest_first_misses() {
    let certificate = weighted(&[3, 3, 2, 2, 2], 2).unwrap().certificate;
    assert_eq!((certificate.loads, certificate.gap), (vec![6, 6], 0.0));
}

#[test]
fn three_items_for_two_bins_are_bounded_by_the_two_smallest() {
    assert_eq!(lower_bound(&[10, 10, 10], 2).unwrap(), 20);
}

#[test]
fn nothing_to_assign_leaves_every_bin_empty() {
    let a = weighted(&[], 3).unwrap();
    assert_eq!((a.owners, a.certificate.loads, a.certificate.gap), (vec![], vec![0; 3], 0.0));
}

#[test]
fn impossible_requests_are_refused() {
    assert!(weighted(&[1], 0).is_err());
    assert!(weighted(&[u64::MAX, 1], 2).is_err());
    assert!(placement_keys(0).is_err());
    assert!(placement_keys(-1).is_err());
    assert!(on_bins(&[1], 2, |problem| Certificate::of(problem, &[])).is_err());
    assert!(on_bins(&[1], 2, |problem| Certificate::of(problem, &[2])).is_err());
}

/// Values of `SELECT hash(v)` on Spark 3.5 and 4.3.
#[test]
fn the_hash_is_sparks() {
    for (value, hash) in SPARK_HASHES {
        assert_eq!(hash_int(value), hash, "hash({value})");
    }
}

const SPARK_HASHES: [(i32, i32); 8] = [
    (0, 933_211_791),
    (1, -559_580_957),
    (2, 1_765_031_574),
    (42, 29_417_773),
    (1_000_000, -2_101_434_080),
    (i32::MAX, 133_916_647),
    (-1, -1_604_776_387),
    (i32::MIN, 723_455_942),
];

#[test]
fn every_integer_column_is_taken_and_nothing_else() {
    let small: ArrayRef = Arc::new(Int8Array::from(vec![5, 3, 2]));
    let long: ArrayRef = Arc::new(Int64Array::from(vec![5, 3, 2]));
    let unsigned: ArrayRef = Arc::new(UInt64Array::from(vec![5, 3, 2]));
    for column in [small, long, unsigned] {
        assert_eq!(arrow::weights(&column).unwrap().values(), &[5, 3, 2]);
    }
    for refused in [
        Arc::new(Float64Array::from(vec![1.0])) as ArrayRef,
        Arc::new(Int64Array::from(vec![-1])),
        Arc::new(Int64Array::from(vec![Some(1), None])),
    ] {
        assert!(arrow::weights(&refused).is_err());
    }
}
