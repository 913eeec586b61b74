//! A member's desk, in a world of several: whatever the order of events, what is assigned ends up held, and nothing is
//! held by two.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use sparkeeper::assign::group::{Action, Desk};

const ITEMS: u8 = 5;
const MEMBERS: usize = 3;

/// One step of the world.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The leader gives every item to the member that the seed says.
    Assign(u64),
    /// A member does the next of what its desk asked for.
    Work(usize),
    /// A member's user takes, or gives up, or finishes something.
    Take(usize),
    Release(usize),
    Finish(usize),
    /// A member's session ends.
    Expire(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        1 => any::<u64>().prop_map(Step::Assign),
        6 => (0..MEMBERS).prop_map(Step::Work),
        2 => (0..MEMBERS).prop_map(Step::Take),
        1 => (0..MEMBERS).prop_map(Step::Release),
        1 => (0..MEMBERS).prop_map(Step::Finish),
        1 => (0..MEMBERS).prop_map(Step::Expire),
    ];
    prop::collection::vec(step, 0..120)
}

type Token = u64;

#[derive(Default)]
struct World {
    desks: Vec<Desk<u8, Token>>,
    todo: Vec<Vec<Action<u8, Token>>>,
    hands: Vec<BTreeMap<u8, Token>>,
    owners: BTreeMap<u8, usize>,
    /// What the server has: the claim on an item, and whose it is.
    claims: BTreeMap<u8, (usize, Token)>,
    done: BTreeSet<u8>,
    next: Token,
}

impl World {
    fn new() -> Self {
        let mut world = Self::default();
        world.desks.resize_with(MEMBERS, Desk::default);
        world.todo.resize_with(MEMBERS, Vec::new);
        world.hands.resize_with(MEMBERS, BTreeMap::new);
        world
    }

    fn tell(&mut self, member: usize) {
        let mine = (0..ITEMS).filter(|item| self.owners.get(item) == Some(&member)).collect();
        let actions = self.desks[member].finished(self.done.clone());
        self.todo[member].extend(actions);
        let actions = self.desks[member].assigned(mine);
        self.todo[member].extend(actions);
    }

    fn freed(&mut self, item: u8) {
        for member in 0..MEMBERS {
            let waiting = self.todo[member].iter().position(|action| *action == Action::Watch(item));
            if let Some(at) = waiting {
                self.todo[member].remove(at);
                let actions = self.desks[member].free(item);
                self.todo[member].extend(actions);
            }
        }
    }

    /// Does what the member's desk asked for first, but for watches, which wait. False where there is nothing to do.
    fn work(&mut self, member: usize) -> bool {
        let Some(at) = self.todo[member].iter().position(|action| !matches!(action, Action::Watch(_))) else {
            return false;
        };
        let actions = match self.todo[member].remove(at) {
            Action::Claim(item) if self.done.contains(&item) => self.desks[member].finished([item]),
            Action::Claim(item) if self.claims.contains_key(&item) => self.desks[member].taken(item),
            Action::Claim(item) => {
                self.next += 1;
                self.claims.insert(item, (member, self.next));
                self.desks[member].granted(item, self.next)
            }
            Action::Release(item, token) => return self.end(member, item, token),
            Action::Unwatch(item) => {
                self.todo[member].retain(|action| *action != Action::Watch(item));
                Vec::new()
            }
            Action::Watch(_) | Action::Ask(_) | Action::Unask(_) => Vec::new(),
        };
        // A watch on what is free by now fires at once.
        let free: Vec<u8> = actions
            .iter()
            .filter_map(|action| match action {
                Action::Watch(item) if !self.claims.contains_key(item) => Some(*item),
                _ => None,
            })
            .collect();
        self.todo[member].extend(actions);
        for item in free {
            self.freed(item);
        }
        true
    }

    fn end(&mut self, member: usize, item: u8, token: Token) -> bool {
        assert_eq!(self.claims.get(&item), Some(&(member, token)), "nobody deletes another's claim");
        self.claims.remove(&item);
        let actions = self.desks[member].ended(item);
        self.todo[member].extend(actions);
        self.freed(item);
        true
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Assign(seed) => {
                let owner = |item: u8| usize::try_from((seed >> (2 * item)) % 4).ok().filter(|to| *to < MEMBERS);
                self.owners = (0..ITEMS).filter_map(|item| Some((item, owner(item)?))).collect();
                for member in 0..MEMBERS {
                    self.tell(member);
                }
            }
            Step::Work(member) => drop(self.work(member)),
            Step::Take(member) => {
                if let Some((item, token)) = self.desks[member].hand_out() {
                    assert_eq!(self.claims.get(&item), Some(&(member, token)), "what is handed out is held");
                    self.hands[member].insert(item, token);
                }
            }
            Step::Release(member) => {
                if let Some((item, token)) = self.hands[member].pop_first() {
                    assert!(self.desks[member].let_go(&item, &token));
                    self.end(member, item, token);
                }
            }
            Step::Finish(member) => {
                if let Some((item, token)) = self.hands[member].pop_first() {
                    assert_eq!(self.claims.remove(&item), Some((member, token)));
                    self.done.insert(item);
                    self.desks[member].settled(&item, &token);
                    self.freed(item);
                }
            }
            Step::Expire(member) => {
                self.desks[member] = Desk::default();
                self.todo[member].clear();
                self.hands[member].clear();
                let theirs: Vec<u8> =
                    self.claims.iter().filter(|(_, (owner, _))| *owner == member).map(|(item, _)| *item).collect();
                for item in theirs {
                    self.claims.remove(&item);
                    self.freed(item);
                }
                self.tell(member);
            }
        }
    }
}

proptest! {
    #[test]
    fn what_is_assigned_is_held_in_the_end_and_by_its_owner_alone(steps in steps(), seed in any::<u64>()) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
        }
        world.step(Step::Assign(seed));
        // Users let go of what they are asked for, and everything that is under way ends.
        for _ in 0..100 {
            for member in 0..MEMBERS {
                while world.work(member) {}
                let strange: Vec<u8> = world.hands[member].keys().copied()
                    .filter(|item| world.owners.get(item) != Some(&member)).collect();
                for item in strange {
                    let token = world.hands[member][&item];
                    world.hands[member].remove(&item);
                    prop_assert!(world.desks[member].let_go(&item, &token));
                    world.end(member, item, token);
                }
            }
        }
        for item in 0..ITEMS {
            let held = world.claims.get(&item).map(|(member, _)| *member);
            let due = world.owners.get(&item).copied().filter(|_| !world.done.contains(&item));
            prop_assert_eq!(held, due, "item {}", item);
        }
        for (member, desk) in world.desks.iter().enumerate() {
            for (item, token) in desk.holds() {
                prop_assert_eq!(world.claims.get(&item), Some(&(member, token)));
            }
        }
    }
}
