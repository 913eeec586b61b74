//! Breadth first through every state that can be reached, so that a counterexample is as short as one can be.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// A map with a quick hash.
pub(super) type Table<K, V> = HashMap<K, V, BuildHasherDefault<Mixed>>;

/// What has states, and laws for them.
pub(super) trait Machine {
    type State: Clone + Eq + Hash;
    type Event: Copy;

    fn start(&self) -> Self::State;
    /// Everything that may happen next.
    fn events(&self, state: &Self::State) -> Vec<Self::Event>;
    /// What that leads to.
    fn after(&self, state: &Self::State, event: Self::Event) -> Self::State;
    /// The law that a state breaks.
    fn broken(&self, state: &Self::State) -> Option<&'static str>;
}

/// A law that was broken, and what happened until then.
pub(super) struct Counterexample<E> {
    pub(super) law: &'static str,
    pub(super) events: Vec<E>,
}

/// How a search ended.
pub(super) struct Searched<E> {
    pub(super) states: usize,
    pub(super) transitions: usize,
    pub(super) counterexample: Option<Counterexample<E>>,
}

/// Visits every state, up to the first that breaks a law.
pub(super) fn search<M: Machine>(machine: &M) -> Searched<M::Event> {
    let start = machine.start();
    let mut numbers: Table<M::State, usize> = HashMap::from_iter([(start.clone(), 0)]);
    // How each state was first reached, by its number.
    let mut origins: Vec<Option<(usize, M::Event)>> = vec![None];
    let (mut level, mut transitions) = (vec![(start, 0)], 0);
    while !level.is_empty() {
        let mut next = Vec::new();
        for (state, number) in level {
            if let Some(law) = machine.broken(&state) {
                let counterexample = Some(Counterexample { law, events: path(&origins, number) });
                return Searched { states: origins.len(), transitions, counterexample };
            }
            for event in machine.events(&state) {
                transitions += 1;
                let reached = machine.after(&state, event);
                if let Entry::Vacant(unseen) = numbers.entry(reached) {
                    next.push((unseen.key().clone(), origins.len()));
                    unseen.insert(origins.len());
                    origins.push(Some((number, event)));
                }
            }
        }
        level = next;
    }
    Searched { states: origins.len(), transitions, counterexample: None }
}

fn path<E: Copy>(origins: &[Option<(usize, E)>], to: usize) -> Vec<E> {
    let mut events: Vec<E> = Vec::new();
    let mut at = to;
    while let Some((before, event)) = origins[at] {
        events.push(event);
        at = before;
    }
    events.reverse();
    events
}

/// A hash that takes a few steps for a state of small numbers, where the standard one takes most of a search's time.
#[derive(Default)]
pub(super) struct Mixed(u64);

impl Hasher for Mixed {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u8(*byte);
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.write_u64(value.into());
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(value.into());
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(5) ^ value).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }

    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 29
    }
}
