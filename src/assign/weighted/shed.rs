//! Who keeps what: current owners up to what is near enough to the bound.

use std::cmp::Reverse;

use super::super::problem::NONE;
use super::{Draft, Task};

impl Task<'_> {
    /// Leaves items with their owners, but for the fewest that bring every member to `most` or below.
    ///
    /// Heaviest first is fewest; of the last one the lightest that suffices goes, so that the least weight moves.
    /// An item outside the zone that it asks for is placed anew, because zones come before moves.
    pub(super) fn shed(&self, most: impl Fn(usize) -> u64) -> Draft {
        let members = self.problem.members.len();
        let mut draft = Draft { owners: vec![NONE; self.weights.len()], loads: vec![0; members] };
        let mut items: Vec<Vec<usize>> = vec![Vec::new(); members];
        for item in 0..self.weights.len() {
            if let Some(owner) = self.problem.keeper(item)
                && !self.problem.out_of_zone(item, owner)
            {
                draft.give(item, owner, self.weights[item]);
                items[owner as usize].push(item);
            }
        }
        for (member, items) in items.iter_mut().enumerate() {
            let enough = most(member);
            if draft.loads[member] <= enough {
                continue;
            }
            items.sort_by_key(|&item| Reverse(self.weights[item]));
            let mut rest = items.as_slice();
            while let Some((&heaviest, lighter)) = rest.split_first()
                && draft.loads[member] > enough
            {
                let over = draft.loads[member] - enough;
                let suffice = rest.partition_point(|&item| self.weights[item] >= over);
                let gone = if suffice > 0 { rest[suffice - 1] } else { heaviest };
                draft.loads[member] -= self.weights[gone];
                draft.owners[gone] = NONE;
                rest = lighter;
            }
        }
        draft
    }
}
