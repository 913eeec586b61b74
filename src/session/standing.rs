//! What a grant rests on, and how much a holder may rely on it.

use std::time::Instant;

use crate::error::Error;

/// What a holder may rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantState {
    /// Ours, and a server says so.
    Held,
    /// Still ours by the lease clock; no server can confirm it now.
    AtRisk,
    /// Not provably ours any more, for good.
    Lost,
}

/// What a grant is of; it decides which error its loss raises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantKind {
    /// A lock.
    Lock,
    /// Permits of a semaphore.
    Permits,
    /// A leadership.
    Term,
    /// A partition, a task or a queue's item.
    Claim,
}

/// What a grant rests on.
#[derive(Debug)]
pub struct Standing {
    /// Which error its loss raises.
    pub kind: GrantKind,
    /// The resource as the user names it, for messages and metrics.
    pub resource: String,
    /// The absolute paths of its nodes, all made at zxid `token`. At least one.
    pub paths: Vec<String>,
    /// A node made in the same step under a name that others use too, once it is free. It is verified and watched as
    /// the others are, guards nothing, and is deleted together with the first of `paths`, never the next holder's.
    pub mark: Option<String>,
    /// The creation zxid of the nodes.
    pub token: i64,
    /// The link's epoch before the request that saw them was sent.
    pub epoch: u64,
    /// When the caller began to ask.
    pub asked: Instant,
}

impl Standing {
    /// The error that its loss is reported with.
    pub(super) fn loss(&self, why: &str) -> Error {
        let Self { kind, resource, token, .. } = self;
        let say = |what: &str| {
            format!(
                "{what} '{resource}' (token {token}) is not held any more: {why}; \
                 stop what it protects, and acquire again to go on"
            )
        };
        match kind {
            GrantKind::Lock => Error::lock_lost(say("lock")),
            GrantKind::Permits => Error::lock_lost(say("semaphore")),
            GrantKind::Term => Error::term_lost(say("term")),
            GrantKind::Claim => Error::claim_lost(say("claim")),
        }
    }
}
