//! Recovery deletes nothing live, whatever it interleaves with, and once the writers are gone it leaves nothing behind.

use std::time::Duration;

use proptest::prelude::*;

use super::world::{Deed, Phase, Step, World};
use crate::commit::recover::{Action, Found, State, Survey, plan};

#[derive(Clone, Debug)]
enum Event {
    Begin,
    Writer(prop::sample::Index, Step),
    /// Surveyor `n` plans; what it had not done of its last plan is forgotten.
    Survey(usize, bool),
    /// Surveyor `n` does the next thing on its plan, however old that is.
    Execute(usize),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let step = prop_oneof![
        3 => Just(Step::Stage),
        3 => Just(Step::Name),
        6 => Just(Step::Relocate),
        3 => Just(Step::Commit),
        1 => Just(Step::CleanUp),
        1 => Just(Step::CleanUpBadly),
        2 => Just(Step::Expire),
        1 => Just(Step::Return),
        1 => Just(Step::Die),
    ];
    let event = prop_oneof![
        1 => Just(Event::Begin),
        6 => (any::<prop::sample::Index>(), step).prop_map(|(at, step)| Event::Writer(at, step)),
        1 => (0..2_usize, any::<bool>()).prop_map(|(n, patient)| Event::Survey(n, patient)),
        3 => (0..2_usize).prop_map(Event::Execute),
    ];
    proptest::collection::vec(event, 1..150)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn nothing_live_is_deleted_and_nothing_dead_is_left(events in events()) {
        let mut world = World::default();
        let mut surveyors: [Vec<Deed>; 2] = [vec![], vec![]];
        for event in events {
            match event {
                Event::Begin => world.begin(),
                Event::Writer(at, step) if !world.writers.is_empty() => {
                    let at = at.index(world.writers.len());
                    world.step(at, step);
                }
                Event::Writer(..) => {}
                Event::Survey(n, patient) => {
                    surveyors[n] = world.survey(Duration::from_millis(if patient { 2_000 } else { 0 }));
                    surveyors[n].reverse();
                }
                Event::Execute(n) => {
                    if let Some(deed) = surveyors[n].pop() {
                        world.execute(deed);
                    }
                }
            }
            prop_assert!(world.is_whole(), "a committed file is gone");
        }
        for at in 0..world.writers.len() {
            world.step(at, Step::Die);
        }
        let mut rounds = 0;
        loop {
            let deeds = world.survey(Duration::ZERO);
            if deeds.is_empty() {
                break;
            }
            for deed in deeds {
                world.execute(deed);
            }
            prop_assert!(world.is_whole());
            rounds += 1;
            prop_assert!(rounds <= 3, "recovery does not end");
        }
        prop_assert!(world.is_clean(), "something is left");
        prop_assert!(world.writers.iter().all(|(_, phase)| *phase == Phase::Dead));
    }
}

fn found(state: State, alive: bool, missed: Option<u64>) -> Survey {
    let transaction = Found {
        tx: "t".into(),
        version: 4,
        state,
        job_id: "nightly".into(),
        alive,
        missed: missed.map(Duration::from_secs),
    };
    Survey { transactions: vec![transaction], grace: Duration::from_secs(60), ..Survey::default() }
}

#[test]
fn a_session_may_be_missed_for_the_grace() {
    assert_eq!(plan(&found(State::Active, true, None)), []);
    assert_eq!(plan(&found(State::Active, false, None)), [Action::Suspect("t".into())]);
    assert_eq!(plan(&found(State::Active, false, Some(59))), []);
    assert_eq!(plan(&found(State::Active, false, Some(60))), [Action::Abort("t".into(), 4)]);
    assert_eq!(plan(&found(State::Active, true, Some(99))), [Action::Clear("t".into())]);
}

#[test]
fn the_same_job_takes_over_at_once_but_only_from_the_dead() {
    let mut survey = found(State::Active, false, None);
    survey.job_id = Some("nightly".into());
    assert_eq!(plan(&survey), [Action::Abort("t".into(), 4)]);
    survey.transactions[0].alive = true;
    assert_eq!(plan(&survey), []);
}

#[test]
fn nobody_recovers_himself() {
    let mut survey = found(State::Aborted, false, None);
    survey.stagings = vec!["t".into(), "gone".into()];
    survey.own = Some("t".into());
    assert_eq!(plan(&survey), [Action::Sweep("gone".into())]);
}

#[test]
fn a_living_writer_cleans_up_after_itself() {
    assert_eq!(plan(&found(State::Aborted, true, None)), []);
    assert_eq!(plan(&found(State::Committed, true, None)), []);
    assert_eq!(plan(&found(State::Aborted, false, None)), [Action::RollBack("t".into())]);
    assert_eq!(plan(&found(State::Committed, false, None)), [Action::Finish("t".into())]);
}
