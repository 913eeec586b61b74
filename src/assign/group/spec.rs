//! What a group divides, and how: the same for all its members. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::balance::balance;
use super::card::Card;
use super::item::Item;
use crate::assign::Strategy;
use crate::error::{Error, Result};
use crate::session::MAX_REQUEST;

/// A member claims what it is assigned in about a millisecond an item: more would outlast sessions.
const MOST: usize = 10_000;

/// How many names of differing items a message has.
const SHOWN: usize = 3;

/// The shortest and the longest quiet period.
const QUIET: std::ops::RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(60);

/// The document in `<path>/spec`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// What is divided, in the order of work.
    pub items: Vec<Item>,
    /// How heavy each is, in the order of the items.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<Vec<u64>>,
    /// Higher ones go first, under the strategy `priority`, in the order of the items.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priorities: Option<Vec<i64>>,
    /// Where each would like to be, in the order of the items.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zones: Option<Vec<Option<String>>>,
    /// By which rule.
    pub strategy: Strategy,
    /// How long to wait for others after a coming or going, in milliseconds.
    pub quiet: u64,
}

/// What to change of a spec; `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// Other items.
    pub items: Option<Vec<Item>>,
    /// Other weights; an empty column takes them away, here and below.
    pub weights: Option<Vec<u64>>,
    /// Other priorities.
    pub priorities: Option<Vec<i64>>,
    /// Other zones.
    pub zones: Option<Vec<Option<String>>>,
    /// Another rule.
    pub strategy: Option<Strategy>,
    /// Another quiet period.
    pub quiet: Option<u64>,
}

impl Change {
    /// # Errors
    /// `Config` where no group can be as it says.
    pub fn check(&self, group: &str) -> Result<()> {
        if self.items.is_some() {
            Spec { quiet: super::QUIET, ..Spec::default() }.changed(group, self)?;
        }
        Ok(())
    }
}

impl Spec {
    /// # Errors
    /// `Config` where it makes no sense.
    pub fn check(&self, group: &str) -> Result<()> {
        let refuse = |why: String| Err(Error::config(format!("partitions '{group}': {why}")));
        if self.items.is_empty() {
            return refuse("no items: there is nothing to divide; give one at least".to_owned());
        }
        if self.items.len() > MOST {
            return refuse(format!(
                "{} items: a group divides {MOST} at most; divide coarser items, or use several groups",
                self.items.len()
            ));
        }
        let mut seen = HashSet::new();
        if let Some(twice) = self.items.iter().find(|item| !seen.insert(item.name())) {
            return refuse(format!("item {} is given twice; give each once", twice.text()));
        }
        let names: usize = self.items.iter().map(|item| item.name().len() + 4).sum();
        if names > MAX_REQUEST - 4096 {
            return refuse(format!(
                "the names of {} items have {names} bytes, and a server lists {MAX_REQUEST} in one reply; divide \
                 coarser items, or use several groups",
                self.items.len()
            ));
        }
        let lengths = [
            ("weights", self.weights.as_ref().map(Vec::len)),
            ("priorities", self.priorities.as_ref().map(Vec::len)),
            ("zones", self.zones.as_ref().map(Vec::len)),
        ];
        for (what, length) in lengths {
            if let Some(length) = length.filter(|length| *length != self.items.len()) {
                return refuse(format!("{length} {what} for {} items; give one for each", self.items.len()));
            }
        }
        if self.priorities.is_some() && self.strategy != Strategy::Priority {
            return refuse(format!(
                "priorities have no effect under the strategy \"{}\": leave them out (in update, priorities=[] takes \
                 them away), or use \"priority\"",
                self.strategy.name()
            ));
        }
        if !QUIET.contains(&self.quiet()) {
            return refuse(format!("quiet={:?}: give from {:?} to {:?}", self.quiet(), QUIET.start(), QUIET.end()));
        }
        // What could not be divided for one member, such as zones under a strategy that knows none, never can be.
        let anybody = BTreeMap::from([(String::new(), Card::default())]);
        match balance(self, &anybody, &BTreeSet::new(), None) {
            Ok(_) => Ok(()),
            Err(why) => refuse(why.to_string()),
        }
    }

