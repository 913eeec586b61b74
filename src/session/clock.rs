//! The clock of leases: it never goes back, is not the wall clock, and runs on through a suspend.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Time since boot, suspends included.
///
/// `Instant` will not do: on Linux it stops while the machine sleeps, and a lease that slept on
/// would look valid to a laptop that wakes up an hour later.
#[must_use]
pub(super) fn now() -> Duration {
    #[cfg(target_os = "linux")]
    const CLOCK: ClockId = ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    const CLOCK: ClockId = ClockId::Monotonic;
    // The kernel never hands out a negative time on these clocks.
    Duration::try_from(clock_gettime(CLOCK)).unwrap_or_default()
}
