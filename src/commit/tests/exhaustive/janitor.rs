//! A janitor: `recover`, one request or rename at a time, on the plans of the real [`plan`].
//!
//! It settles one matter and looks again: one who has several on a plan does what several janitors may do.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::Rule;
use super::deeds::Matter;
use super::search::Table;
use super::world::{ATTEMPTS, SLOTS, World, Znode, has};
use crate::commit::recover::{Action, Found, Survey, plan};

/// A janitor, with what it knows, however old.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Janitor {
    #[default]
    Rests,
    /// It has listed these stagings.
    Listed { stagings: u8 },
    /// It has done so many steps of a matter that it found.
    Works { on: Matter, of: u8, done: u8 },
}

/// How a janitor goes about it.
#[derive(Clone, Copy)]
pub(super) struct Manner {
    pub(super) without: Option<Rule>,
    /// It notes who is missed, and gives up only those who were noted before: any time may have passed since.
    pub(super) patient: bool,
}

/// What a survey depends on: the stagings and the znodes that were seen.
type Seen = (u8, [Option<Znode>; SLOTS], bool);

/// What is to be done, of which attempt.
type Matters = Rc<[(Matter, u8)]>;

/// The plans that were made, by what was seen.
#[derive(Default)]
pub(super) struct Plans(RefCell<Table<Seen, Matters>>);

impl Plans {
    fn plan(&self, world: &World, listed: u8, manner: Manner) -> Matters {
        let (mut stagings, mut znodes) = (listed, world.znodes);
        if manner.without == Some(Rule::StagingsAreListedFirst) {
            stagings = mask(|at| world.stagings[at].is_some());
            for at in ATTEMPTS.filter(|at| !has(listed, *at)) {
                znodes[usize::from(at)] = None;
            }
        }
        let seen = (stagings, znodes, manner.patient);
        self.0.borrow_mut().entry(seen).or_insert_with(|| plan(&survey(seen)).iter().map(matter).collect()).clone()
    }
}

impl Janitor {
    /// Everything it may do next, by what it is afterwards; what concerns others is done by [`Janitor::act`].
    pub(super) fn choices(self, world: &World, plans: &Plans, manner: Manner) -> Vec<Self> {
        match self {
            Self::Rests => {
                let late = manner.without == Some(Rule::StagingsAreListedFirst);
                let listed = mask(|at| if late { world.znodes[at].is_some() } else { world.stagings[at].is_some() });
                vec![Self::Listed { stagings: listed }]
            }
            Self::Listed { stagings } => {
                let matters = plans.plan(world, stagings, manner);
                matters.iter().map(|&(on, of)| Self::Works { on, of, done: 0 }).collect()
            }
            Self::Works { on: Matter::Sweep, of, done } => {
                let live = world.is_committed(of);
                vec![Self::Works { on: if live { Matter::SweepLive } else { Matter::SweepDead }, of, done }]
            }
            Self::Works { on, of, done } if usize::from(done) + 1 < on.deeds(manner.without).len() => {
                vec![Self::Works { on, of, done: done + 1 }]
            }
            Self::Works { .. } => vec![Self::Rests],
        }
    }

    /// What its next step does to the world.
    pub(super) fn act(self, world: &mut World, manner: Manner) {
        if let Self::Works { on, of, done, .. } = self
            && let Some(deed) = on.deeds(manner.without).get(usize::from(done))
        {
            world.perform(*deed, of);
        }
    }
}

fn mask(member: impl Fn(usize) -> bool) -> u8 {
    ATTEMPTS.filter(|at| member(usize::from(*at))).fold(0, |set, at| set | 1 << at)
}

fn survey((stagings, znodes, patient): Seen) -> Survey {
    let found = |(attempt, znode): (u8, Option<Znode>)| {
        let Znode { version, state, alive, suspect } = znode?;
        let (tx, job_id, missed) = (attempt.to_string(), "a job".into(), suspect.then_some(Duration::from_secs(1)));
        Some(Found { tx, version, state, job_id, alive, missed })
    };
    Survey {
        stagings: ATTEMPTS.filter(|at| has(stagings, *at)).map(|at| at.to_string()).collect(),
        transactions: ATTEMPTS.zip(znodes).filter_map(found).collect(),
        grace: Duration::from_secs(u64::from(patient)),
        ..Survey::default()
    }
}

fn matter(action: &Action) -> (Matter, u8) {
    let (on, tx) = match action {
        Action::Suspect(tx) => (Matter::Suspect, tx),
        Action::Clear(tx) => (Matter::Clear, tx),
        Action::Abort(tx, version) => {
            assert_eq!(*version, 0, "only an ACTIVE one is aborted, at the version it has then");
            (Matter::Abort, tx)
        }
        Action::RollBack(tx) => (Matter::RollBack, tx),
        Action::Finish(tx) => (Matter::Finish, tx),
        Action::Sweep(tx) => (Matter::Sweep, tx),
    };
    (on, tx.parse().expect("named by its number"))
}
