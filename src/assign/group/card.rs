//! What a member says of itself, in its node. Pure.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::spec::Spec;
use crate::assign::Strategy;
use crate::error::{Error, Result};

/// The longest reservation: a hundred years.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 86_400);

/// A member's card.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Card {
    /// Its size beside the others'.
    pub capacity: f64,
    /// The most items that it takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Higher ones fill up first, under the strategy `priority`.
    pub priority: i64,
    /// How long its items wait for it after its session ended, in milliseconds.
    pub reserve: u64,
}

impl Default for Card {
    fn default() -> Self {
        Self { capacity: 1.0, limit: None, zone: None, priority: 0, reserve: 0 }
    }
}

impl Card {
    /// # Errors
    /// `Config` where a value makes no sense.
    pub fn check(&self) -> Result<()> {
        if !(self.capacity.is_finite() && self.capacity > 0.0) {
            return Err(Error::config(format!(
                "capacity={}: give a number above 0; a member that should get nothing has limit=0",
                self.capacity
            )));
        }
        if self.reserve() > LONGEST {
            return Err(Error::config(format!("static={:?}: give a hundred years at most", self.reserve())));
        }
        Ok(())
    }

    /// Refuses what would be without effect in a group: whoever says it expects one.
    ///
    /// # Errors
    /// `Config`.
    pub(super) fn check_used(&self, spec: &Spec) -> Result<()> {
        let refuse = |what: String| {
            Err(Error::config(format!(
                "{what} has no effect under the group's strategy \"{}\": leave it out, or change the strategy with update()",
                spec.strategy.name()
            )))
        };
        if self.priority != 0 && spec.strategy != Strategy::Priority {
            return refuse(format!("priority={}", self.priority));
        }
        #[expect(clippy::float_cmp, reason = "the default itself")]
        if self.capacity != 1.0 && spec.strategy == Strategy::RoundRobin {
            return refuse(format!("capacity={}", self.capacity));
        }
        Ok(())
    }

    /// As long as its items wait for it.
    #[must_use]
    pub fn reserve(&self) -> Duration {
        Duration::from_millis(self.reserve)
    }

    /// From a node's data. One that cannot be read counts as an ordinary member, which is what a foreign node is.
    #[must_use]
    pub fn read(data: &[u8]) -> Self {
        serde_json::from_slice(data).ok().filter(|card: &Self| card.check().is_ok()).unwrap_or_default()
    }

    /// The node's data.
    ///
    /// # Errors
    /// `Config` where JSON cannot say it.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|why| Error::config(format!("a member's card: {why}")))
    }
}
