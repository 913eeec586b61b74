//! Properties of the pure core: histories as readers see them, and recovery under any interleaving.

mod exhaustive;
mod history;
mod reader;
mod recovery;
mod world;
