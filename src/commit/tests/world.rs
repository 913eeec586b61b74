//! A table's directory and znodes in memory, with writers that may die, stop and go on between any two steps.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::commit::recover::{Action, Found, State, Survey, plan};

/// Files each attempt writes.
const FILES: usize = 2;

/// Where a writer believes itself to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Begun,
    Staged,
    Named,
    Committed,
    Dead,
}

/// A step of the protocol that is atomic for everybody else.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Stage,
    Name,
    Relocate,
    Commit,
    CleanUp,
    /// The directory would not go, and the znode went all the same.
    CleanUpBadly,
    Expire,
    Return,
    Die,
}

/// Half of a recovery action: these are not atomic together.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    Znode(Action),
    MoveAway { tx: String },
    DeleteNames { tx: String, unless_named: bool },
    DeleteStaging { tx: String },
    Forget { tx: String },
}

#[derive(Clone, Debug, Default)]
struct Staging {
    data: BTreeSet<usize>,
    named: bool,
}

struct Znode {
    version: i32,
    state: State,
    alive: bool,
    suspect: bool,
}

#[derive(Default)]
pub(super) struct World {
    pub(super) writers: Vec<(String, Phase)>,
    stagings: BTreeMap<String, Staging>,
    pub(super) finals: BTreeSet<(String, usize)>,
    znodes: BTreeMap<String, Znode>,
    pub(super) committed: BTreeSet<String>,
}

impl World {
    pub(super) fn begin(&mut self) {
        let tx = format!("t{}", self.writers.len());
        self.znodes.insert(tx.clone(), Znode { version: 0, state: State::Active, alive: true, suspect: false });
        self.writers.push((tx, Phase::Begun));
    }

    /// One step of writer `at`; one that cannot be made is the writer noticing that it was fenced.
    pub(super) fn step(&mut self, at: usize, step: Step) {
        let (tx, phase) = self.writers[at].clone();
        let active = self.znodes.get(&tx).is_some_and(|znode| znode.state == State::Active && znode.version == 0);
        let next = match (step, phase) {
            (_, Phase::Dead) => return,
            (Step::Die, _) => {
                self.expire(&tx);
                Phase::Dead
            }
            (Step::Expire, _) => {
                self.expire(&tx);
                phase
            }
            (Step::Return, _) if active => {
                self.znodes.get_mut(&tx).expect("active").alive = true;
                phase
            }
            // Executors make the directory again if somebody took it away.
            (Step::Stage, Phase::Begun) => {
                self.stagings.entry(tx).or_default().data = (0..FILES).collect();
                Phase::Staged
            }
            (Step::Name, Phase::Staged) => match self.stagings.get_mut(&tx) {
                Some(staging) if active => {
                    staging.named = true;
                    Phase::Named
                }
                _ => return self.fenced(at),
            },
            (Step::Relocate, Phase::Named) => {
                let Some(staging) = self.stagings.get_mut(&tx) else { return self.fenced(at) };
                match staging.data.pop_first() {
                    Some(file) => drop(self.finals.insert((tx, file))),
                    None if (0..FILES).all(|file| self.finals.contains(&(tx.clone(), file))) => {}
                    None => return self.fenced(at),
                }
                phase
            }
            (Step::Commit, Phase::Named) if !(0..FILES).all(|file| self.finals.contains(&(tx.clone(), file))) => phase,
            (Step::Commit, Phase::Named) if active => {
                let znode = self.znodes.get_mut(&tx).expect("active");
                (znode.state, znode.version) = (State::Committed, 1);
                self.committed.insert(tx);
                Phase::Committed
            }
            (Step::Commit, Phase::Named) => return self.fenced(at),
            (Step::CleanUp, Phase::Committed) => {
                self.stagings.remove(&tx);
                self.znodes.remove(&tx);
                Phase::Dead
            }
            (Step::CleanUpBadly, Phase::Committed) => {
                self.znodes.remove(&tx);
                Phase::Dead
            }
            _ => phase,
        };
        self.writers[at].1 = next;
    }

