//! What holds in every state, and what holds once everybody has died and somebody has recovered.

use super::books::Job;
use super::janitor::{Janitor, Manner, Plans};
use super::model::State;
use super::world::{ATTEMPTS, WHOLE, World, has};
use super::writer::{At, End};
use crate::commit::manifest::Operation;

pub(super) const ALTERED: &str = "a committed snapshot is never altered";
pub(super) const SUCCESSION: &str = "each commit stands on the one before";
pub(super) const UNSEEN: &str = "an overwrite replaces only what it has seen, unless it is blind";
pub(super) const TWICE: &str = "a job is committed once";
pub(super) const ABORTED: &str = "an aborted transaction never commits";
pub(super) const SHOWN: &str = "readers are shown committed versions, none before an earlier one";
pub(super) const TOLD: &str = "a caller is told what happened";
pub(super) const LEFT: &str = "a last recovery leaves nothing over";

/// Steps that a janitor without company takes at most.
const STEPS: usize = 100;

/// The law that `state` breaks.
pub(super) fn broken(jobs: &[Job], state: &State) -> Option<&'static str> {
    let world = &state.world;
    for (at, commit) in world.commits().enumerate() {
        if usize::from(commit.version) != at + 1 {
            return Some(SUCCESSION);
        }
        if world.finals[usize::from(commit.attempt)] != WHOLE
            || !has(world.manifests[usize::from(commit.attempt)], commit.version)
        {
            return Some(ALTERED);
        }
        let job = jobs[usize::from(commit.attempt)];
        if job.operation == Operation::Overwrite && !job.blind && commit.base + 1 != commit.version {
            return Some(UNSEEN);
        }
        if world.commits().filter(|other| jobs[usize::from(other.attempt)].id == job.id).count() > 1 {
            return Some(TWICE);
        }
        if world.aborted & (1 << commit.attempt) != 0 {
            return Some(ABORTED);
        }
    }
    if world.mirror & (world.mirror + 2) != 0 || has(world.mirror >> 1, world.head()) {
        return Some(SHOWN);
    }
    let told = |(me, job): (u8, &Job)| match state.writers[usize::from(me)].at {
        At::End(End::Committed) => world.is_committed(me),
        At::End(End::Refused) => !world.is_committed(me),
        At::End(End::Replayed) => world.jobs[job.id].is_some_and(|winner| winner != me && world.is_committed(winner)),
        _ => true,
    };
    (!(0..).zip(jobs).all(told)).then_some(TOLD)
}

/// The law that `world` breaks, once whoever acts in it has died there and one janitor comes by.
pub(super) fn broken_at_the_end(mut world: World, plans: &Plans, manner: Manner) -> Option<&'static str> {
    let log = world.log;
    for attempt in ATTEMPTS {
        world.expire(attempt);
    }
    let mut janitor = Janitor::default();
    for _ in 0..STEPS {
        janitor.act(&mut world, manner);
        let choices = janitor.choices(&world, plans, Manner { patient: false, ..manner });
        janitor = choices.first().copied().unwrap_or_default();
    }
    while world.publish(true) {}
    let mut clean = world.log == log && world.mirror == (2 << world.head()) - 2;
    for attempt in ATTEMPTS {
        let ours = log.into_iter().flatten().find(|commit| commit.attempt == attempt);
        let expected = ours.map_or((0, 0), |commit| (WHOLE, 1 << commit.version));
        let at = usize::from(attempt);
        clean &= world.znodes[at].is_none() && world.stagings[at].is_none();
        clean &= (world.finals[at], world.manifests[at]) == expected;
    }
    (!clean).then_some(LEFT)
}
