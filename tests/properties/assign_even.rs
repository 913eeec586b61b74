//! Items of one weight that may go everywhere: complete, exclusive, and balance and moves equal to their bounds.
#![allow(clippy::unwrap_used, reason = "tests, and a check that they share")]

use proptest::prelude::*;
use sparkeeper::assign::{Assignment, Certificate, Member, NONE, Problem, Strategy as How, assign};

use crate::assign_input::{Input, member};

fn free(items: usize, members: usize) -> impl Strategy<Value = Input> {
    (1..=members, 0..=items).prop_flat_map(|(members, items)| {
        let some = u32::try_from(members).unwrap_or(u32::MAX);
        let owner = prop_oneof![6 => 0..some, 2 => 0..some.div_ceil(2), 1 => Just(NONE)];
        (
            prop::collection::vec(member(false), members),
            prop::option::of(prop::collection::vec(owner, items)),
            prop::option::of(prop::collection::vec(-2..3_i64, items)),
        )
            .prop_map(move |(members, current, priorities)| Input {
                members,
                items,
                weights: None,
                current,
                classes: Vec::new(),
                of: None,
                zones: None,
                priorities,
            })
    })
}

fn equal(mut input: Input) -> Input {
    input.members.iter_mut().for_each(|member| *member = Member::default());
    input
}

fn check(input: &Input, strategy: How) -> Assignment {
    let problem = input.problem(strategy);
    let found = assign(&problem).unwrap();
    assert_eq!(found.owners.len(), input.items);
    assert!(found.owners.iter().all(|owner| (*owner as usize) < input.members.len()));
    assert_eq!(found.certificate.loads.iter().sum::<u64>(), input.items as u64);
    assert!(found.certificate.max_load.as_f64() >= found.certificate.lower_bound.as_f64());
    assert!(found.certificate.moves >= found.certificate.moves_lower_bound);
    found.certificate.verify(&problem, &found.owners).unwrap();
    assert_eq!(assign(&problem).unwrap(), found, "equal input gives equal output");
    found
}

proptest! {
    #[test]
    fn every_strategy_gives_each_item_one_owner_and_a_certificate_that_verifies(input in free(60, 9)) {
        for strategy in How::ALL {
            check(&input, strategy);
        }
    }

    #[test]
    fn balance_equals_its_bound(input in free(60, 9)) {
        for strategy in [How::Sticky, How::Average, How::Weighted, How::Range] {
            let found = check(&input, strategy).certificate;
            prop_assert_eq!(found.max_load, found.lower_bound);
        }
        let input = equal(input);
        for strategy in [How::Sticky, How::Average, How::Weighted, How::Range, How::RoundRobin, How::Priority] {
            let loads = check(&input, strategy).certificate.loads;
            prop_assert!(loads.iter().max().unwrap() - loads.iter().min().unwrap() <= 1, "{:?}: {:?}", strategy, loads);
        }
    }

    #[test]
    fn sticky_moves_equal_their_bound_and_the_formula(input in free(60, 9)) {
        let found = check(&input, How::Sticky).certificate;
        prop_assert_eq!(found.moves, found.moves_lower_bound);
        let input = equal(input);
        let found = check(&input, How::Sticky).certificate;
        let mut owned = vec![0; input.members.len()];
        for owner in input.current.iter().flatten().filter(|owner| **owner != NONE) {
            owned[*owner as usize] += 1;
        }
        owned.sort_unstable_by(|a, b| b.cmp(a));
        let (q, r) = (input.items / owned.len(), input.items % owned.len());
        let kept: usize = owned.iter().enumerate().map(|(k, owned)| *owned.min(&(q + usize::from(k < r)))).sum();
        prop_assert_eq!(found.moves, (input.items - kept) as u64);
    }

    #[test]
    fn sticky_is_the_best_there_is(input in free(6, 4)) {
        let found = check(&input, How::Sticky);
        prop_assert_eq!(Some(input.quality(&found.owners)), input.best());
    }

    #[test]
    fn the_flow_agrees_with_the_formula(input in free(40, 7)) {
        let plain = check(&input, How::Sticky);
        let open = Input { of: Some(vec![NONE; input.items]), ..input.clone() };
        let flow = check(&open, How::Sticky);
        prop_assert_eq!(input.quality(&flow.owners), input.quality(&plain.owners));
        prop_assert_eq!(flow.certificate.moves_lower_bound, plain.certificate.moves_lower_bound);
        prop_assert_eq!(flow.certificate.lower_bound, plain.certificate.lower_bound);
    }

    #[test]
    fn range_keeps_neighbours_together(input in free(60, 9)) {
        let found = check(&input, How::Range);
        prop_assert!(found.owners.is_sorted());
    }

    #[test]
    fn a_tampered_certificate_is_found_out(input in free(40, 6), field in 0..9_usize) {
        let found = check(&input, How::Sticky);
        let mut forged = found.certificate.clone();
        match field {
            0 => forged.loads[0] += 1,
            1 => forged.max_load = sparkeeper::assign::Load::Whole(123_456),
            2 => forged.lower_bound = sparkeeper::assign::Load::Whole(123_456),
            3 => forged.gap += 0.5,
            4 => forged.moves += 1,
            5 => forged.moves_lower_bound += 1,
            6 => forged.out_of_zone += 1,
            7 => forged.strategy = How::Range,
            _ => forged.digest = forged.digest.replace(|letter: char| letter.is_ascii_digit(), "f") + "0",
        }
        prop_assert!(forged.verify(&input.problem(How::Sticky), &found.owners).is_err());
        let text = found.certificate.to_json().unwrap();
        Certificate::from_json(&text).unwrap().verify(&input.problem(How::Sticky), &found.owners).unwrap();
    }

    #[test]
    fn rendezvous_moves_only_what_a_member_takes_or_leaves(items in 0..200_usize, members in 2..9_usize, sizes in any::<bool>()) {
        let members: Vec<Member> = (0..members)
            .map(|number| Member {
                key: sparkeeper::assign::key(format!("worker-{number}").as_bytes()),
                capacity: if sizes && number % 2 == 0 { 2.5 } else { 1.0 },
                ..Member::default()
            })
            .collect();
        let run = |members: &[Member]| {
            assign(&Problem { strategy: How::Rendezvous, members, items, ..Problem::default() }).unwrap().owners
        };
        let (all, fewer) = (run(&members), run(&members[..members.len() - 1]));
        let gone = u32::try_from(members.len() - 1).unwrap();
        prop_assert!(all.iter().zip(&fewer).all(|(before, after)| before == after || *before == gone));
    }
}

