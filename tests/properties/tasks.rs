//! How many tasks a worker may have done, as workers come and go.

use proptest::prelude::*;
use sparkeeper::tasks::Card;
use sparkeeper::tasks::share::share;

fn cards(workers: &[(f64, u64)]) -> Vec<Card> {
    let card = |(capacity, done): &(f64, u64)| Card { name: String::new(), capacity: *capacity, done: *done };
    workers.iter().map(card).collect()
}

/// What happens to a group of workers.
#[derive(Clone, Debug)]
enum Step {
    Take(prop::sample::Index),
    Come(u8),
    Go(prop::sample::Index),
    Submit(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => any::<prop::sample::Index>().prop_map(Step::Take),
        1 => (1_u8..5).prop_map(Step::Come),
        1 => any::<prop::sample::Index>().prop_map(Step::Go),
        1 => any::<u8>().prop_map(Step::Submit),
    ]
}

proptest! {
    #[test]
    fn equal_workers_may_do_tasks_over_workers_rounded_up(done in prop::collection::vec(0_u64..100, 1..20), open in 0_usize..500) {
        let cards = cards(&done.iter().map(|done| (1.0, *done)).collect::<Vec<_>>());
        let all = done.iter().sum::<u64>() + u64::try_from(open).expect("small");
        for me in 0..cards.len() {
            let most = share(&cards, me, open).expect("a share");
            prop_assert!(most <= all.div_ceil(cards.len() as u64));
        }
    }

    #[test]
    fn while_tasks_are_open_somebody_may_take_one(
        workers in prop::collection::vec((1_u8..8, 0_u64..50), 1..12), open in 1_usize..300,
    ) {
        let cards = cards(&workers.iter().map(|(size, done)| (f64::from(*size), *done)).collect::<Vec<_>>());
        let room: u64 = (0..cards.len())
            .map(|me| share(&cards, me, open).expect("a share").saturating_sub(cards[me].done))
            .sum();
        prop_assert!(room >= u64::try_from(open).expect("small"), "{room} of {open} have a taker");
    }

    #[test]
    fn a_larger_worker_may_do_more(small in 1_u8..10, more in 0_u8..10, open in 0_usize..500) {
        let cards = cards(&[(f64::from(small), 0), (f64::from(small + more), 0)]);
        prop_assert!(share(&cards, 0, open).expect("a share") <= share(&cards, 1, open).expect("a share") + 1);
    }

    /// Whoever comes, goes or takes, all tasks are done in the end, and of those who were there all along nobody did
    /// more than the share of all that they saw.
    #[test]
    fn all_tasks_are_done_whatever_happens(steps in prop::collection::vec(step(), 0..200)) {
        let (mut workers, mut open) = (vec![(1.0, 0_u64)], 20_usize);
        for step in steps {
            match step {
                Step::Come(size) => workers.push((f64::from(size), 0)),
                Step::Go(which) if workers.len() > 1 => drop(workers.remove(which.index(workers.len()))),
                Step::Go(_) => {}
                Step::Submit(tasks) => open += usize::from(tasks),
                Step::Take(which) => {
                    let me = which.index(workers.len());
                    take(&mut workers, me, &mut open);
                }
            }
        }
        while open > 0 {
            let before = open;
            for me in 0..workers.len() {
                take(&mut workers, me, &mut open);
            }
            prop_assert!(open < before, "nobody may take one of {open} tasks: {workers:?}");
        }
    }
}

fn take(workers: &mut [(f64, u64)], me: usize, open: &mut usize) {
    if *open > 0 && share(&cards(workers), me, *open).is_ok_and(|most| workers[me].1 < most) {
        workers[me].1 += 1;
        *open -= 1;
    }
}
