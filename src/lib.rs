//! Coordination for PySpark over Apache ZooKeeper: the Rust core.
//!
//! # Layout
//! - [`config`], [`path`], [`retry`], [`error`]: small and pure.
//! - [`session`]: one connection to the ensemble, its lease clock, protected create, guarded multi.
//! - [`recipes`]: what stands in line on it: the lock.
//! - [`assign`]: pure assignment of weighted items to partitions, with a certificate.
//! - [`tasks`]: tasks for workers, and their results.
//! - [`commit`]: the commit protocol of fault-tolerant writes.
//! - [`tree`]: subtrees as tables of Arrow.
//! - `python`: the extension module, behind the feature of that name. `examples/plain_rust.rs` does without it.
//!
//! # Guarantees
//! A grant is lost by the clock before anybody else can have it; a lost reply neither doubles a node nor
//! orphans it; a wait that is given up leaves nothing behind; a guarded write lands only while its grant stands.

pub mod arrow;
pub mod assign;
pub mod commit;
pub mod config;
pub mod error;
pub mod path;
pub mod recipes;
pub mod retry;
pub mod session;
pub mod tasks;
pub mod tree;

pub use config::Config;
pub use error::{Error, Result};
pub use session::Session;

#[cfg(feature = "python")]
mod python;