/// FAULTS 26.
#[test]
fn a_leave_moves_a_hundred_and_a_join_ninety() {
    let members = [Member::default(); 11];
    let with = |members: &[Member], current: Option<&[u32]>| {
        assign(&Problem { members, items: 1000, current, ..Problem::default() }).unwrap()
    };
    let ten = with(&members[..10], None);
    assert_eq!(ten.certificate.loads, [100; 10]);
    let nine = with(&members[..9], Some(&ten.owners));
    assert_eq!((nine.certificate.moves, nine.certificate.moves_lower_bound), (100, 100));
    let eleven = with(&members, Some(&ten.owners));
    assert_eq!((eleven.certificate.moves, eleven.certificate.moves_lower_bound), (90, 90));
    assert_eq!(with(&members[..10], Some(&ten.owners)).certificate.moves, 0);
}

#[test]
fn sizes_share_in_proportion_and_limits_hold() {
    let member = |capacity: f64, limit: Option<u64>| Member { capacity, limit, ..Member::default() };
    let loads = |members: &[Member], items: usize| {
        assign(&Problem { members, items, ..Problem::default() }).map(|found| found.certificate.loads)
    };
    assert_eq!(loads(&[member(0.1, None), member(0.3, None)], 100).unwrap(), [25, 75]);
    assert_eq!(loads(&[member(1.0, None), member(2.0, Some(10)), member(1.0, None)], 50).unwrap(), [20, 10, 20]);
    let error = loads(&[member(1.0, Some(3)), member(9.0, Some(4))], 8).unwrap_err();
    assert!(error.to_string().contains("hold 7 in all"), "{error}");
    for capacity in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let error = loads(&[member(1.0, None), member(capacity, None)], 8).unwrap_err();
        assert!(error.to_string().contains("member 1 has the capacity"), "{error}");
    }
    assert!(loads(&[], 1).unwrap_err().to_string().contains("0 members"));
}

#[test]
fn high_items_go_to_high_members_until_those_are_full() {
    let member = |priority: i64, limit: Option<u64>| Member { priority, limit, ..Member::default() };
    let members = [member(0, None), member(5, Some(2)), member(5, Some(1))];
    let priorities = [0, 9, 9, 1, 0];
    let problem = Problem {
        strategy: How::Priority,
        members: &members,
        items: 5,
        priorities: Some(&priorities),
        ..Problem::default()
    };
    assert_eq!(assign(&problem).unwrap().owners, [0, 1, 2, 1, 0]);
}
