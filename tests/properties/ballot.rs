//! Ballots: one answer for every observer, a strict majority, and votes that come to an end.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use sparkeeper::recipes::ballot::{Nominee, Paper, Says, Step, drawn, foremost, majority, step};

fn nominees() -> impl Strategy<Value = Vec<Nominee>> {
    prop::collection::btree_map(1..1_000_i64, -3..3_i64, 1..12)
        .prop_map(|found| found.into_iter().map(|(arrived, priority)| Nominee { arrived, priority }).collect())
}

/// A list, and the same in another order.
fn shuffled<T: Clone + std::fmt::Debug + 'static>(
    list: impl Strategy<Value = Vec<T>>,
) -> impl Strategy<Value = (Vec<T>, Vec<T>)> {
    list.prop_flat_map(|list| (Just(list.clone()), Just(list).prop_shuffle()))
}

fn papers() -> impl Strategy<Value = Vec<Paper>> {
    let says = prop_oneof![(-2..3_i8).prop_map(|score| Says::Score(score.into())), (1..7_i64).prop_map(Says::Ballot)];
    let paper = (0..2_i64, 0..3_u32, 1..7_i64, says);
    let key = |paper: &Paper| (paper.round, paper.attempt, paper.voter, matches!(paper.says, Says::Score(_)));
    // As in the hall: one score and one ballot of each member in each attempt.
    prop::collection::vec(paper, 0..40).prop_map(move |found| {
        let all = found.into_iter().map(|(round, attempt, voter, says)| Paper { round, attempt, voter, says });
        all.map(|paper| (key(&paper), paper)).collect::<BTreeMap<_, _>>().into_values().collect()
    })
}

/// Members of a vote that take their steps in any order, each seeing all that was said before.
struct Hall {
    scores: BTreeMap<i64, f64>,
    live: Vec<i64>,
    papers: Vec<Paper>,
}

impl Hall {
    const ROUND: i64 = 7;

    /// Lets one member act; true where it is elected.
    fn act(&mut self, member: i64) -> bool {
        let says = match step(member, &self.live, &self.papers, Self::ROUND, true) {
            Step::Score(attempt) => (attempt, Says::Score(self.scores[&member])),
            Step::Cast(attempt, choice) => (attempt, Says::Ballot(choice)),
            Step::Elected(count) => {
                assert!(count.valid >= 1 && count.total >= count.valid);
                return true;
            }
            Step::Follow | Step::Wait(_) => return false,
        };
        self.papers.push(Paper { round: Self::ROUND, attempt: says.0, voter: member, says: says.1 });
        false
    }

    /// Whoever goes takes its papers with it.
    fn leave(&mut self, member: i64) {
        self.live.retain(|other| *other != member);
        self.papers.retain(|paper| paper.voter != member);
    }

    /// Lets all act in turns until nothing changes any more, and returns who is elected.
    fn settle(&mut self) -> BTreeSet<i64> {
        for _ in 0..20 {
            for member in self.live.clone() {
                self.act(member);
            }
        }
        self.live.clone().into_iter().filter(|member| self.act(*member)).collect()
    }
}

