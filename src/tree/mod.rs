//! Subtrees as tables: which nodes, shared among tasks how, walked with many requests in flight, as Arrow; and rows
//! published as nodes.
//!
//! Znodes: a walk reads those in its scope; publishing makes, writes and deletes plain ones at and below its root.

mod filter;
mod glob;
mod publish;
mod rows;
mod scope;
mod shares;
mod steps;
mod walk;

pub use self::filter::Filter;
pub use self::glob::Glob;
pub use self::publish::{Published, Standing, publish};
pub use self::rows::{Decode, Rows};
pub use self::scope::Scope;
pub use self::shares::{Top, shares};
pub use self::walk::Walk;
