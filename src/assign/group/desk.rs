//! What one member holds, waits for and should let go of, as a state machine. Pure.
//!
//! It is told what happened and answers what to do. Exclusion does not rest on it: a claim is what the server granted.
//! It sees to the rest: an item of ours is asked for until it is ours, and one that is ours no more is let go of,
//! at once where nobody works on it, else when the user does.

use std::collections::{BTreeMap, BTreeSet};

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action<K, C> {
    /// Try to claim the item.
    Claim(K),
    /// Wait until whoever has the item lets go of it.
    Watch(K),
    /// Stop waiting for it.
    Unwatch(K),
    /// Let go of a claim; say so when its nodes are gone.
    Release(K, C),
    /// Tell the user that the claim is wanted elsewhere.
    Ask(C),
    /// Tell it that it is not, any more.
    Unask(C),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Slot<C> {
    /// A try is under way.
    Claiming,
    /// Another has it.
    Blocked,
    /// Ours, and nobody works on it.
    Ready(C),
    /// Ours, and the user has it; whether it was asked to let go.
    InHand(C, bool),
    /// Its nodes are being deleted.
    Ending,
}

/// The state of one member in one session.
#[derive(Clone, Debug)]
pub struct Desk<K, C> {
    /// In the order of work.
    wanted: Vec<K>,
    /// The same, to look up.
    ours: BTreeSet<K>,
    slots: BTreeMap<K, Slot<C>>,
    done: BTreeSet<K>,
}

impl<K, C> Default for Desk<K, C> {
    fn default() -> Self {
        Self { wanted: Vec::new(), ours: BTreeSet::new(), slots: BTreeMap::new(), done: BTreeSet::new() }
    }
}

impl<K: Ord + Clone, C: Clone + PartialEq> Desk<K, C> {
    /// These are ours by now, in the order of work.
    pub fn assigned(&mut self, wanted: Vec<K>) -> Vec<Action<K, C>> {
        self.ours = wanted.iter().cloned().collect();
        self.wanted = wanted;
        let mut actions = Vec::new();
        let held: Vec<K> = self.slots.keys().cloned().collect();
        for item in held {
            let ours = self.ours.contains(&item);
            match self.slots.get_mut(&item) {
                Some(Slot::Blocked) if !ours => {
                    self.slots.remove(&item);
                    actions.push(Action::Unwatch(item));
                }
                Some(slot @ Slot::Ready(_)) if !ours => {
                    if let Slot::Ready(claim) = std::mem::replace(slot, Slot::Ending) {
                        actions.push(Action::Release(item, claim));
                    }
                }
                Some(Slot::InHand(claim, asked)) if *asked == ours => {
                    *asked = !ours;
                    let claim = claim.clone();
                    actions.push(if ours { Action::Unask(claim) } else { Action::Ask(claim) });
                }
                _ => {}
            }
        }
        let missing: Vec<K> = self.wanted.iter().filter(|item| !self.slots.contains_key(item)).cloned().collect();
        actions.extend(missing.into_iter().filter_map(|item| self.claim(item)));
        actions
    }

    /// The try ended with a claim.
    pub fn granted(&mut self, item: K, claim: C) -> Vec<Action<K, C>> {
        if self.is_wanted(&item) {
            self.slots.insert(item, Slot::Ready(claim));
            return Vec::new();
        }
        self.slots.insert(item.clone(), Slot::Ending);
        vec![Action::Release(item, claim)]
    }

    /// The try found that another has it.
    pub fn taken(&mut self, item: K) -> Vec<Action<K, C>> {
        if self.is_wanted(&item) {
            self.slots.insert(item.clone(), Slot::Blocked);
            return vec![Action::Watch(item)];
        }
        self.slots.remove(&item);
        Vec::new()
    }

    /// The try failed for another reason, and is to be repeated after a while: say `free` then.
    pub fn failed(&mut self, item: K) {
        if self.slots.get(&item) == Some(&Slot::Claiming) {
            self.slots.insert(item, Slot::Blocked);
        }
    }

    /// It may be tried again: whoever had the item let go of it. A watch or a pause of an earlier assignment may say so
    /// while a try is under way; a second beside it would find our own claim, and take it for another's.
    pub fn free(&mut self, item: K) -> Vec<Action<K, C>> {
        if self.slots.get(&item) != Some(&Slot::Blocked) {
            return Vec::new();
        }
        self.again(item)
    }

    /// These are done: they are asked for no more.
    pub fn finished(&mut self, items: impl IntoIterator<Item = K>) -> Vec<Action<K, C>> {
        let mut actions = Vec::new();
        for item in items {
            match self.slots.get(&item) {
                Some(Slot::Blocked) => {
                    self.slots.remove(&item);
                    actions.push(Action::Unwatch(item.clone()));
                }
                // The try ended with this.
                Some(Slot::Claiming) => drop(self.slots.remove(&item)),
                _ => {}
            }
            self.done.insert(item);
        }
        actions
    }

    /// The user finished it: its claim went in the same step.
    pub fn settled(&mut self, item: &K, claim: &C) {
        if self.has(item, claim) {
            self.slots.remove(item);
        }
        self.done.insert(item.clone());
    }

    /// The next that the user can work on. Replies do not come in order: an earlier one that is asked for is waited for.
    pub fn hand_out(&mut self) -> Option<(K, C)> {
        let next = |item: &&K| matches!(self.slots.get(item), Some(Slot::Ready(_) | Slot::Claiming));
        let ready = self.wanted.iter().find(next)?.clone();
        if self.slots.get(&ready) == Some(&Slot::Claiming) {
            return None;
        }
        let Some(Slot::Ready(claim)) = self.slots.remove(&ready) else { return None };
        self.slots.insert(ready.clone(), Slot::InHand(claim.clone(), false));
        Some((ready, claim))
    }

    /// It never reached the user.
    pub fn put_back(&mut self, item: K, claim: C) -> Vec<Action<K, C>> {
        let in_hand = matches!(self.slots.get(&item), Some(Slot::InHand(held, _)) if *held == claim);
        if in_hand { self.granted(item, claim) } else { Vec::new() }
    }

    /// The user lets go of it; false where it is not in its hand.
    pub fn let_go(&mut self, item: &K, claim: &C) -> bool {
        let in_hand = self.has(item, claim);
        if in_hand {
            self.slots.insert(item.clone(), Slot::Ending);
        }
        in_hand
    }

    /// The nodes of a claim that was let go of are gone.
    pub fn ended(&mut self, item: K) -> Vec<Action<K, C>> {
        if self.slots.get(&item) != Some(&Slot::Ending) {
            return Vec::new();
        }
        self.again(item)
    }

    /// The claim was lost.
    pub fn lost(&mut self, item: K, claim: &C) -> Vec<Action<K, C>> {
        if self.has(&item, claim) { self.again(item) } else { Vec::new() }
    }

    /// Everything that we hold.
    #[must_use]
    pub fn holds(&self) -> Vec<(K, C)> {
        let held = |(item, slot): (&K, &Slot<C>)| match slot {
            Slot::Ready(claim) | Slot::InHand(claim, _) => Some((item.clone(), claim.clone())),
            Slot::Claiming | Slot::Blocked | Slot::Ending => None,
        };
        self.slots.iter().filter_map(held).collect()
    }

    /// True where nothing is held, tried, waited for or being let go of.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// True while the nodes of the last claim on it are being deleted.
    #[must_use]
    pub fn is_ending(&self, item: &K) -> bool {
        self.slots.get(item) == Some(&Slot::Ending)
    }

    /// What is in the user's hands.
    #[must_use]
    pub fn in_hand(&self) -> Vec<K> {
        let mine = self.slots.iter().filter(|(_, slot)| matches!(slot, Slot::InHand(..)));
        mine.map(|(item, _)| item.clone()).collect()
    }

    fn has(&self, item: &K, claim: &C) -> bool {
        matches!(self.slots.get(item), Some(Slot::Ready(held) | Slot::InHand(held, _)) if held == claim)
    }

    fn is_wanted(&self, item: &K) -> bool {
        self.ours.contains(item) && !self.done.contains(item)
    }

    fn again(&mut self, item: K) -> Vec<Action<K, C>> {
        self.slots.remove(&item);
        self.claim(item).into_iter().collect()
    }

    fn claim(&mut self, item: K) -> Option<Action<K, C>> {
        if !self.is_wanted(&item) {
            return None;
        }
        self.slots.insert(item.clone(), Slot::Claiming);
        Some(Action::Claim(item))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_word_that_it_is_free_starts_no_second_try() {
        let mut desk: Desk<u8, u8> = Desk::default();
        assert_eq!(desk.assigned(vec![3]), [Action::Claim(3)]);
        assert_eq!(desk.taken(3), [Action::Watch(3)]);
        assert_eq!(desk.assigned(vec![]), [Action::Unwatch(3)]);
        assert_eq!(desk.assigned(vec![3]), [Action::Claim(3)]);
        // The watch had fired before it was taken away.
        assert_eq!(desk.free(3), []);
        assert_eq!(desk.granted(3, 7), []);
        assert_eq!(desk.holds(), [(3, 7)]);
    }
}
