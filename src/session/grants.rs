//! The grants that stand on one session, so that all can be told when it is in doubt or over.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::grant::Grant;

/// Every grant of one session that was neither released nor lost.
#[derive(Debug, Default)]
pub(super) struct Grants(Mutex<HashMap<String, Weak<Grant>>>);

impl Grants {
    pub(super) fn add(&self, grant: &Arc<Grant>) {
        self.lock().insert(key(grant), Arc::downgrade(grant));
    }

    pub(super) fn remove(&self, grant: &Grant) {
        self.lock().remove(&key(grant));
    }

    /// The standing grants now.
    pub(super) fn all(&self) -> Vec<Arc<Grant>> {
        self.lock().values().filter_map(Weak::upgrade).collect()
    }

    /// Marks each as lost, and returns them. The list is taken out first: losing a grant removes it from here.
    pub(super) fn end_all(&self, why: &str) -> Vec<Arc<Grant>> {
        self.all().into_iter().filter(|grant| grant.end_as_lost(why)).collect()
    }

    /// Marks each as lost, and says so once: a session may have thousands.
    pub(super) fn lose_all(&self, why: &str) {
        let lost = self.end_all(why);
        if let [first, _, ..] = lost.as_slice() {
            tracing::warn!(count = lost.len(), one = first.resource(), why, "grants lost");
        } else if let Some(only) = lost.first() {
            only.report_loss(why);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Weak<Grant>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// No node has two grants.
fn key(grant: &Grant) -> String {
    grant.paths().first().cloned().unwrap_or_default()
}
