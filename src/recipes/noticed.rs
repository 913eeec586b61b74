//! What a handle learned last, so that it can say so without asking a server.

use std::sync::{Arc, Mutex, PoisonError};

/// The newest thing seen. Clones share it, as the clones of a handle do.
#[derive(Debug)]
pub(super) struct Noticed<T>(Arc<Mutex<Option<T>>>);

impl<T> Clone for Noticed<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Default for Noticed<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Clone> Noticed<T> {
    pub(super) fn note(&self, seen: T) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
    }

    /// `None` where nothing was seen yet.
    pub(super) fn last(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
