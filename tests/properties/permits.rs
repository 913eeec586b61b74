//! Permits: never more out than the limit, whatever is taken, given back and changed, and no room wasted.

use proptest::prelude::*;
use sparkeeper::recipes::semaphore_permits::{Room, decode, encode, room, within};

/// What happens to a semaphore.
#[derive(Clone, Debug)]
enum Step {
    Take(u32),
    /// What was taken so many acquisitions ago.
    Give(usize),
    Limit(i32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (1..6_u32).prop_map(Step::Take),
        (0..10_usize).prop_map(Step::Give),
        (-2..12_i32).prop_map(Step::Limit),
    ];
    prop::collection::vec(step, 0..200)
}

proptest! {
    #[test]
    fn taking_where_there_is_room_never_exceeds_the_limit(steps in steps(), first in 1..8_i32) {
        let (mut limit, mut held) = (first, Vec::<u32>::new());
        for step in steps {
            let out: usize = held.iter().map(|count| *count as usize).sum();
            match step {
                Step::Take(wanted) => {
                    let found = room(out, wanted, limit);
                    let after = out + wanted as usize;
                    prop_assert_eq!(found == Room::Free, within(after, limit), "what is taken passes the second look");
                    // Full is worth a wait, Never is not.
                    prop_assert_eq!(found == Room::Never, room(0, wanted, limit) != Room::Free);
                    if found == Room::Free {
                        held.push(wanted);
                        prop_assert!(i64::try_from(after).unwrap() <= i64::from(limit));
                    }
                }
                Step::Give(at) if at < held.len() => {
                    held.remove(at);
                }
                Step::Give(_) => {}
                // It evicts nobody.
                Step::Limit(changed) => limit = changed,
            }
        }
    }

    #[test]
    fn more_room_never_hurts(out in 0..50_usize, wanted in 1..50_u32, limit in 0..50_i32) {
        let rank = |room: Room| match room { Room::Never => 0, Room::Full => 1, Room::Free => 2 };
        let here = rank(room(out, wanted, limit));
        prop_assert!(rank(room(out, wanted, limit + 1)) >= here);
        prop_assert!(rank(room(out.saturating_sub(1), wanted, limit)) >= here);
        prop_assert!(rank(room(out, wanted - 1, limit)) >= here);
    }

    #[test]
    fn a_limit_is_read_as_it_was_written(limit in any::<i32>(), data in prop::collection::vec(any::<u8>(), 0..10)) {
        prop_assert_eq!(decode("p", &encode(limit)).unwrap(), Some(limit));
        prop_assert_eq!(decode("p", &data).is_ok(), data.is_empty() || data.len() == 4);
    }
}

#[test]
fn the_limit_has_the_bytes_of_a_shared_count() {
    assert_eq!(encode(258), [0, 0, 1, 2]);
    assert_eq!(decode("p", b"").unwrap(), None);
}
