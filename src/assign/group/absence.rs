//! Members that are away and whose items wait for them. Pure.

use std::collections::{BTreeMap, HashMap};

use tokio::time::Instant;

use super::card::Card;

/// Since when which static member is away. A new leader counts from when it began to lead.
#[derive(Debug, Default)]
pub(super) struct Absence(HashMap<String, Instant>);

impl Absence {
    /// Whom to balance over: who is here, and of those in the last assignment who are expected back, with the names of
    /// the latter; and when the first of these is given up.
    pub(super) fn count_in(
        &mut self,
        here: &BTreeMap<String, Card>,
        before: &BTreeMap<String, Card>,
        now: Instant,
    ) -> (BTreeMap<String, Card>, Vec<String>, Option<Instant>) {
        self.0.retain(|id, _| before.contains_key(id) && !here.contains_key(id));
        let (mut all, mut absent, mut next) = (here.clone(), Vec::new(), None::<Instant>);
        for (id, card) in before.iter().filter(|(id, card)| card.reserve > 0 && !here.contains_key(*id)) {
            let until = *self.0.entry(id.clone()).or_insert(now) + card.reserve();
            if now < until {
                all.insert(id.clone(), card.clone());
                absent.push(id.clone());
                next = Some(next.map_or(until, |next| next.min(until)));
            }
        }
        (all, absent, next)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn cards(ids: &[(&str, u64)]) -> BTreeMap<String, Card> {
        ids.iter().map(|(id, reserve)| ((*id).to_owned(), Card { reserve: *reserve, ..Card::default() })).collect()
    }

    #[test]
    fn a_static_member_counts_for_its_delay_and_no_longer() {
        let mut absence = Absence::default();
        let (start, before) = (Instant::now(), cards(&[("a", 0), ("b", 1000), ("c", 0)]));
        let here = cards(&[("a", 0)]);
        let (all, absent, next) = absence.count_in(&here, &before, start);
        assert_eq!(all.keys().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((absent, next), (vec!["b".to_owned()], Some(start + Duration::from_secs(1))));
        let (all, absent, next) = absence.count_in(&here, &before, start + Duration::from_secs(1));
        assert_eq!((all, absent, next), (here, vec![], None));
    }

    #[test]
    fn each_absence_is_counted_from_its_beginning() {
        let mut absence = Absence::default();
        let (start, before) = (Instant::now(), cards(&[("b", 1000)]));
        let gone = BTreeMap::new();
        absence.count_in(&gone, &before, start);
        absence.count_in(&before, &before, start + Duration::from_millis(900));
        let (.., next) = absence.count_in(&gone, &before, start + Duration::from_millis(950));
        assert_eq!(next, Some(start + Duration::from_millis(1950)));
    }
}
