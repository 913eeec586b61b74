//! How full a member is: its load over its capacity.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Load over capacity: exact where every capacity is 1.0, else to the precision of a float.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Load {
    /// Every capacity is 1.0: the load itself.
    Whole(u64),
    /// Load divided by capacity.
    Ratio(f64),
}

impl Load {
    /// As a float; loads of 2^53 and more lose their last bits.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a ratio does not need the bits past 2^53")]
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Whole(load) => load as f64,
            Self::Ratio(load) => load,
        }
    }

    /// `self / bound − 1`: how far above the bound; 0 where the bound is 0.
    #[must_use]
    pub fn gap(self, bound: Self) -> f64 {
        if bound.as_f64() == 0.0 { 0.0 } else { (self.as_f64() / bound.as_f64() - 1.0).max(0.0) }
    }

    /// Equal, but for what writing a float as text and reading it may change.
    pub(super) fn is_close(self, other: Self) -> bool {
        match (self, other) {
            (Self::Whole(a), Self::Whole(b)) => a == b,
            (a, b) => (a.as_f64() - b.as_f64()).abs() <= 1e-9 * a.as_f64().abs(),
        }
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(load) => load.fmt(f),
            Self::Ratio(load) => load.fmt(f),
        }
    }
}
