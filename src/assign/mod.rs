//! Who gets which partition: pure functions over slices, no I/O.
//!
//! | module | what it holds |
//! |---|---|
//! | [`weighted`] | the lightest heaviest load: LPT, then moves and swaps |
//! | [`lower_bound`] | what no assignment can beat |
//! | [`Certificate`] | what an assignment achieved beside that bound, for anybody to check |
//! | [`murmur3`] | Spark's hash of an int, run backwards to place rows exactly |

mod bound;
mod certificate;
mod improve;
mod lpt;
pub mod murmur3;
mod weighted;

pub use bound::lower_bound;
pub use certificate::{Certificate, Strategy};
pub use weighted::{Assignment, weighted};