    /// Whether all items are among the names of what is done.
    #[must_use]
    pub fn is_done(&self, done: &BTreeSet<String>) -> bool {
        self.items.iter().all(|item| done.contains(item.name()))
    }

    /// How long to wait for others after a coming or going.
    #[must_use]
    pub fn quiet(&self) -> Duration {
        Duration::from_millis(self.quiet)
    }

    /// With some of it changed.
    ///
    /// # Errors
    /// `Config` where that makes no sense.
    pub fn changed(&self, group: &str, change: &Change) -> Result<Self> {
        let changed = Self {
            items: change.items.clone().unwrap_or_else(|| self.items.clone()),
            weights: self.carried(change, change.weights.as_ref(), self.weights.as_ref(), &1),
            priorities: self.carried(change, change.priorities.as_ref(), self.priorities.as_ref(), &0),
            zones: self.carried(change, change.zones.as_ref(), self.zones.as_ref(), &None),
            strategy: change.strategy.unwrap_or(self.strategy),
            quiet: change.quiet.unwrap_or(self.quiet),
        };
        changed.check(group)?;
        Ok(changed)
    }

    /// A column of the changed spec. Values are given by position, so those of other items are found by item.
    fn carried<T: Clone>(
        &self,
        change: &Change,
        asked: Option<&Vec<T>>,
        column: Option<&Vec<T>>,
        new: &T,
    ) -> Option<Vec<T>> {
        match (asked, &change.items) {
            (Some(asked), _) => (!asked.is_empty()).then(|| asked.clone()),
            (None, None) => column.cloned(),
            (None, Some(items)) => column.map(|column| {
                let known: HashMap<_, _> = self.items.iter().zip(column).collect();
                items.iter().map(|item| known.get(item).map_or_else(|| new.clone(), |&known| known.clone())).collect()
            }),
        }
    }

    /// What a handle asks for that differs from what is published; `None` where nothing does.
    #[must_use]
    pub fn difference(&self, asked: &Change) -> Option<String> {
        let mut found = Vec::new();
        if let Some(items) = asked.items.as_ref().filter(|items| **items != self.items) {
            let (theirs, ours): (HashSet<_>, HashSet<_>) = (self.items.iter().collect(), items.iter().collect());
            let show = |only: &[&Item]| {
                let shown: Vec<_> = only.iter().take(SHOWN).map(|item| item.text()).collect();
                format!("{}{}", shown.join(", "), if only.len() > SHOWN { ", …" } else { "" })
            };
            let more: Vec<_> = items.iter().filter(|item| !theirs.contains(item)).collect();
            let missing: Vec<_> = self.items.iter().filter(|item| !ours.contains(item)).collect();
            found.push(match (more.is_empty(), missing.is_empty()) {
                (true, true) => "items: the same in another order".to_owned(),
                (more_is_empty, _) => {
                    let (what, which) = if more_is_empty { ("missing here", missing) } else { ("not published", more) };
                    format!("items: {} published, {} given ({what}: {})", self.items.len(), items.len(), show(&which))
                }
            });
        }
        if differs(asked.weights.as_ref(), self.weights.as_ref()) {
            found.push("weights".to_owned());
        }
        if differs(asked.priorities.as_ref(), self.priorities.as_ref()) {
            found.push("priorities".to_owned());
        }
        if differs(asked.zones.as_ref(), self.zones.as_ref()) {
            found.push("zones".to_owned());
        }
        if let Some(strategy) = asked.strategy.filter(|strategy| *strategy != self.strategy) {
            found.push(format!("strategy: {} published, {} given", self.strategy.name(), strategy.name()));
        }
        if let Some(quiet) = asked.quiet.filter(|quiet| *quiet != self.quiet) {
            found.push(format!("quiet: {} ms published, {quiet} ms given", self.quiet));
        }
        (!found.is_empty()).then(|| found.join("; "))
    }
}

/// Whether a column is asked for that is not the published one; an empty one is none.
fn differs<T: PartialEq>(asked: Option<&Vec<T>>, published: Option<&Vec<T>>) -> bool {
    asked.is_some_and(|asked| Some(asked).filter(|asked| !asked.is_empty()) != published)
}
