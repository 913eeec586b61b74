//! Items with weights: near the bound, near the best there is, and near the current owners.
#![allow(clippy::unwrap_used, reason = "tests, and what they share")]

use proptest::prelude::*;
use sparkeeper::assign::{Eligible, Member, NONE, Problem, Strategy as How, assign, lower_bound};

use crate::assign::weighted;
use crate::assign_input::{Input, constrained};

/// A problem with everything at once: weights, sizes, limits in weight, classes, zones, owners.
fn everything(items: usize, members: usize) -> impl Strategy<Value = Input> {
    constrained(items, members).prop_flat_map(|input| {
        prop::collection::vec(0..30_u64, input.items).prop_map(move |weights| {
            let mut input = input.clone();
            input.members.iter_mut().for_each(|member| member.limit = member.limit.map(|limit| 20 + 30 * limit));
            input.weights = Some(weights);
            input
        })
    })
}

fn fullest(input: &Input, owners: &[u32]) -> f64 {
    input.quality(owners).fill.first().copied().unwrap_or(0.0)
}

/// The smallest load of the fullest of equal bins, by trying every assignment.
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
    fn whatever_is_asked_for_holds_and_the_bound_is_a_bound(input in everything(6, 3)) {
        let problem = input.problem(How::Sticky);
        let best = input.best();
        match assign(&problem) {
            Ok(found) => {
                let best = best.unwrap();
                prop_assert!(input.quality(&found.owners).allowed);
                let certificate = &found.certificate;
                let reached = best.fill.first().copied().unwrap_or(0.0);
                prop_assert!(certificate.lower_bound.as_f64() <= reached + 1e-9);
                prop_assert!(reached <= fullest(&input, &found.owners) + 1e-9);
                prop_assert!(certificate.moves >= certificate.moves_lower_bound);
                certificate.verify(&problem, &found.owners).unwrap();
                prop_assert_eq!(&assign(&problem).unwrap(), &found);
            }
            Err(error) => prop_assert!(best.is_none(), "{}", error),
        }
    }

    /// The best there is just fits, whoever owned what, and one less does not.
    #[test]
    fn a_fit_under_limits_is_found_and_what_does_not_fit_is_refused(
        (weights, current) in prop::collection::vec((1..1000_u64, 0..5_u32), 1..10).prop_map(|both| both.into_iter().unzip::<_, _, Vec<_>, Vec<_>>()),
        bins in 1..5_u32,
    ) {
        let best = optimum(&weights, &mut vec![0; bins as usize]);
        let under = |limit: u64| {
            let members = vec![Member { limit: Some(limit), ..Member::default() }; bins as usize];
            let problem = Problem { members: &members, items: weights.len(), weights: Some(&weights), ..Problem::default() };
            (assign(&problem), assign(&Problem { current: Some(&current), ..problem }))
        };
        let (anew, after) = under(best);
        prop_assert_eq!(anew.unwrap().certificate.loads.into_iter().max().unwrap(), best);
        prop_assert_eq!(after.unwrap().certificate.loads.into_iter().max().unwrap(), best);
        let (anew, after) = under(best - 1);
        let text = anew.unwrap_err().to_string();
        prop_assert!(text.contains("no other arrangement fits either"), "{}", text);
        prop_assert!(after.is_err());
    }

    /// No room is left over: the hardest there is.
    #[test]
    fn twenty_items_are_packed_where_they_fill_every_member(
        placed in prop::collection::vec((1..1000_u64, 0..6_usize), 20), shared in 1..7_usize,
    ) {
        let mut members = vec![Member { limit: Some(0), ..Member::default() }; shared];
        for &(weight, member) in &placed {
            let limit = &mut members[member % shared].limit;
            *limit = limit.map(|limit| limit + weight);
        }
        let weights: Vec<u64> = placed.iter().map(|(weight, _)| *weight).collect();
        let problem = Problem { members: &members, items: weights.len(), weights: Some(&weights), ..Problem::default() };
        let loads = assign(&problem).unwrap().certificate.loads;
        prop_assert_eq!(loads, members.iter().filter_map(|member| member.limit).collect::<Vec<_>>());
    }

    /// Limits that the answer without limits is within change nothing about it, in whatever order they come.
    #[test]
    fn limits_that_an_answer_is_within_are_no_reason_to_refuse(
        weights in prop::collection::vec(1..100_u64, 8..100), bins in 2..9_usize, turn in 0..8_usize,
    ) {
        let members = vec![Member::default(); bins];
        let problem = Problem { members: &members, items: weights.len(), weights: Some(&weights), ..Problem::default() };
        let free = assign(&problem).unwrap().certificate.loads;
        let mut limits = free.clone();
        limits.rotate_left(turn % bins);
        let members: Vec<Member> = limits.iter().map(|&limit| Member { limit: Some(limit), ..Member::default() }).collect();
        let loads = assign(&Problem { members: &members, ..problem }).unwrap().certificate.loads;
        prop_assert_eq!(loads, limits);
    }

    /// LPT alone may be a third above; differencing, MULTIFIT, moves and swaps bring it this near.
    #[test]
    fn from_scratch_comes_within_a_fifteenth_of_the_best(weights in prop::collection::vec(0..50_u64, 0..10), bins in 1..4_u32) {
        let best = optimum(&weights, &mut vec![0; bins as usize]);
        let found = weighted(&weights, bins).unwrap();
        let reached = found.certificate.loads.iter().copied().max().unwrap();
        prop_assert!(lower_bound(&weights, bins).unwrap() <= best);
        prop_assert!(best <= reached && 15 * reached <= 16 * best, "{} found, {} is possible", reached, best);
    }

    #[test]
    fn owners_that_are_near_enough_stay(weights in prop::collection::vec(1..1000_u64, 40..200), bins in 2..9_usize) {
        let members = vec![Member::default(); bins];
        let problem = Problem { members: &members, items: weights.len(), weights: Some(&weights), ..Problem::default() };
        let first = assign(&problem).unwrap();
        prop_assume!(first.certificate.gap <= 0.01);
        let again = assign(&Problem { current: Some(&first.owners), ..problem }).unwrap();
        prop_assert_eq!(again.certificate.moves, 0);
        prop_assert_eq!(again.owners, first.owners);
    }

    #[test]
    fn no_more_moves_than_stickiness_allows(weights in prop::collection::vec(1..100_u64, 200..400), bins in 3..8_usize) {
        let members = vec![Member::default(); bins];
        let problem = Problem { members: &members, items: weights.len(), weights: Some(&weights), ..Problem::default() };
        let first = assign(&problem).unwrap();
        let gone = u32::try_from(bins - 1).unwrap();
        let left: Vec<u32> = first.owners.iter().map(|owner| if *owner == gone { NONE } else { *owner }).collect();
        let after = assign(&Problem { members: &members[1..], current: Some(&left), ..problem }).unwrap().certificate;
        let orphans = left.iter().filter(|owner| **owner == NONE).count() as u64;
        prop_assert!(after.gap <= 0.01, "gap {}", after.gap);
        prop_assert_eq!(after.moves_lower_bound, orphans);
        prop_assert!(after.moves <= orphans + 2 * bins as u64, "{} moves for {} orphans", after.moves, orphans);
    }
}

