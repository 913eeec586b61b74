//! How many tasks a worker may have done while others are there. Pure.

use serde::{Deserialize, Serialize};

use crate::assign::{Member, shares};
use crate::error::Result;

/// A worker, as it says of itself.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Card {
    /// Who it says it is.
    pub name: String,
    /// Its size beside the others'; finite and above 0.
    pub capacity: f64,
    /// How many tasks it ended since it came.
    pub done: u64,
}

/// How many tasks the worker at `me` may have done in all, with so many open.
///
/// What the others did counts: of all tasks that are open or were done by those who are there, each gets as many as
/// leave the fullest as little full as can be. So who comes late catches up, and what those did who went
/// is nobody's. The shares add up to all tasks at least, so that some worker may always take the next.
///
/// # Errors
/// `Config` where a capacity is no number above 0.
pub fn share<'a>(cards: impl IntoIterator<Item = &'a Card>, me: usize, open: usize) -> Result<u64> {
    let (members, done): (Vec<Member>, Vec<u64>) =
        cards.into_iter().map(|card| (Member { capacity: card.capacity, ..Member::default() }, card.done)).unzip();
    let done = usize::try_from(done.iter().sum::<u64>()).unwrap_or(usize::MAX);
    let shares = shares(&members, open.saturating_add(done))?;
    Ok(shares.get(me).copied().unwrap_or(0))
}
