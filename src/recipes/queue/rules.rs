//! What the queue decides without the network: repeated puts, back-off, and what a crash is called. Pure.

use std::time::Duration;

use super::record::{Header, Ticket};

/// What a put with a dedupe id amounts to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// The id's item is queued or at work, or was done within the window: it is this one.
    Of(String),
    /// The id's item was done longer ago: this is a new one.
    New,
}

/// Whether a put repeats what `ticket` stands for. The window counts from when the item was done, `now` and
/// `written` both on the server's clock; a clock that was set back does not make a done item new.
#[must_use]
pub fn repeat(ticket: &Ticket, written: i64, now: i64, window: Duration) -> Repeat {
    let window = i64::try_from(window.as_millis()).unwrap_or(i64::MAX);
    if ticket.done && now.saturating_sub(written) >= window { Repeat::New } else { Repeat::Of(ticket.item.clone()) }
}

/// How long an item waits after its `attempt`-th failure: `first`, doubled with each attempt up to `longest`,
/// less up to a half by chance (`luck` in 0..1), so that what failed together does not come back together.
#[must_use]
pub fn back_off(attempt: u32, first: Duration, longest: Duration, luck: f64) -> Duration {
    let doubled = first.saturating_mul(1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX));
    doubled.min(longest).mul_f64(1.0 - luck.clamp(0.0, 1.0) / 2.0)
}

/// The error that a dead letter keeps: the one its last attempt reported, or that it reported none.
#[must_use]
pub fn last_error(header: &Header, attempts: u32) -> String {
    let reported = header.error.as_deref();
    match reported {
        Some(error) if header.failed == attempts => error.to_owned(),
        _ => {
            let before = reported.map_or_else(String::new, |error| format!("; attempt {}: {error}", header.failed));
            format!(
                "attempt {attempts}: its consumer ended, or its lease ran out, before it acknowledged or gave back{before}"
            )
        }
    }
}
