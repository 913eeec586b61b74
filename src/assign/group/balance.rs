//! From what the leader sees to the next assignment. Pure.
//!
//! Where the strategy looks at the present owners, items that are done leave the balance, so that an idle member takes
//! over waiting ones; and an owner's items keep their order, what it gains coming behind, so that what it sheds is what
//! it would have begun last. The others divide all items, so that a finished one moves nothing. Where the members' limits leave
//! no room for all, the first items that fit are divided, those with an owner before those without.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::card::Card;
use super::item::Item;
use super::published::Published;
use super::spec::Spec;
use crate::assign::{Assignment, Certificate, Member, NONE, Problem, Strategy, assign, key};
use crate::error::{Error, Result};

/// What each member is to work on, in the order of work.
pub(super) type Owners = BTreeMap<String, Vec<Item>>;

/// The next assignment.
#[derive(Debug, Default)]
pub(super) struct Balanced {
    /// Who is to work on what, without what is done.
    pub(super) owners: Owners,
    /// What that achieves; `None` where there is nobody or nothing.
    pub(super) certificate: Option<Certificate>,
    /// Why items are left over; `None` where none is.
    pub(super) unowned: Option<String>,
}

/// Divides what is not done.
///
/// # Errors
/// `Config` where not even one item fits.
pub(super) fn balance(
    spec: &Spec,
    members: &BTreeMap<String, Card>,
    done: &BTreeSet<String>,
    before: Option<&Published>,
) -> Result<Balanced> {
    let follows = matches!(spec.strategy, Strategy::Sticky | Strategy::Weighted);
    let mut items: Vec<usize> = (0..spec.items.len()).collect();
    if follows {
        items.retain(|at| !done.contains(spec.items[*at].name()));
    }
    let ranks = if follows { ranks(before) } else { HashMap::new() };
    let rank = |at: usize| ranks.get(&spec.items[at]).copied();
    items.sort_by_key(|at| rank(*at).unwrap_or(usize::MAX));
    let ids: Vec<&String> = members.keys().collect();
    if ids.is_empty() || items.is_empty() {
        return Ok(Balanced::default());
    }
    let owner = owners(before, &ids);
    let mut unowned = None;
    let solved = match solve(spec, members, &items, &owner) {
        Err(Error::Config(why)) => {
            let why = named(&why, &items, spec, &ids);
            items.sort_by_key(|at| !owner.contains_key(&spec.items[*at]));
            let (mut fits, mut over) = (0, items.len());
            while fits + 1 < over {
                let middle = usize::midpoint(fits, over);
                if solve(spec, members, &items[..middle], &owner).is_ok() { fits = middle } else { over = middle }
            }
            if fits == 0 {
                return Err(Error::config(why));
            }
            items.truncate(fits);
            unowned = Some(why);
            solve(spec, members, &items, &owner)?
        }
        solved => solved?,
    };
    let mut owners = Owners::new();
    let mut placed: Vec<_> = items.into_iter().zip(solved.owners).collect();
    placed.sort_by_key(|(at, to)| match rank(*at) {
        Some(rank) if owner.get(&spec.items[*at]) == Some(to) => (0, rank),
        _ => (1, *at),
    });
    for (at, owner) in placed {
        let item = &spec.items[at];
        if let Some(id) = ids.get(owner as usize).filter(|_| !done.contains(item.name())) {
            owners.entry((*id).clone()).or_default().push(item.clone());
        }
    }
    Ok(Balanced { owners, certificate: Some(solved.certificate), unowned })
}

/// A text that speaks of positions, such as "item 3", by names.
fn named(text: &str, items: &[usize], spec: &Spec, ids: &[&String]) -> String {
    let (mut said, mut before) = (String::new(), "");
    for word in text.split_inclusive(' ') {
        let digits = word.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(word.len());
        let position = word[..digits].parse::<usize>().ok();
        let name = position.and_then(|at| match before {
            "item " => items.get(at).map(|at| spec.items[*at].text().to_owned()),
            "member " => ids.get(at).map(|id| format!("'{id}'")),
            _ => None,
        });
        said.push_str(name.as_deref().unwrap_or(&word[..digits]));
        said.push_str(&word[digits..]);
        before = word;
    }
    said
}

