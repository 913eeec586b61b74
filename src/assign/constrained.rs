//! Balance, then zones, then moves, where items may not go everywhere.
use super::capacity::Capacities;
use super::evidence::Optimum;
use super::problem::Problem;
use crate::error::{Error, Result};

pub(super) fn solve(_problem: &Problem<'_>, _capacities: &Capacities) -> Result<(Vec<u32>, Optimum)> {
    Err(Error::config("eligible and zones are not supported yet"))
}
