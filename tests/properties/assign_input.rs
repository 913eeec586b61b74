//! Generated problems that the tests of assignments share, and the best answer to a small one, by trying them all.

use std::cmp::Ordering;

use proptest::prelude::*;
use sparkeeper::assign::{Eligible, Member, NONE, Problem, Strategy as How};

/// A problem that owns its columns.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    pub(crate) members: Vec<Member>,
    pub(crate) items: usize,
    pub(crate) weights: Option<Vec<u64>>,
    pub(crate) current: Option<Vec<u32>>,
    pub(crate) classes: Vec<Vec<u32>>,
    pub(crate) of: Option<Vec<u32>>,
    pub(crate) zones: Option<Vec<u32>>,
    pub(crate) priorities: Option<Vec<i64>>,
}

impl Input {
    pub(crate) fn problem(&self, strategy: How) -> Problem<'_> {
        Problem {
            strategy,
            members: &self.members,
            items: self.items,
            weights: self.weights.as_deref(),
            current: self.current.as_deref(),
            eligible: self.of.as_deref().map(|of| Eligible { classes: &self.classes, of }),
            zones: self.zones.as_deref(),
            priorities: self.priorities.as_deref(),
            keys: None,
        }
    }

    pub(crate) fn may(&self, item: usize, member: u32) -> bool {
        self.of
            .as_ref()
            .is_none_or(|of| self.classes.get(of[item] as usize).is_none_or(|class| class.contains(&member)))
    }

    fn weight(&self, item: usize) -> u64 {
        self.weights.as_ref().map_or(1, |weights| weights[item])
    }

    /// How full each item in its turn makes its member, fullest first; then what is outside its zone, then moves.
    pub(crate) fn quality(&self, owners: &[u32]) -> Quality {
        let mut loads = vec![0_u64; self.members.len()];
        for (item, &owner) in owners.iter().enumerate() {
            loads[owner as usize] += self.weight(item);
        }
        let allowed = owners.iter().enumerate().all(|(item, &owner)| self.may(item, owner))
            && loads.iter().zip(&self.members).all(|(load, member)| member.limit.is_none_or(|limit| *load <= limit));
        #[allow(clippy::cast_precision_loss)]
        let mut fill: Vec<f64> = loads
            .iter()
            .zip(&self.members)
            .flat_map(|(load, member)| (1..=*load).map(|place| place as f64 / member.capacity))
            .collect();
        fill.sort_by(|a, b| b.total_cmp(a));
        let outside = |item: usize, owner: u32| {
            self.zones
                .as_ref()
                .is_some_and(|zones| zones[item] != NONE && zones[item] != self.members[owner as usize].zone)
        };
        let count = |test: &dyn Fn(usize, u32) -> bool| {
            owners.iter().enumerate().filter(|(item, owner)| test(*item, **owner)).count() as u64
        };
        let moved = |item: usize, owner: u32| self.current.as_ref().is_none_or(|current| current[item] != owner);
        Quality { allowed, fill, outside: count(&outside), moves: count(&moved) }
    }

    /// The best of all assignments; `None` when none is allowed.
    pub(crate) fn best(&self) -> Option<Quality> {
        let members = u32::try_from(self.members.len()).unwrap_or(u32::MAX);
        let mut owners = vec![0; self.items];
        let mut best: Option<Quality> = None;
        loop {
            let quality = self.quality(&owners);
            if quality.allowed && best.as_ref().is_none_or(|best| quality.compare(best) == Ordering::Less) {
                best = Some(quality);
            }
            let Some(digit) = owners.iter().position(|owner| owner + 1 < members) else { return best };
            owners[..digit].fill(0);
            owners[digit] += 1;
        }
    }
}

/// How good an assignment is: the lesser the better.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Quality {
    pub(crate) allowed: bool,
    pub(crate) fill: Vec<f64>,
    pub(crate) outside: u64,
    pub(crate) moves: u64,
}

impl Quality {
    fn compare(&self, other: &Self) -> Ordering {
        let fill = self.fill.iter().zip(&other.fill).map(|(a, b)| a.total_cmp(b)).find(|order| order.is_ne());
        fill.unwrap_or(Ordering::Equal).then(self.outside.cmp(&other.outside)).then(self.moves.cmp(&other.moves))
    }
}

/// Sizes whose quotients are exact, so that the brute force above compares without rounding.
fn capacity() -> impl Strategy<Value = f64> {
    prop::sample::select(vec![1.0, 1.0, 2.0, 4.0, 0.5])
}

pub(crate) fn member(limits: bool) -> impl Strategy<Value = Member> {
    let limit = if limits { prop::option::weighted(0.3, 0..4_u64).boxed() } else { Just(None).boxed() };
    (capacity(), limit, 0..3_u32, 0..3_i64).prop_map(|(capacity, limit, zone, priority)| Member {
        capacity,
        limit,
        zone: if zone == 2 { NONE } else { zone },
        priority,
        ..Member::default()
    })
}

/// A problem of `items` and `members` at most, with everything that can be asked for without weights.
pub(crate) fn constrained(items: usize, members: usize) -> impl Strategy<Value = Input> {
    (1..=members, 0..=items).prop_flat_map(|(members, items)| {
        let some = u32::try_from(members).unwrap_or(u32::MAX);
        let owner = prop_oneof![4 => 0..some, 1 => Just(NONE), 1 => Just(some + 3)];
        let class = prop::collection::vec(0..some, 1..=members);
        let zone = prop_oneof![0..3_u32, Just(NONE)];
        (
            prop::collection::vec(member(true), members),
            prop::option::of(prop::collection::vec(owner, items)),
            prop::collection::vec(class, 3),
            prop::option::weighted(0.8, prop::collection::vec(prop_oneof![6 => 0..3_u32, 1 => Just(NONE)], items)),
            prop::option::of(prop::collection::vec(zone, items)),
        )
            .prop_map(move |(members, current, classes, of, zones)| Input {
                members,
                items,
                weights: None,
                current,
                classes,
                of,
                zones,
                priorities: None,
            })
    })
}