    /// A fenced writer takes its own files away: its transaction is aborted, or gone.
    fn fenced(&mut self, at: usize) {
        let tx = self.writers[at].0.clone();
        assert!(!self.committed.contains(&tx), "a committed writer was fenced");
        self.finals.retain(|(owner, _)| owner != &tx);
        self.stagings.remove(&tx);
        self.znodes.remove(&tx);
        self.writers[at].1 = Phase::Dead;
    }

    fn expire(&mut self, tx: &str) {
        if let Some(znode) = self.znodes.get_mut(tx) {
            znode.alive = false;
        }
    }

    /// Plans a round and takes its actions apart.
    pub(super) fn survey(&self, grace: Duration) -> Vec<Deed> {
        let stagings = self.stagings.keys().cloned().collect();
        let transactions = self.znodes.iter().map(|(tx, znode)| Found {
            tx: tx.clone(),
            version: znode.version,
            state: znode.state,
            job_id: format!("job of {tx}"),
            alive: znode.alive,
            missed: znode.suspect.then_some(Duration::from_secs(1)),
        });
        let survey = Survey { stagings, transactions: transactions.collect(), grace, ..Survey::default() };
        plan(&survey).into_iter().flat_map(deeds).collect()
    }

    pub(super) fn execute(&mut self, deed: Deed) {
        match deed {
            Deed::Znode(Action::Abort(tx, version)) => {
                if let Some(znode) = self.znodes.get_mut(&tx).filter(|znode| znode.version == version) {
                    (znode.state, znode.version) = (State::Aborted, version + 1);
                }
            }
            Deed::Znode(Action::Suspect(tx)) => self.note(&tx, true),
            Deed::Znode(Action::Clear(tx)) => self.note(&tx, false),
            Deed::Znode(other) => panic!("{other:?} is more than a znode"),
            Deed::MoveAway { tx } => {
                if let Some(staging) = self.stagings.get_mut(&tx) {
                    staging.data.clear();
                }
            }
            Deed::DeleteNames { tx, unless_named } => {
                let named = self.stagings.get(&tx).is_some_and(|staging| staging.named);
                if named && !(unless_named && self.committed.contains(&tx)) {
                    self.finals.retain(|(owner, _)| owner != &tx);
                }
            }
            Deed::DeleteStaging { tx } => drop(self.stagings.remove(&tx)),
            Deed::Forget { tx } => drop(self.znodes.remove(&tx)),
        }
    }

    fn note(&mut self, tx: &str, suspect: bool) {
        if let Some(znode) = self.znodes.get_mut(tx) {
            znode.suspect = suspect;
        }
    }

    /// Every file of every commit is there.
    pub(super) fn is_whole(&self) -> bool {
        self.committed.iter().all(|tx| (0..FILES).all(|file| self.finals.contains(&(tx.clone(), file))))
    }

    /// Nothing is there but the files of commits.
    pub(super) fn is_clean(&self) -> bool {
        self.stagings.is_empty()
            && self.znodes.is_empty()
            && self.finals.iter().all(|(owner, _)| self.committed.contains(owner))
    }
}

fn deeds(action: Action) -> Vec<Deed> {
    let roll_back = |tx: &String, unless_named| {
        let tx = || tx.clone();
        vec![
            Deed::MoveAway { tx: tx() },
            Deed::DeleteNames { tx: tx(), unless_named },
            Deed::DeleteStaging { tx: tx() },
        ]
    };
    match &action {
        Action::Suspect(_) | Action::Clear(_) | Action::Abort(..) => vec![Deed::Znode(action)],
        Action::RollBack(tx) => {
            let mut deeds = roll_back(tx, false);
            deeds.push(Deed::Forget { tx: tx.clone() });
            deeds
        }
        Action::Finish(tx) => vec![Deed::DeleteStaging { tx: tx.clone() }, Deed::Forget { tx: tx.clone() }],
        Action::Sweep(tx) => roll_back(tx, true),
    }
}
