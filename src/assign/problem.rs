//! What there is to assign, to whom, and within which limits: plain slices, by position.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::capacity::Capacities;
use crate::error::{Error, Result};

/// Nobody, or nowhere: an item without an owner, an item that prefers no zone, an item open to all.
pub const NONE: u32 = u32::MAX;

/// How the owners are chosen.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The best balance from scratch: the article's `load_balance = tasks / executors`, rounded up or down.
    Average,
    /// The best balance, then the fewest items out of their zone, then the fewest moves.
    #[default]
    Sticky,
    /// Neighbours stay together: each member gets one run of items.
    Range,
    /// One item each in turn.
    RoundRobin,
    /// High items first, to the least loaded member of the highest class that has room.
    Priority,
    /// The lightest heaviest load, near the current owners.
    Weighted,
    /// Highest random weight: who owns an item depends on nothing but the names.
    Rendezvous,
}

impl Strategy {
    /// Every strategy, by the name that users write.
    pub const ALL: [Self; 7] =
        [Self::Average, Self::Sticky, Self::Range, Self::RoundRobin, Self::Priority, Self::Weighted, Self::Rendezvous];

    /// The name that users write.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Average => "average",
            Self::Sticky => "sticky",
            Self::Range => "range",
            Self::RoundRobin => "round_robin",
            Self::Priority => "priority",
            Self::Weighted => "weighted",
            Self::Rendezvous => "rendezvous",
        }
    }

    /// The strategy of this name.
    pub fn named(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|strategy| strategy.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::config(format!("there is no strategy {name:?}: choose one of {names}"))
        })
    }
}

/// Somebody who can own items.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Member {
    /// Relative size: a member with 2.0 carries twice as much as one with 1.0. Finite and above 0.
    pub capacity: f64,
    /// The most it may own, in items, or in weight where items have weights.
    pub limit: Option<u64>,
    /// Where it is: [`NONE`] is nowhere in particular.
    pub zone: u32,
    /// Under [`Strategy::Priority`], higher members fill up first.
    pub priority: i64,
    /// [`key`] of its name, for [`Strategy::Rendezvous`].
    pub key: u64,
}

impl Default for Member {
    fn default() -> Self {
        Self { capacity: 1.0, limit: None, zone: NONE, priority: 0, key: 0 }
    }
}

/// Which members each item may go to; items with the same choice share a class.
#[derive(Clone, Copy, Debug)]
pub struct Eligible<'a> {
    /// The members of each class, by position.
    pub classes: &'a [Vec<u32>],
    /// The class of each item; [`NONE`] may go to every member.
    pub of: &'a [u32],
}

/// Everything that an assignment depends on; [`super::assign`] solves it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Problem<'a> {
    /// How the owners are chosen.
    pub strategy: Strategy,
    /// Who can own items, by position.
    pub members: &'a [Member],
    /// How many items there are; they go by their position from 0.
    pub items: usize,
    /// What each item weighs; without, each weighs 1 and loads are counts.
    pub weights: Option<&'a [u64]>,
    /// Who owns each item now; a number that is no member, as [`NONE`], is nobody.
    pub current: Option<&'a [u32]>,
    /// Which members each item may go to; without, to all.
    pub eligible: Option<Eligible<'a>>,
    /// The zone that each item would like to be in; [`NONE`] does not mind.
    pub zones: Option<&'a [u32]>,
    /// Under [`Strategy::Priority`], higher items are placed first.
    pub priorities: Option<&'a [i64]>,
    /// [`key`] of each item's name, for [`Strategy::Rendezvous`]; without, its position.
    pub keys: Option<&'a [u64]>,
}

impl<'a> Problem<'a> {
    /// What the item weighs.
    pub(super) fn weight(&self, item: usize) -> u64 {
        self.weights.map_or(1, |weights| weights[item])
    }

    /// The member that owns the item now and may keep it.
    pub(super) fn keeper(&self, item: usize) -> Option<u32> {
        let owner = self.current?[item];
        ((owner as usize) < self.members.len() && self.may(item, owner)).then_some(owner)
    }

    /// Whether the item may go to the member.
    pub(super) fn may(&self, item: usize, member: u32) -> bool {
        self.class(item).is_none_or(|class| class.contains(&member))
    }