/// Where each item is in its owner's order of work.
fn ranks(before: Option<&Published>) -> HashMap<&Item, usize> {
    before.iter().flat_map(|before| before.owners.values()).flat_map(|owned| owned.iter().zip(0..)).collect()
}

/// Who owns what by the last assignment, of those who still count.
fn owners<'a>(before: Option<&'a Published>, ids: &[&String]) -> HashMap<&'a Item, u32> {
    let mut found = HashMap::new();
    for (id, owned) in before.iter().flat_map(|before| &before.owners) {
        let at = ids.binary_search(&id).ok().and_then(|at| u32::try_from(at).ok());
        found.extend(at.into_iter().flat_map(|at| owned.iter().map(move |item| (item, at))));
    }
    found
}

fn solve(
    spec: &Spec,
    members: &BTreeMap<String, Card>,
    items: &[usize],
    owner: &HashMap<&Item, u32>,
) -> Result<Assignment> {
    let zones = zones(spec, members);
    let zone = |name: Option<&String>| name.and_then(|name| zones.get(name)).copied().unwrap_or(NONE);
    let members: Vec<Member> = members
        .iter()
        .map(|(id, card)| Member {
            capacity: card.capacity,
            limit: card.limit,
            zone: zone(card.zone.as_ref()),
            priority: card.priority,
            key: key(id.as_bytes()),
        })
        .collect();
    let pick =
        |values: &Option<Vec<u64>>| values.as_ref().map(|all| items.iter().map(|at| all[*at]).collect::<Vec<_>>());
    let weights = pick(&spec.weights);
    let priorities: Option<Vec<i64>> = spec.priorities.as_ref().map(|all| items.iter().map(|at| all[*at]).collect());
    let wanted: Option<Vec<u32>> =
        spec.zones.as_ref().map(|all| items.iter().map(|at| zone(all[*at].as_ref())).collect());
    let current: Vec<u32> = items.iter().map(|at| owner.get(&spec.items[*at]).copied().unwrap_or(NONE)).collect();
    let keys: Vec<u64> = items.iter().map(|at| key(spec.items[*at].text().as_bytes())).collect();
    assign(&Problem {
        strategy: spec.strategy,
        members: &members,
        items: items.len(),
        weights: weights.as_deref(),
        current: Some(&current),
        eligible: None,
        zones: wanted.as_deref(),
        priorities: priorities.as_deref(),
        keys: Some(&keys),
    })
}