#[test]
fn starting_anew_is_taken_only_where_it_pays() {
    let members = [Member::default(); 2];
    let with = |weights: &[u64], current: &[u32]| {
        let problem = Problem {
            members: &members,
            items: weights.len(),
            weights: Some(weights),
            current: Some(current),
            ..Problem::default()
        };
        assign(&problem).unwrap()
    };
    // Half a per cent above the bound is near enough to move nothing.
    let near = with(&[201, 199], &[0, 1]);
    assert_eq!((near.certificate.moves, near.owners), (0, vec![0, 1]));
    let far = with(&[3, 3, 2, 2, 2], &[0, 1, 0, 1, 0]);
    assert_eq!(far.certificate.loads, [6, 6]);
}

#[test]
fn owners_within_tight_limits_stay_as_they_are() {
    let members = [Member { limit: Some(6), ..Member::default() }; 2];
    let (weights, current) = ([3, 3, 2, 2, 2], [1, 1, 0, 0, 0]);
    let problem = Problem { members: &members, items: 5, weights: Some(&weights), ..Problem::default() };
    assert_eq!(assign(&problem).unwrap().certificate.loads, [6, 6]);
    let found = assign(&Problem { current: Some(&current), ..problem }).unwrap();
    assert_eq!((found.certificate.moves, found.owners), (0, current.to_vec()));
}

/// Sizes, limits and classes at once, where each member is full to the brim.
#[test]
fn a_perfect_packing_of_unequal_members_is_found() {
    let member = |capacity, limit| Member { capacity, limit: Some(limit), ..Member::default() };
    let members = [member(1.0, 23), member(2.0, 19), member(4.0, 31)];
    let weights = [13, 10, 12, 7, 11, 9, 8, 3];
    let classes = [vec![0, 2], vec![1]];
    let of = [0, 0, NONE, NONE, NONE, 0, NONE, NONE];
    let eligible = Some(Eligible { classes: &classes, of: &of });
    let problem = Problem { members: &members, items: 8, weights: Some(&weights), eligible, ..Problem::default() };
    assert_eq!(assign(&problem).unwrap().certificate.loads, [23, 19, 31]);
}

#[test]
fn zones_are_kept_to_while_that_is_near_enough_to_the_bound() {
    let members: Vec<Member> = (0..4).map(|number| Member { zone: number % 2, ..Member::default() }).collect();
    let weights = vec![5; 400];
    let zones: Vec<u32> = (0..400).map(|item| item % 2).collect();
    let problem =
        Problem { members: &members, items: 400, weights: Some(&weights), zones: Some(&zones), ..Problem::default() };
    let found = assign(&problem).unwrap().certificate;
    assert_eq!((found.out_of_zone, found.loads), (0, vec![500; 4]));
}
