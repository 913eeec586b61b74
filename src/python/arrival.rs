//! Whether a grant reached its caller. What never arrives, as when its task was cancelled meanwhile, gives itself back.

use std::sync::atomic::{AtomicBool, Ordering};

/// Part of every class that stands for a grant; its `Drop` asks [`Arrival::pending`].
#[derive(Debug, Default)]
pub(super) struct Arrival(AtomicBool);

impl Arrival {
    /// The caller has it now.
    pub(super) fn arrive(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// True while nobody had it, so that nobody can have released it.
    pub(super) fn pending(&self) -> bool {
        !self.0.load(Ordering::Acquire)
    }
}
