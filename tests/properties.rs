//! Properties of what is pure, over generated input.

#[path = "properties/assign.rs"]
mod assign;