/// Every zone that is named, by number.
fn zones<'a>(spec: &'a Spec, members: &'a BTreeMap<String, Card>) -> BTreeMap<&'a String, u32> {
    let named: BTreeSet<&String> = members
        .values()
        .filter_map(|card| card.zone.as_ref())
        .chain(spec.zones.iter().flatten().filter_map(Option::as_ref))
        .collect();
    named.into_iter().zip(0..).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec(items: usize) -> Spec {
        let items = (0..items).map(|item| Item::new(&json!(item))).collect();
        Spec { items, ..Spec::default() }
    }

    fn members(count: usize, card: &Card) -> BTreeMap<String, Card> {
        (0..count).map(|at| (format!("m{at}"), card.clone())).collect()
    }

    fn published(owners: Owners, members: BTreeMap<String, Card>) -> Published {
        let (spec, absent) = (String::new(), Vec::new());
        Published { generation: 1, term: 1, spec, members, absent, owners, unowned: None, certificate: None }
    }

    fn moved(before: &Owners, after: &Owners) -> usize {
        let of = |owners: &Owners| -> HashMap<Item, String> {
            owners.iter().flat_map(|(id, items)| items.iter().map(|item| (item.clone(), id.clone()))).collect()
        };
        let before = of(before);
        of(after).iter().filter(|(item, id)| before.get(*item) != Some(*id)).count()
    }

    #[test]
    fn a_thousand_over_ten_move_as_few_as_can_be() {
        let (spec, done, card) = (spec(1000), BTreeSet::new(), Card::default());
        let first = balance(&spec, &members(10, &card), &done, None).expect("room").owners;
        assert!(first.values().all(|items| items.len() == 100));
        let before = published(first.clone(), members(10, &card));
        let same = balance(&spec, &members(10, &card), &done, Some(&before)).expect("room").owners;
        assert_eq!(same, first);
        let less = balance(&spec, &members(9, &card), &done, Some(&before)).expect("room");
        assert_eq!((moved(&first, &less.owners), less.certificate.map(|found| found.moves)), (100, Some(100)));
        let more = balance(&spec, &members(11, &card), &done, Some(&before)).expect("room").owners;
        assert_eq!(moved(&first, &more), 90);
    }

    #[test]
    fn the_first_in_the_order_of_work_are_kept() {
        let (spec, done, card) = (spec(8), BTreeSet::new(), Card::default());
        let first = balance(&spec, &members(1, &card), &done, None).expect("room").owners;
        let before = published(first, members(1, &card));
        let shared = balance(&spec, &members(2, &card), &done, Some(&before)).expect("room").owners;
        assert_eq!(shared["m0"], spec.items[..4]);
    }

    #[test]
    fn what_was_gained_last_goes_first() {
        let (spec, done, card) = (spec(9), BTreeSet::new(), Card::default());
        let first = balance(&spec, &members(3, &card), &done, None).expect("room").owners;
        let mut two = members(3, &card);
        two.remove("m0");
        let shared =
            balance(&spec, &two, &done, Some(&published(first.clone(), members(3, &card)))).expect("room").owners;
        assert_eq!(shared["m2"][..3], first["m2"], "what it had is worked on first");
        let back = balance(&spec, &members(3, &card), &done, Some(&published(shared, two))).expect("room").owners;
        assert_eq!((&back["m1"], &back["m2"]), (&first["m1"], &first["m2"]));
    }

    #[test]
    fn what_is_done_leaves_the_balance() {
        let (spec, card) = (spec(8), Card::default());
        let first = balance(&spec, &members(2, &card), &BTreeSet::new(), None).expect("room").owners;
        let done = first["m0"].iter().map(|item| item.name().to_owned()).collect();
        let before = published(first, members(2, &card));
        let after = balance(&spec, &members(2, &card), &done, Some(&before)).expect("room").owners;
        assert_eq!((after["m0"].len(), after["m1"].len()), (2, 2));
    }

    #[test]
    fn limits_leave_over_what_does_not_fit_and_keep_what_is_owned() {
        let (spec, done, card) = (spec(10), BTreeSet::new(), Card { limit: Some(3), ..Card::default() });
        let first = balance(&spec, &members(2, &card), &done, None).expect("room");
        assert_eq!(first.owners.values().map(Vec::len).sum::<usize>(), 6);
        assert!(first.unowned.is_some_and(|why| why.contains("limits of the 2 members hold 6 in all")));
        let before = published(first.owners.clone(), members(2, &card));
        let again = balance(&spec, &members(2, &card), &done, Some(&before)).expect("room");
        assert_eq!(again.owners, first.owners);
        let none = Card { limit: Some(0), ..card };
        assert!(balance(&spec, &members(2, &none), &done, None).is_err());
        assert_eq!(balance(&spec, &members(4, &Card::default()), &done, None).expect("room").unowned, None);
    }

    #[test]
    fn what_is_left_over_is_told_by_names() {
        let items = ["light", "heavy"].iter().map(|item| Item::new(&json!(item))).collect();
        let spec = Spec { items, weights: Some(vec![1, 9]), ..Spec::default() };
        let card = Card { limit: Some(5), ..Card::default() };
        let unowned = balance(&spec, &members(1, &card), &BTreeSet::new(), None).expect("room").unowned;
        assert!(
            unowned.as_ref().is_some_and(|why| why.contains("\"heavy\"") && !why.contains("item 1")),
            "{unowned:?}"
        );
    }
}
