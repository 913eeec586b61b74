//! Properties of what is pure, over generated input.

#![expect(clippy::unwrap_used, reason = "a test that unwraps says where it stopped")]

#[path = "properties/assign.rs"]
mod assign;
