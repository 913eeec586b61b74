//! Who is chosen: shares of weight, even turns, keys that stay where they are, the nearest zone.

use std::collections::HashMap;

use proptest::prelude::*;
use sparkeeper::recipes::pick::{Candidate, Dice, RoundRobin, eligible, random, sticky};

/// Draws, or keys, over which shares are counted.
const MANY: u32 = 4000;

/// Weights of instances `i0`, `i1`, … of which one at least may be chosen.
fn weights() -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(0_u32..8, 1..9)
        .prop_filter("somebody has to have a weight", |them| them.iter().any(|w| *w > 0))
}

fn ids(weights: &[u32]) -> Vec<String> {
    (0..weights.len()).map(|at| format!("i{at}")).collect()
}

fn candidates<'a>(ids: &'a [String], weights: &[u32]) -> Vec<Candidate<'a>> {
    ids.iter().zip(weights).map(|(id, weight)| Candidate { id, weight: *weight }).collect()
}

/// What each is chosen for, to within five standard deviations of a fair draw, and the step of one.
fn fair(counts: &[u32], weights: &[u32]) -> Result<(), TestCaseError> {
    let total = f64::from(weights.iter().sum::<u32>());
    for (count, weight) in counts.iter().zip(weights) {
        let share = f64::from(*weight) / total;
        let expected = share * f64::from(MANY);
        let deviation = (expected * (1.0 - share)).sqrt();
        prop_assert!((f64::from(*count) - expected).abs() <= 5.0 * deviation + 1.0, "{counts:?} of {weights:?}");
    }
    Ok(())
}