    /// The only members that the item may go to; `None` is all.
    pub(super) fn class(&self, item: usize) -> Option<&'a [u32]> {
        let eligible = self.eligible?;
        eligible.classes.get(eligible.of[item] as usize).map(Vec::as_slice)
    }

    /// Whether the item would be outside the zone that it asks for.
    pub(super) fn out_of_zone(&self, item: usize, member: u32) -> bool {
        self.zones.is_some_and(|zones| zones[item] != NONE && zones[item] != self.members[member as usize].zone)
    }

    /// Whether who may own what differs between items, or where they like to be.
    pub(super) fn is_constrained(&self) -> bool {
        self.eligible.is_some() || self.zones.is_some()
    }

    /// Refuses what no strategy can work with; gives the sizes of the members as whole numbers.
    pub(super) fn check(&self) -> Result<Capacities> {
        if self.members.is_empty() {
            return Err(Error::config(format!(
                "cannot assign {} items to 0 members: give at least 1 member",
                self.items
            )));
        }
        if u32::try_from(self.members.len()).is_err() || u32::try_from(self.items).is_err() {
            return Err(Error::config(format!(
                "cannot assign {} items to {} members: the most of either is 2^32 - 1",
                self.items,
                self.members.len()
            )));
        }
        let lengths = [
            ("weights", self.weights.map(<[u64]>::len)),
            ("current owners", self.current.map(<[u32]>::len)),
            ("eligibilities", self.eligible.map(|eligible| eligible.of.len())),
            ("zones", self.zones.map(<[u32]>::len)),
            ("priorities", self.priorities.map(<[i64]>::len)),
            ("keys", self.keys.map(<[u64]>::len)),
        ];
        for (what, length) in lengths {
            if length.is_some_and(|length| length != self.items) {
                return Err(Error::config(format!(
                    "there are {} items and {} {what}: give one for each item",
                    self.items,
                    length.unwrap_or(0)
                )));
            }
        }
        self.check_eligible()?;
        if let Some(weights) = self.weights {
            total(weights)?;
        }
        Capacities::of(self.members)
    }

    fn check_eligible(&self) -> Result<()> {
        let Some(eligible) = self.eligible else { return Ok(()) };
        let members = self.members.len();
        for (number, class) in eligible.classes.iter().enumerate() {
            if let Some(member) = class.iter().find(|member| **member as usize >= members) {
                return Err(Error::config(format!(
                    "class {number} names member {member}, and there are {members}: members count from 0"
                )));
            }
        }
        for (item, &class) in eligible.of.iter().enumerate() {
            if class == NONE {
                continue;
            }
            match eligible.classes.get(class as usize) {
                None => return Err(Error::config(format!("item {item} is of class {class}, which does not exist"))),
                Some(class) if class.is_empty() => {
                    return Err(Error::config(format!(
                        "item {item} may go to no member: name at least one that is there in its `eligible`"
                    )));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// SHA-256, in hex, of all of it: equal for equal problems, and for no others.
    pub(super) fn digest(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(b"sparkeeper.assign.1\0");
        hash.update(self.strategy.name());
        hash.update([0]);
        hash.update((self.members.len() as u64).to_le_bytes());
        hash.update((self.items as u64).to_le_bytes());
        for member in self.members {
            hash.update(member.capacity.to_bits().to_le_bytes());
            hash.update([u8::from(member.limit.is_some())]);
            hash.update(member.limit.unwrap_or(0).to_le_bytes());
            hash.update(member.zone.to_le_bytes());
            hash.update(member.priority.to_le_bytes());
            hash.update(member.key.to_le_bytes());
        }
        column(&mut hash, self.weights, u64::to_le_bytes);
        column(&mut hash, self.current, u32::to_le_bytes);
        column(&mut hash, self.eligible.map(|eligible| eligible.of), u32::to_le_bytes);
        let classes = self.eligible.map_or(&[][..], |eligible| eligible.classes);
        hash.update((classes.len() as u64).to_le_bytes());
        for class in classes {
            hash.update((class.len() as u64).to_le_bytes());
            column(&mut hash, Some(class.as_slice()), u32::to_le_bytes);
        }
        column(&mut hash, self.zones, u32::to_le_bytes);
        column(&mut hash, self.priorities, i64::to_le_bytes);
        column(&mut hash, self.keys, u64::to_le_bytes);
        format!("{:x}", hash.finalize())
    }
}

/// A column by its bytes, in blocks: the hash is fed a million values faster than one by one.
fn column<T: Copy, const SIZE: usize>(hash: &mut Sha256, values: Option<&[T]>, bytes: impl Fn(T) -> [u8; SIZE]) {
    hash.update([u8::from(values.is_some())]);
    let mut block = Vec::with_capacity(SIZE * 4096);
    for values in values.unwrap_or(&[]).chunks(4096) {
        block.clear();
        for &value in values {
            block.extend_from_slice(&bytes(value));
        }
        hash.update(&block);
    }
}

/// The sum of the weights, or an error where it passes 64 bits: no later sum of loads can overflow.
pub(super) fn total(weights: &[u64]) -> Result<u64> {
    weights
        .iter()
        .try_fold(0_u64, |sum, weight| sum.checked_add(*weight))
        .ok_or_else(|| Error::config("the weights add up to more than 2^64 - 1: scale them down"))
}

/// A name as a number that is the same in every process and version: FNV-1a of its bytes, then mixed.
#[must_use]
pub fn key(name: &[u8]) -> u64 {
    let hash = name
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    mix(hash)
}

/// The finisher of `SplitMix64` (G. Steele, D. Lea, C. Flood, 2014): every input bit moves every output bit.
#[must_use]
pub(super) fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
