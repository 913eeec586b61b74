//! Lines of readers and writers against a brute force, with wake-ups that come late and in any order.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use sparkeeper::recipes::turn::{READ_WRITE, Turn, ambiguous, companion, line, positions, read_write};

#[derive(Clone, Debug)]
enum Step {
    Arrive {
        writer: bool,
    },
    /// Whoever it is: a holder lets go, a waiter gives up or dies.
    Leave(usize),
    /// A writer that holds takes the read lock too.
    Accompany,
    /// One that was notified looks again.
    Wake(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => any::<bool>().prop_map(|writer| Step::Arrive { writer }),
        2 => any::<usize>().prop_map(Step::Leave),
        1 => Just(Step::Accompany),
        3 => any::<usize>().prop_map(Step::Wake),
    ]
}

/// What everybody knows: who is in, whom the others watch, and who was notified.
#[derive(Default)]
struct World {
    next: i32,
    guids: u32,
    children: Vec<String>,
    inside: BTreeSet<String>,
    watching: BTreeMap<String, String>,
    notified: Vec<String>,
}

impl World {
    fn join(&mut self, name: &str) {
        self.children.push(name.to_owned());
        self.look(name);
    }

    fn look(&mut self, me: &str) {
        match read_write(&line(&self.children, READ_WRITE), me) {
            Turn::In => {
                self.inside.insert(me.to_owned());
            }
            Turn::Watch(other) => {
                assert!(self.children.contains(&other), "{me} watches who is not there");
                self.watching.insert(me.to_owned(), other);
            }
            Turn::Gone => assert!(!self.children.iter().any(|child| child == me), "{me} stands in line"),
        }
    }

    fn leave(&mut self, name: &str) {
        self.children.retain(|child| child != name);
        self.inside.remove(name);
        self.watching.remove(name);
        self.notified.retain(|waiter| waiter != name);
        let woken: Vec<String> =
            self.watching.iter().filter(|(_, watched)| *watched == name).map(|(me, _)| me.clone()).collect();
        for me in woken {
            self.watching.remove(&me);
            self.notified.push(me);
        }
    }

    fn apply(&mut self, step: &Step) {
        match step {
            Step::Arrive { writer } => {
                self.guids += 1;
                let marker = READ_WRITE[usize::from(!writer)];
                // The name sorts against the arrival, so that only the number can give the order.
                self.join(&format!("_c_{:08}-{marker}{:010}", 99_999_999 - self.guids, self.next));
                self.next += 1;
            }
            Step::Leave(at) if !self.children.is_empty() => {
                let name = self.children[at % self.children.len()].clone();
                self.leave(&name);
            }
            Step::Accompany => {
                let writer = self.inside.iter().find(|name| name.contains(READ_WRITE[0])).cloned();
                let number = writer.as_deref().and_then(companion).map(str::to_owned);
                let Some(number) = number else { return };
                let suffix = format!("{}{number}", READ_WRITE[1]);
                if !self.children.iter().any(|child| child.ends_with(&suffix)) {
                    self.guids += 1;
                    self.join(&format!("_c_{:08}-{suffix}", self.guids));
                }
            }
            Step::Wake(at) if !self.notified.is_empty() => {
                let me = self.notified.remove(at % self.notified.len());
                self.look(&me);
            }
            Step::Leave(_) | Step::Wake(_) => {}
        }
    }

    /// Who may be in, from first principles: a writer with nobody before it, a reader with no writer before it.
    fn allowed(&self) -> BTreeSet<String> {
        let number = |name: &str| name[name.len() - 10..].parse::<i32>().ok();
        let writer = |name: &str| name.contains(READ_WRITE[0]);
        let may = |me: &String| {
            self.children.iter().all(|other| number(other) >= number(me) || (!writer(me) && !writer(other)))
        };
        self.children.iter().filter(|me| may(me)).cloned().collect()
    }

    fn check(&self) {
        assert!(self.inside.is_subset(&self.allowed()), "in too early: {:?} of {:?}", self.inside, self.children);
        let writers: Vec<_> = self.inside.iter().filter(|name| name.contains(READ_WRITE[0])).collect();
        assert!(writers.len() <= 1);
        if let Some(writer) = writers.first() {
            let own = &writer[writer.len() - 10..];
            assert!(self.inside.iter().all(|name| name.ends_with(own)), "a reader beside a writer: {:?}", self.inside);
        }
    }
}

proptest! {
    #[test]
    fn readers_share_writers_exclude_and_no_wake_up_is_lost(steps in prop::collection::vec(step(), 1..80)) {
        let mut world = World::default();
        for step in &steps {
            world.apply(step);
            world.check();
        }
        // Once all who were notified have looked, all who may be in are in, and nobody else.
        while !world.notified.is_empty() {
            world.apply(&Step::Wake(0));
            world.check();
        }
        prop_assert_eq!(&world.inside, &world.allowed());
        let line = line(&world.children, READ_WRITE);
        prop_assert!(!ambiguous(&line));
        let first: BTreeSet<String> = line
            .iter()
            .zip(positions(&line, read_write))
            .filter(|(_, place)| *place == 0)
            .map(|(ticket, _)| ticket.name.clone())
            .collect();
        prop_assert_eq!(first, world.inside.clone());
        // Nobody starves: as those who are in let go, everybody gets in.
        while let Some(name) = world.inside.iter().next().cloned() {
            world.apply(&Step::Leave(world.children.iter().position(|child| *child == name).expect("there")));
            while !world.notified.is_empty() {
                world.apply(&Step::Wake(0));
                world.check();
            }
        }
        prop_assert!(world.children.is_empty(), "left waiting: {:?}", world.children);
    }

    #[test]
    fn order_of_arrival_is_kept_wherever_the_counter_stands(
        start in any::<i32>(),
        gaps in prop::collection::vec(1i32..1000, 1..40),
        seed in any::<u64>(),
    ) {
        let mut sequence = start;
        let mut names: Vec<String> = Vec::new();
        for gap in gaps {
            names.push(format!("_c_{:04}-__READ__{sequence:010}", (seed >> (names.len() % 48)) & 0xfff));
            sequence = sequence.wrapping_add(gap);
        }
        let mut shuffled = names.clone();
        shuffled.sort();
        let found: Vec<String> = line(&shuffled, READ_WRITE).into_iter().map(|ticket| ticket.name).collect();
        prop_assert_eq!(found, names);
    }
}
