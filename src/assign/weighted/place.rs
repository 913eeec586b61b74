//! Longest processing time first: heaviest item first, to the member that it leaves least full.

use std::cmp::Reverse;

use super::super::capacity::Fraction;
use super::super::problem::NONE;
use super::pack::{self, Packing};
use super::{Draft, Task, lpt};
use crate::error::{Error, Result};

impl Task<'_> {
    /// Gives every item without an owner to a member, heaviest first; ties go by position.
    ///
    /// Takes `O(P log P + P log N)` where members are alike, else `O(P N)`. Where that finds no room under the limits,
    /// the items are packed instead. That is a hard problem: where there are many items it may fail although they fit.
    pub(super) fn place(&self, draft: &mut Draft) -> Result<()> {
        let mut items: Vec<usize> = (0..self.weights.len()).filter(|&item| draft.owners[item] == NONE).collect();
        items.sort_by_key(|&item| Reverse(self.weights[item]));
        if self.uniform {
            lpt::lpt(self.weights, &items, &mut draft.owners, &mut draft.loads);
            return Ok(());
        }
        let everybody: Vec<u32> = (0..).take(self.problem.members.len()).collect();
        let before = draft.clone();
        for &item in &items {
            let choice = self.problem.class(item).unwrap_or(&everybody);
            let Some(owner) = self.choose(draft, item, choice) else {
                *draft = before;
                return self.pack(draft, &items, item);
            };
            draft.give(item, owner, self.weights[item]);
        }
        Ok(())
    }

    /// Packs the items, of which `stuck` found no room when each went where it was best for the balance.
    fn pack(&self, draft: &mut Draft, items: &[usize], stuck: usize) -> Result<()> {
        let doubt = match pack::pack(self, &draft.loads, items) {
            Packing::Found(members) => {
                for (&item, owner) in items.iter().zip(members) {
                    draft.give(item, owner, self.weights[item]);
                }
                return Ok(());
            }
            Packing::Impossible => "no other arrangement fits either",
            Packing::Unknown => "with weights this is a packing problem, and a fit may exist that was not found",
        };
        let members = self.problem.class(stuck).map_or(self.problem.members.len(), <[u32]>::len);
        Err(Error::config(format!(
            "found no room for item {stuck} of weight {} under the limits of the {members} members it may go to: \
             raise a limit, or let items go to more members ({doubt})",
            self.weights[stuck]
        )))
    }

    /// In the zone while that stays near enough to the bound, then the current owner likewise, then the least full.
    fn choose(&self, draft: &Draft, item: usize, choice: &[u32]) -> Option<u32> {
        let after = |member: u32| draft.loads[member as usize].saturating_add(self.weights[item]);
        let least_full = |near: bool, zone: bool| {
            choice
                .iter()
                .copied()
                .filter(|&member| {
                    let most = if near { self.enough(member as usize) } else { self.limit(member as usize) };
                    after(member) <= most && !(zone && self.problem.out_of_zone(item, member))
                })
                .min_by_key(|&member| (Fraction(after(member), self.capacities.units[member as usize]), member))
        };
        let asks = self.problem.zones.is_some_and(|zones| zones[item] != NONE);
        let inside = if asks { least_full(true, true) } else { None };
        let stay = || {
            let owner = if asks { self.problem.keeper(item) } else { None };
            owner.filter(|&owner| after(owner) <= self.enough(owner as usize))
        };
        inside.or_else(stay).or_else(|| least_full(false, false))
    }
}
