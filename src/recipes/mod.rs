//! Recipes over a [`Session`](crate::session::Session). Each stands on two shared pieces: the
//! session below, and [`contenders`], the line that locks (and later semaphores and elections) wait in.

pub mod contenders;
pub mod lock;
mod place;
mod turn;

pub use self::contenders::Contender;
pub use self::lock::{Held, Holder, Lock};
