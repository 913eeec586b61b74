//! The machine to search: writers and janitors over one world, and what may happen to them.

use std::cell::RefCell;

use super::Rule;
use super::books::{Books, Job};
use super::janitor::{Janitor, Manner, Plans};
use super::laws;
use super::search::{Machine, Table};
use super::world::{SLOTS, World};
use super::writer::{At, Turn, Writer};

/// Janitors, at most.
const JANITORS: usize = 2;

#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) world: World,
    pub(super) writers: [Writer; SLOTS],
    /// Sorted: they are all alike.
    janitors: [Janitor; JANITORS],
}

/// Something that happens. Whoever is not named stands still, for however long: it has died, or was stopped.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// The writer does what it does next, which is this.
    Writer(u8, #[allow(dead_code, reason = "read where a counterexample is told")] At),
    /// Its commit is sent, and the link breaks.
    Send(u8),
    /// That request reaches the server after all.
    Land(u8),
    /// An exception, such as Ctrl-C, ends it.
    Raise(u8),
    /// Its session expires.
    Expire(u8),
    /// It has a new session.
    Return(u8),
    /// A task attempt that nobody waits for writes into its staging.
    Stray(u8),
    /// The janitor does what it does next, where it has a choice the one of this number.
    Janitor(usize, usize),
    /// Whoever publishes shows one more version.
    Publish,
    /// Another janitor takes the place of one that died.
    Replace(usize),
}

/// Who takes part, and how.
pub(super) struct Model {
    pub(super) jobs: Vec<Job>,
    pub(super) janitors: usize,
    pub(super) manner: Manner,
    /// The one law to break, or any.
    wanted: Option<&'static str>,
    /// Whether strays are among the events.
    pub(super) strays: bool,
    books: Books,
    plans: Plans,
    /// What was found to be broken once all had died, by what they left.
    ends: RefCell<Table<World, Option<&'static str>>>,
}

impl Model {
    pub(super) fn new(jobs: Vec<Job>, janitors: usize) -> Self {
        let manner = Manner { without: None, patient: false };
        let (books, plans, ends) = (Books::new(jobs.clone()), Plans::default(), RefCell::default());
        Self { jobs, janitors, manner, wanted: None, strays: false, books, plans, ends }
    }

    fn broken_at_the_end(&self, world: &World) -> Option<&'static str> {
        if let Some(known) = self.ends.borrow().get(world) {
            return *known;
        }
        self.books.check(world);
        let end = laws::broken_at_the_end(world.clone(), &self.plans, self.manner);
        self.ends.borrow_mut().insert(world.clone(), end);
        end
    }

    fn turn<'a>(&'a self, world: &'a mut World, me: u8) -> Turn<'a> {
        let job = self.jobs[usize::from(me)];
        Turn { world, me, job, books: &self.books, without: self.manner.without }
    }

    pub(super) fn patient(self) -> Self {
        Self { manner: Manner { patient: true, ..self.manner }, ..self }
    }

    pub(super) fn with_strays(self) -> Self {
        Self { strays: true, ..self }
    }

    /// Takes a rule out, to see this law break.
    pub(super) fn without(self, rule: Rule, wanted: &'static str) -> Self {
        Self { manner: Manner { without: Some(rule), ..self.manner }, wanted: Some(wanted), ..self }
    }
}

impl Machine for Model {
    type State = State;
    type Event = Event;

    fn start(&self) -> State {
        State { world: World::default(), writers: Default::default(), janitors: Default::default() }
    }

    fn events(&self, state: &State) -> Vec<Event> {
        let mut events = Vec::new();
        for (me, writer) in (0..).zip(&state.writers[..self.jobs.len()]) {
            let (znode, staging) = (state.world.znodes[usize::from(me)], state.world.stagings[usize::from(me)]);
            let possible = [
                (!writer.has_ended(), Event::Writer(me, writer.at)),
                (writer.at == At::Commit && !writer.has_sent(), Event::Send(me)),
                (writer.has_sent(), Event::Land(me)),
                (writer.may_raise(), Event::Raise(me)),
                (znode.is_some_and(|znode| znode.alive), Event::Expire(me)),
                (znode.is_some_and(|znode| !znode.alive) && !writer.has_ended(), Event::Return(me)),
                (self.strays && writer.has_begun() && staging.is_none(), Event::Stray(me)),
            ];
            events.extend(possible.into_iter().filter_map(|(may, event)| may.then_some(event)));
        }
        // Those that rest are sorted first, so the last ones are those that take part.
        let first = JANITORS - self.janitors;
        let alike = |at: usize| at > first && state.janitors[at] == state.janitors[at - 1];
        for at in (first..JANITORS).filter(|at| !alike(*at)) {
            let choices = state.janitors[at].choices(&state.world, &self.plans, self.manner).len();
            events.extend((0..choices).map(|choice| Event::Janitor(at, choice)));
            if state.janitors[at] != Janitor::Rests {
                events.push(Event::Replace(at));
            }
        }
        if self.janitors > 0 {
            events.push(Event::Publish);
        }
        events
    }

    fn after(&self, state: &State, event: Event) -> State {
        let mut next = state.clone();
        let State { world, writers, janitors } = &mut next;
        let without = self.manner.without;
        match event {
            Event::Writer(me, _) => writers[usize::from(me)].step(&mut self.turn(world, me)),
            Event::Send(me) => writers[usize::from(me)].send(),
            Event::Land(me) => writers[usize::from(me)].land(&mut self.turn(world, me)),
            Event::Raise(me) => writers[usize::from(me)].raise(),
            Event::Expire(me) => world.expire(me),
            Event::Return(me) => world.revive(me),
            Event::Stray(me) => drop(world.staging(me)),
            Event::Janitor(at, choice) => {
                let choices = janitors[at].choices(world, &self.plans, self.manner);
                janitors[at].act(world, self.manner);
                janitors[at] = choices[choice];
            }
            Event::Publish => drop(world.publish(without != Some(Rule::VersionsAreShownInOrder))),
            Event::Replace(at) => janitors[at] = Janitor::Rests,
        }
        for (me, writer) in (0..).zip(writers) {
            writer.forget(world.is_active(me), without);
        }
        janitors.sort_unstable();
        next
    }

    fn broken(&self, state: &State) -> Option<&'static str> {
        laws::broken(&self.jobs, state)
            .or_else(|| self.broken_at_the_end(&state.world))
            .filter(|law| self.wanted.is_none_or(|wanted| wanted == *law))
    }
}
