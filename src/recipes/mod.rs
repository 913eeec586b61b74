//! Recipes over a [`Session`](crate::session::Session). Each stands on two shared pieces: the
//! session below, and [`contenders`], the line that locks (and later semaphores and elections) wait in.

pub mod ballot;
pub mod barrier;
pub mod cache;
mod candidates;
pub mod contenders;
pub mod counter;
pub mod counter_record;
pub mod double_barrier;
mod double_barrier_round;
pub mod election;
mod election_observer;
mod election_round;
mod election_term;
mod election_vote;
mod holds;
pub mod lock;
pub mod multi_lock;
mod place;
pub mod queue;
pub mod read_write_lock;
pub mod revocation;
pub mod semaphore;
mod semaphore_holders;
mod semaphore_limit;
pub mod semaphore_permits;
mod semaphore_turn;
pub mod turn;
pub mod versioned;

pub use self::barrier::Barrier;
pub use self::contenders::Contender;
pub use self::counter::Counter;
pub use self::double_barrier::DoubleBarrier;
pub use self::election::{Candidate, Candidature, Election, Observer, Score, Term};
pub use self::holds::{Held, Holder, Mode};
pub use self::lock::Lock;
pub use self::multi_lock::MultiLock;
pub use self::queue::Queue;
pub use self::read_write_lock::ReadWriteLock;
pub use self::semaphore::{Permits, Semaphore};
pub use self::semaphore_holders::PermitHolder;
