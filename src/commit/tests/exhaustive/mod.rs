//! The protocol of a commit, searched: every state that a few writers and janitors can reach, whoever dies, stops, goes
//! on or loses its session between any two steps.
//!
//! **The model.** The state is what all share (`world`: the znodes of a table and its directory) and what each actor
//! knows, however old (`writer`, `janitor`). A step is one request to `ZooKeeper` or one change of the directory, so all
//! actors' steps interleave in every way. Whoever makes no step has died or stands still, and may go on later. Besides
//! steps there are sessions that expire and come back, commits that are sent and not answered, and land later or never,
//! exceptions such as Ctrl-C, task attempts that write into a staging that is gone, and other janitors for dead ones.
//! What the product decides in pure code is decided by that code: [`plan`](crate::commit::recover::plan) for janitors,
//! [`rebase`](crate::commit::rules::rebase), [`Attempt::draft`](crate::commit::draft::Attempt::draft) and the chain of
//! manifests for writers. What Python does, and in which order, is written again here: `attempt.py`, `recovery.py`.
//!
//! **The laws** are in `laws`. After each state everybody dies in thought, and one janitor comes by: nothing may be left.
//! Each rule of the protocol is taken out of the model once ([`Rule`]), and a law must break.
//!
//! **Left out.** Two writers and two janitors at most, two files a writer. A survey of znodes is one step: all it may
//! lead to is an abort at a version, which fails where it has aged. Publishing is one step a version, of no memory: what
//! an older list would write again is there already, and its bytes follow from the version (`history`, `reader` look at
//! those). A directory is deleted in one step; nothing in it is reached after the step before. Not in it are the first
//! write's registration, guards, the commit lock, vacuum, the sweep of old jobs, and damage to files.

mod books;
mod deeds;
mod janitor;
mod laws;
mod model;
mod search;
mod world;
mod writer;

use std::time::Instant;

use self::books::Job;
use self::model::{Event, Model};
use self::search::{Counterexample, search};
use crate::commit::manifest::Operation;

/// A rule of the protocol that a model can be without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    CommitChecksTheTransaction,
    CommitCreatesTheJob,
    CommitComparesTheHead,
    RulesAreAsked,
    LostRepliesAreAskedFor,
    NamesAreNotedFirst,
    ManifestsAreNotedFirst,
    ManifestsAreDeletedBeforeTheirNotes,
    /// A manifest appears by way of the desk, which a janitor takes away first.
    ManifestsComeFromTheDesk,
    VersionsAreShownInOrder,
    AbortedBeforeDeleted,
    AbortedAtItsVersion,
    DataIsSetAsideBeforeNamesAreDeleted,
    StagingsAreListedFirst,
}

const APPEND: Job = Job { id: 0, operation: Operation::Append, blind: false };
const OVERWRITE: Job = Job { id: 1, operation: Operation::Overwrite, blind: false };

fn told(found: &Counterexample<Event>) -> String {
    let events: Vec<String> = found.events.iter().map(|event| format!("{event:?}")).collect();
    format!("'{}' does not hold after\n  {}", found.law, events.join("\n  "))
}

#[allow(clippy::print_stdout, reason = "how much was searched belongs to the evidence")]
fn holds(name: &str, model: &Model) {
    let begun = Instant::now();
    let searched = search(model);
    println!("{name}: {} states, {} transitions, {:.1?}", searched.states, searched.transitions, begun.elapsed());
    assert!(
        searched.counterexample.is_none(),
        "{name}: {}",
        searched.counterexample.as_ref().map_or_else(String::new, told)
    );
}

#[test]
fn two_jobs_and_a_janitor() {
    holds("two jobs, a janitor", &Model::new(vec![APPEND, OVERWRITE], 1));
}

#[test]
fn two_runs_of_a_job_and_a_janitor() {
    holds("two runs of a job, a janitor", &Model::new(vec![APPEND, APPEND], 1));
}

#[test]
fn a_writer_and_two_janitors() {
    holds("a writer, two janitors, stray tasks", &Model::new(vec![APPEND], 2).with_strays());
    holds("a writer, two patient janitors", &Model::new(vec![APPEND], 2).patient());
}

/// Every rule is needed, and this is what it is needed for.
#[test]
fn without_a_rule_a_law_breaks() {
    let alone = || Model::new(vec![APPEND], 1);
    let jobs = || Model::new(vec![APPEND, OVERWRITE], 0);
    let runs = || Model::new(vec![APPEND, APPEND], 0);
    let mutants = [
        (alone(), Rule::CommitChecksTheTransaction, laws::ABORTED),
        (runs(), Rule::CommitCreatesTheJob, laws::TWICE),
        (jobs(), Rule::CommitComparesTheHead, laws::SUCCESSION),
        (jobs(), Rule::RulesAreAsked, laws::UNSEEN),
        (alone(), Rule::LostRepliesAreAskedFor, laws::ALTERED),
        (alone(), Rule::LostRepliesAreAskedFor, laws::TOLD),
        (alone(), Rule::NamesAreNotedFirst, laws::LEFT),
        (alone(), Rule::ManifestsAreNotedFirst, laws::LEFT),
        (jobs(), Rule::ManifestsAreDeletedBeforeTheirNotes, laws::LEFT),
        (alone(), Rule::ManifestsComeFromTheDesk, laws::LEFT),
        (jobs(), Rule::VersionsAreShownInOrder, laws::SHOWN),
        (alone(), Rule::AbortedBeforeDeleted, laws::ALTERED),
        (alone(), Rule::AbortedAtItsVersion, laws::ABORTED),
        (alone(), Rule::AbortedAtItsVersion, laws::ALTERED),
        (alone(), Rule::DataIsSetAsideBeforeNamesAreDeleted, laws::LEFT),
        (alone(), Rule::StagingsAreListedFirst, laws::ALTERED),
    ];
    for (model, rule, law) in mutants {
        let searched = search(&model.without(rule, law));
        let broken = searched.counterexample.map(|found| found.law);
        assert_eq!(broken, Some(law), "without {rule:?}, {} states", searched.states);
    }
}
