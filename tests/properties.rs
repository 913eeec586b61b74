//! Properties of what is pure, over generated input.

#[path = "properties/assign.rs"]
mod assign;
#[path = "properties/queue.rs"]
mod queue;