proptest! {
    #[test]
    fn exactly_one_is_drawn_and_the_order_of_listing_does_not_matter(
        (nominees, other) in shuffled(nominees()), round in 1..i64::MAX,
    ) {
        let winner = drawn(round, &nominees).expect("somebody stands");
        prop_assert_eq!(nominees.iter().filter(|nominee| nominee.arrived == winner).count(), 1);
        prop_assert_eq!(drawn(round, &other), Some(winner));
    }

    #[test]
    fn the_lot_of_a_round_does_not_change_when_a_loser_goes(nominees in nominees(), round in 1..i64::MAX) {
        let winner = drawn(round, &nominees).expect("somebody stands");
        for loser in nominees.iter().filter(|nominee| nominee.arrived != winner) {
            let rest: Vec<Nominee> = nominees.iter().filter(|nominee| *nominee != loser).copied().collect();
            prop_assert_eq!(drawn(round, &rest), Some(winner));
        }
    }

    #[test]
    fn the_foremost_has_the_highest_priority_and_arrived_first_of_those((nominees, other) in shuffled(nominees())) {
        let winner = foremost(&nominees).expect("somebody stands");
        let won = nominees.iter().find(|nominee| nominee.arrived == winner).expect("it stands");
        for nominee in &nominees {
            prop_assert!(nominee.priority <= won.priority);
            prop_assert!(nominee.priority < won.priority || nominee.arrived >= won.arrived);
        }
        prop_assert_eq!(foremost(&other), Some(winner));
    }

    #[test]
    fn a_majority_is_strict_and_of_valid_ballots(
        live in prop::collection::btree_set(1..7_i64, 1..6),
        ballots in prop::collection::btree_map(1..7_i64, 1..7_i64, 0..6),
    ) {
        let (live, ballots): (Vec<i64>, Vec<(i64, i64)>) = (live.into_iter().collect(), ballots.into_iter().collect());
        let valid: Vec<_> =
            ballots.iter().filter(|(voter, choice)| live.contains(voter) && live.contains(choice)).collect();
        let votes = |winner: i64| valid.iter().filter(|(_, choice)| *choice == winner).count();
        let best = live.iter().copied().find(|candidate| votes(*candidate) * 2 > valid.len());
        let counted = best.map(|winner| (winner, valid.len() as u64));
        prop_assert_eq!(majority(&live, &ballots, true), counted);
        // What is decided early is not undone, whatever the rest votes.
        if let Some((winner, _)) = majority(&live, &ballots, false) {
            for against in &live {
                let mut all: BTreeMap<i64, i64> = live.iter().map(|voter| (*voter, *against)).collect();
                all.extend(ballots.iter().copied());
                let all: Vec<(i64, i64)> = all.into_iter().collect();
                prop_assert_eq!(majority(&live, &all, true).map(|found| found.0), Some(winner));
            }
        }
    }

    #[test]
    fn at_most_one_of_those_who_see_the_same_is_elected_and_order_does_not_matter(
        live in prop::collection::btree_set(1..7_i64, 1..6), (papers, other) in shuffled(papers()), patient: bool,
    ) {
        let live: Vec<i64> = live.into_iter().collect();
        let steps: Vec<Step> = live.iter().map(|me| step(*me, &live, &papers, 1, patient)).collect();
        prop_assert!(steps.iter().filter(|step| matches!(step, Step::Elected(_))).count() <= 1);
        for (me, expected) in live.iter().zip(&steps) {
            prop_assert_eq!(&step(*me, &live, &other, 1, patient), expected);
        }
        // Without patience nobody waits for papers.
        prop_assert!(patient || !steps.iter().any(|step| matches!(step, Step::Wait(_))));
    }

    #[test]
    fn a_vote_elects_the_best_score_and_ties_in_order_of_arrival(
        scores in prop::collection::btree_map(1..100_i64, -2..3_i8, 1..8), order in prop::collection::vec(0..8_usize, 0..60),
    ) {
        let scores: BTreeMap<i64, f64> = scores.into_iter().map(|(member, score)| (member, score.into())).collect();
        let live: Vec<i64> = scores.keys().copied().collect();
        let best = scores.values().copied().fold(f64::MIN, f64::max);
        let first = live.iter().copied().find(|member| scores[member] >= best).expect("somebody stands");
        let mut hall = Hall { scores, live, papers: Vec::new() };
        for turn in order {
            hall.act(hall.live[turn % hall.live.len()]);
        }
        prop_assert_eq!(hall.settle(), BTreeSet::from([first]));
    }

    #[test]
    fn a_vote_ends_with_one_winner_whoever_goes_in_the_middle_of_it(
        scores in prop::collection::btree_map(1..100_i64, -2..3_i8, 2..8),
        events in prop::collection::vec((0..8_usize, prop::bool::weighted(0.1)), 0..60),
    ) {
        let scores: BTreeMap<i64, f64> = scores.into_iter().map(|(member, score)| (member, score.into())).collect();
        let live: Vec<i64> = scores.keys().copied().collect();
        let mut hall = Hall { scores, live, papers: Vec::new() };
        for (turn, leaves) in events {
            let member = hall.live[turn % hall.live.len()];
            if leaves && hall.live.len() > 1 {
                hall.leave(member);
            } else {
                hall.act(member);
            }
        }
        prop_assert_eq!(hall.settle().len(), 1);
    }
}

#[test]
fn the_lot_is_fair() {
    let nominees: Vec<Nominee> = (1..=5).map(|arrived| Nominee { arrived: arrived * 1_000, priority: 0 }).collect();
    let mut drawn_at = BTreeMap::<i64, u32>::new();
    for round in 0..10_000 {
        *drawn_at.entry(drawn(17_179_869_184 + round, &nominees).unwrap()).or_default() += 1;
    }
    // 2000 each on average; five standard deviations are 200.
    assert_eq!(drawn_at.len(), 5);
    assert!(drawn_at.values().all(|count| count.abs_diff(2_000) < 200), "{drawn_at:?}");
}

#[test]
fn an_even_split_elects_nobody() {
    assert_eq!(majority(&[1, 2], &[(1, 1), (2, 2)], true), None);
    assert_eq!(majority(&[1, 2, 3, 4], &[(1, 1), (2, 2), (3, 1), (4, 2)], true), None);
    assert_eq!(majority(&[1, 2, 3, 4], &[(1, 1), (2, 2), (3, 1)], true), Some((1, 3)));
    assert_eq!(majority(&[1, 2, 3, 4], &[(1, 1), (2, 2), (3, 1)], false), None);
}
