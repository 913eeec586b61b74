//! Minimum-cost flow from groups of like items to members: what may go where, at what price.
//!
//! Items with the same choice of members and the same zone are one *hub*, and what flows along an arc from a hub
//! to a member is how many of its items the member gets. So the network grows with the different choices, not
//! with the items. An arc's first items, those that the member owns already, are cheaper by one move.

mod augment;
mod network;

pub(super) use network::{Arc, Network};
