//! The flow against brute force: balance, zones and moves are the best there are, in that order.

use proptest::prelude::*;
use sparkeeper::assign::{Eligible, Member, NONE, Problem, Strategy as How, assign};

use crate::assign_input::constrained;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(384))]

    #[test]
    fn the_flow_finds_what_trying_everything_finds(input in constrained(6, 4)) {
        let problem = input.problem(How::Sticky);
        match (assign(&problem), input.best()) {
            (Ok(found), Some(best)) => {
                prop_assert_eq!(input.quality(&found.owners), best.clone());
                let certificate = &found.certificate;
                prop_assert_eq!(certificate.max_load, certificate.lower_bound);
                prop_assert_eq!(certificate.moves, certificate.moves_lower_bound);
                prop_assert_eq!(certificate.out_of_zone, best.outside);
                certificate.verify(&problem, &found.owners).unwrap();
            }
            (Err(_), None) => {}
            (found, best) => prop_assert!(false, "found {:?}, and the best is {:?}", found, best),
        }
    }

    #[test]
    fn a_larger_one_is_even_and_moves_no_more_than_it_must(input in constrained(120, 9)) {
        let mut input = input;
        input.members.iter_mut().for_each(|member| member.limit = None);
        let first = assign(&input.problem(How::Sticky)).unwrap();
        prop_assert_eq!(first.certificate.max_load, first.certificate.lower_bound);
        first.certificate.verify(&input.problem(How::Sticky), &first.owners).unwrap();
        input.current = Some(first.owners.clone());
        let again = assign(&input.problem(How::Sticky)).unwrap();
        prop_assert_eq!(again.certificate.moves, 0);
        prop_assert_eq!(again.owners, first.owners);
    }

    #[test]
    fn average_is_as_even_as_sticky(input in constrained(30, 5)) {
        if let Ok(sticky) = assign(&input.problem(How::Sticky)) {
            let average = assign(&input.problem(How::Average)).unwrap();
            prop_assert_eq!(input.quality(&average.owners).fill, input.quality(&sticky.owners).fill);
            prop_assert!(average.certificate.moves >= average.certificate.moves_lower_bound);
        }
    }
}

#[test]
fn what_limits_cannot_hold_names_the_items_and_the_members() {
    let limited = Member { limit: Some(1), ..Member::default() };
    let members = [limited, limited, Member::default()];
    let classes = [vec![0, 1]];
    let of = [NONE, 0, 0, 0];
    let eligible = Some(Eligible { classes: &classes, of: &of });
    let error = assign(&Problem { members: &members, items: 4, eligible, ..Problem::default() }).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("item 1, item 2, item 3"), "{text}");
    assert!(text.contains("member 0, member 1, whose limits hold 2"), "{text}");
}

#[test]
fn an_item_that_may_go_nowhere_is_named() {
    let members = [Member::default()];
    let eligible = Some(Eligible { classes: &[vec![]], of: &[NONE, 0] });
    let error = assign(&Problem { members: &members, items: 2, eligible, ..Problem::default() }).unwrap_err();
    assert!(error.to_string().contains("item 1 may go to no member"), "{error}");
}
