//! Properties of what is pure, over generated input.

#[path = "properties/assign.rs"]
mod assign;
#[path = "properties/assign_constrained.rs"]
mod assign_constrained;
#[path = "properties/assign_even.rs"]
mod assign_even;
#[path = "properties/assign_input.rs"]
mod assign_input;
#[path = "properties/assign_weighted.rs"]
mod assign_weighted;
#[path = "properties/ballot.rs"]
mod ballot;
#[path = "properties/cache.rs"]
mod cache;
#[path = "properties/counter.rs"]
mod counter;
#[path = "properties/desk.rs"]
mod desk;
#[path = "properties/permits.rs"]
mod permits;
#[path = "properties/pick.rs"]
mod pick;
#[path = "properties/queue.rs"]
mod queue;
#[path = "properties/tasks.rs"]
mod tasks;
#[path = "properties/turn.rs"]
mod turn;
