//! Where a group's nodes are. Absolute paths; pure.

use crate::path::child;

/// The nodes of one group.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) root: String,
    pub(super) spec: String,
    pub(super) members: String,
    pub(super) leader: String,
    pub(super) assignment: String,
    claims: String,
    fences: String,
    progress: String,
    pub(super) done: String,
}

impl Layout {
    pub(super) fn new(root: &str) -> Self {
        let below = |name| child(root, name);
        Self {
            root: root.to_owned(),
            spec: below("spec"),
            members: below("members"),
            leader: below("leader"),
            assignment: below("assignment"),
            claims: below("claims"),
            fences: below("fences"),
            progress: below("progress"),
            done: below("done"),
        }
    }

    /// The directories that are made together with the spec, and by nobody else: no member makes a deleted group again.
    pub(super) fn directories(&self) -> [&str; 6] {
        [&self.members, &self.leader, &self.claims, &self.fences, &self.progress, &self.done]
    }

    pub(super) fn claims(&self) -> &str {
        &self.claims
    }

    pub(super) fn all_progress(&self) -> &str {
        &self.progress
    }

    /// What keeps others out.
    pub(super) fn mark(&self, item: &str) -> String {
        child(&self.claims, item)
    }

    /// A claim's own node.
    pub(super) fn fence(&self, guid: &str) -> String {
        child(&self.fences, guid)
    }

    /// What was saved.
    pub(super) fn progress(&self, item: &str) -> String {
        child(&self.progress, item)
    }

    /// Where a finished item's result is.
    pub(super) fn finished(&self, item: &str) -> String {
        child(&self.done, item)
    }
}
