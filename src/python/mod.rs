//! The extension module `sparkeeper._sparkeeper`: convert, call the core once, convert.
//!
//! Doc comments on what Python sees are Python docstrings, in Google style.
#![expect(clippy::doc_markdown, reason = "docstrings follow Python conventions")]
#![expect(clippy::needless_pass_by_value, reason = "arguments come out of Python objects owned")]

// First: a macro is known to what follows it.
#[macro_use]
mod pickled;

mod arrival;
mod assign;
mod assign_problem;
mod attempt;
mod awaitable;
mod barrier;
mod barrier_double;
mod cache;
mod cache_events;
mod cache_snapshot;
mod call;
mod callbacks;
mod candidate;
mod claim;
mod commit;
mod contender;
mod coordinator;
mod counter;
mod disk;
mod election;
mod errors;
mod exit;
mod group;
mod guard;
mod handle;
mod held;
mod history;
mod inbox;
mod instance;
mod ledger;
mod link;
mod lock;
mod log;
mod member;
mod membership;
mod metrics;
mod multi;
mod multi_lock;
mod notebook;
mod observer;
mod partition_member;
mod partitions;
mod permits;
mod plan;
mod queue;
mod queue_item;
mod queue_listing;
mod read_write_lock;
mod registration;
mod registry;
mod runtime;
mod scope;
mod seconds;
mod secret;
mod semaphore;
mod settings;
mod stat;
mod task;
mod task_worker;
mod tasks;
mod term;
mod text;
mod tree;
mod versioned;
mod whole;
mod znodes;

/// The Rust core of Sparkeeper.
#[pyo3::pymodule]
mod _sparkeeper {
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::assign::{Certificate, placement_keys};
    #[pymodule_export]
    use super::assign_problem::AssignmentProblem;
    #[pymodule_export]
    use super::attempt::{Attempt, commit_together};
    #[pymodule_export]
    use super::barrier::Barrier;
    #[pymodule_export]
    use super::barrier_double::DoubleBarrier;
    #[pymodule_export]
    use super::cache::Cache;
    #[pymodule_export]
    use super::cache_events::{CacheEvent, CacheEvents};
    #[pymodule_export]
    use super::cache_snapshot::CacheSnapshot;
    #[pymodule_export]
    use super::call::Call;
    #[pymodule_export]
    use super::candidate::{Candidate, Tally};
    #[pymodule_export]
    use super::claim::Claim;
    #[pymodule_export]
    use super::commit::{Committed, Ledger, Location};
    #[pymodule_export]
    use super::contender::Contender;
    #[pymodule_export]
    use super::coordinator::Coordinator;
    #[pymodule_export]
    use super::counter::Counter;
    #[pymodule_export]
    use super::disk::sync_filesystem;
    #[pymodule_export]
    use super::election::Election;
    #[pymodule_export]
    use super::group::Group;
    #[pymodule_export]
    use super::held::Held;
    #[pymodule_export]
    use super::history::{Chain, final_name, mirror_beginning, newest_published, partition_values};
    #[pymodule_export]
    use super::inbox::Inbox;
    #[pymodule_export]
    use super::instance::Instance;
    #[pymodule_export]
    use super::ledger::{Turn, proven_manifest, rebuild_record};
    #[pymodule_export]
    use super::lock::Lock;
    #[pymodule_export]
    use super::member::{Member, View};
    #[pymodule_export]
    use super::membership::Membership;
    #[pymodule_export]
    use super::metrics::PathMetrics;
    #[pymodule_export]
    use super::multi::Batch;
    #[pymodule_export]
    use super::multi_lock::MultiLock;
    #[pymodule_export]
    use super::observer::Observer;
    #[pymodule_export]
    use super::partition_member::PartitionMember;
    #[pymodule_export]
    use super::partitions::Partitions;
    #[pymodule_export]
    use super::permits::{PermitHolder, Permits};
    #[pymodule_export]
    use super::plan::{_plan_assign, _plan_certificate, _plan_verify};
    #[pymodule_export]
    use super::queue::Queue;
    #[pymodule_export]
    use super::queue_item::QueueItem;
    #[pymodule_export]
    use super::queue_listing::{DeadLetter, QueueDepth, QueueWorker};
    #[pymodule_export]
    use super::read_write_lock::ReadWriteLock;
    #[pymodule_export]
    use super::registration::Registration;
    #[pymodule_export]
    use super::registry::Registry;
    #[pymodule_export]
    use super::scope::Scope;
    #[pymodule_export]
    use super::secret::Credential;
    #[pymodule_export]
    use super::semaphore::Semaphore;
    #[pymodule_export]
    use super::stat::Stat;
    #[pymodule_export]
    use super::task_worker::{TaskAtWork, TaskWorker};
    #[pymodule_export]
    use super::tasks::Tasks;
    #[pymodule_export]
    use super::term::{Loss, Term};
    #[pymodule_export]
    use super::tree::{TreeScope, TreeWalk, tree_rows};
    #[pymodule_export]
    use super::versioned::{Version, Versioned};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        super::log::install(module.py())?;
        super::exit::install(module.py())
    }
}