proptest! {
    #[test]
    fn random_gives_each_its_share_and_weight_zero_nothing(weights in weights(), seed: u64) {
        let (ids, dice) = (ids(&weights), Dice::from_seed(seed));
        let mut counts = vec![0; weights.len()];
        for _ in 0..MANY {
            counts[random(&candidates(&ids, &weights), dice.draw()).expect("somebody")] += 1;
        }
        fair(&counts, &weights)?;
    }

    #[test]
    fn random_s_shares_of_all_draws_are_exact(weights in weights()) {
        // At the ends of everybody's part of the draws, which lie side by side.
        let ids = ids(&weights);
        let candidates = candidates(&ids, &weights);
        let total = u128::from(weights.iter().sum::<u32>());
        let mut begin = 0_u128;
        for (at, weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0) {
            let end = begin + u128::from(*weight);
            let first = (begin << 64).div_ceil(total);
            let last = (end << 64).div_ceil(total) - 1;
            prop_assert_eq!(random(&candidates, u64::try_from(first).expect("below 2^64")), Some(at));
            prop_assert_eq!(random(&candidates, u64::try_from(last).expect("below 2^64")), Some(at));
            begin = end;
        }
    }

    #[test]
    fn a_cycle_of_turns_has_exactly_the_weights_from_wherever_it_begins(weights in weights(), skip in 0_usize..60) {
        let (ids, mut turns) = (ids(&weights), RoundRobin::default());
        let candidates = candidates(&ids, &weights);
        for _ in 0..skip {
            turns.next(&candidates);
        }
        for _ in 0..3 {
            let mut counts = vec![0; weights.len()];
            for _ in 0..weights.iter().sum::<u32>() {
                counts[turns.next(&candidates).expect("somebody")] += 1;
            }
            prop_assert_eq!(&counts, &weights);
        }
    }

    #[test]
    fn nobody_is_ever_a_whole_turn_ahead_of_its_share(weights in weights()) {
        // Or else the heavy would be taken in bursts.
        let (ids, mut turns) = (ids(&weights), RoundRobin::default());
        let candidates = candidates(&ids, &weights);
        let total = weights.iter().sum::<u32>();
        let mut counts = vec![0; weights.len()];
        for turn in 1..=2 * total {
            counts[turns.next(&candidates).expect("somebody")] += 1;
            for (count, weight) in counts.iter().zip(&weights) {
                prop_assert!(count * total < turn * weight + total, "{counts:?} of {weights:?} after {turn}");
            }
        }
    }

    #[test]
    fn turns_go_on_while_others_come_and_go(changes in prop::collection::vec(weights(), 1..20)) {
        let mut turns = RoundRobin::default();
        for weights in changes {
            let ids = ids(&weights);
            let at = turns.next(&candidates(&ids, &weights)).expect("somebody");
            prop_assert!(weights[at] > 0);
        }
    }

    #[test]
    fn a_key_sticks_whoever_looks_in_whatever_order(
        (weights, order) in weights().prop_flat_map(|weights| {
            let order: Vec<usize> = (0..weights.len()).collect();
            (Just(weights), Just(order).prop_shuffle())
        }),
        key: String,
    ) {
        let ids = ids(&weights);
        let here = candidates(&ids, &weights);
        let there: Vec<_> = order.iter().map(|at| here[*at]).collect();
        let chosen = sticky(&here, &key).expect("somebody");
        prop_assert!(weights[chosen] > 0);
        prop_assert_eq!(there[sticky(&there, &key).expect("somebody")], here[chosen]);
    }

    #[test]
    fn only_the_leaver_s_keys_move_and_only_to_the_newcomer(weights in weights(), leaver: prop::sample::Index, seed: u64) {
        let ids = ids(&weights);
        let all = candidates(&ids, &weights);
        let leaver = leaver.index(all.len());
        let mut rest = all.clone();
        let left = rest.remove(leaver);
        // Read backwards, the leaver is a newcomer.
        for key in (0..200).map(|key| format!("{seed}-{key}")) {
            let before = all[sticky(&all, &key).expect("somebody")];
            let after = sticky(&rest, &key).map(|at| rest[at]);
            if before != left {
                prop_assert_eq!(after, Some(before));
            }
        }
    }

    #[test]
    fn with_more_weight_keys_only_come(weights in weights(), richer: prop::sample::Index, seed: u64) {
        let ids = ids(&weights);
        let richer = richer.index(weights.len());
        let mut more = weights.clone();
        more[richer] += 3;
        for key in (0..200).map(|key| format!("{seed}-{key}")) {
            let before = sticky(&candidates(&ids, &weights), &key).expect("somebody");
            let after = sticky(&candidates(&ids, &more), &key).expect("somebody");
            prop_assert!(after == before || after == richer);
        }
    }

    #[test]
    fn near_ones_are_preferred_and_far_ones_better_than_none(
        all in prop::collection::vec((0_u32..3, prop::option::of(0_u8..3)), 0..9), zone in prop::option::of(0_u8..3),
    ) {
        const ZONES: [&str; 3] = ["a", "b", "c"];
        let all: Vec<(u32, Option<&str>)> =
            all.iter().map(|(weight, zone)| (*weight, zone.map(|zone| ZONES[usize::from(zone)]))).collect();
        let zone = zone.map(|zone| ZONES[usize::from(zone)]);
        let found: Vec<_> = eligible(&all, zone, |one| *one).into_iter().copied().collect();
        let live: Vec<_> = all.iter().copied().filter(|(weight, _)| *weight > 0).collect();
        let near: Vec<_> = live.iter().copied().filter(|(_, theirs)| *theirs == zone).collect();
        prop_assert_eq!(found, if zone.is_some() && !near.is_empty() { near } else { live });
    }
}

proptest! {
    // Each case hashes every key with every instance.
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn keys_are_shared_by_weight(weights in weights(), seed: u64) {
        let ids = ids(&weights);
        let candidates = candidates(&ids, &weights);
        let mut counts: HashMap<usize, u32> = HashMap::new();
        for key in 0..MANY {
            *counts.entry(sticky(&candidates, &format!("{seed}-{key}")).expect("somebody")).or_default() += 1;
        }
        let counts: Vec<u32> = (0..weights.len()).map(|at| counts.get(&at).copied().unwrap_or_default()).collect();
        fair(&counts, &weights)?;
    }
}

#[test]
fn of_nobody_nobody_is_chosen() {
    for none in [&[][..], &[Candidate { id: "a", weight: 0 }]] {
        assert_eq!(random(none, 7), None);
        assert_eq!(sticky(none, "key"), None);
        assert_eq!(RoundRobin::default().next(none), None);
    }
}
