//! A writer: `attempt.write`, one request or rename at a time.

use super::Rule;
use super::books::{Books, Job};
use super::deeds::{Deed, Matter};
use super::world::{Commit, FILES, Staging, WHOLE, World, Znode, has};
use crate::commit::recover::State;

/// What a writer does next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum At {
    #[default]
    Open,
    Enter,
    /// Spark makes its files.
    Stage,
    /// It lists them, and asks whether it was deposed.
    Check,
    Note,
    Move(u8),
    Aim,
    Candidate,
    Manifest,
    Commit,
    /// The commit was not answered: what became of it?
    Ask,
    /// It was late for its version, or another run of its job was faster: the manifest goes, then the note of it.
    Lost(Loss, Left),
    Publish,
    /// The commit stands: so many steps of [`TIDY`] are done.
    Tidy(u8),
    Abort,
    /// It is aborted: so many steps back are done.
    Undo(u8),
    End(End),
}

/// To whom a race was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Loss {
    AnotherJob,
    AnotherRun,
}

/// What of a lost race is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Left {
    Both,
    One,
}

/// What the caller is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum End {
    Committed,
    Replayed,
    Refused,
}

/// A writer, with what it knows, however old.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Writer {
    pub(super) at: At,
    /// The version of the head when it opened the table.
    base: u8,
    /// The version it aims at.
    aim: u8,
    /// The files that Spark made.
    found: u8,
    /// Another run of its job has committed.
    replayed: bool,
    /// The version of a commit that was sent and not answered: it may land yet, or never. 0 where there is none.
    flying: u8,
}

/// What is done once the commit is published.
const TIDY: [Deed; 2] = [Deed::Tree, Deed::Forget];

/// Whose turn it is, and where.
pub(super) struct Turn<'a> {
    pub(super) world: &'a mut World,
    pub(super) me: u8,
    pub(super) job: Job,
    pub(super) books: &'a Books,
    pub(super) without: Option<Rule>,
}

impl Writer {
    /// Whether an exception may still end it: later ones are warnings.
    pub(super) fn may_raise(self) -> bool {
        !matches!(self.at, At::Open | At::Enter | At::Publish | At::Tidy(_) | At::Abort | At::Undo(_) | At::End(_))
    }

    pub(super) fn has_begun(self) -> bool {
        !matches!(self.at, At::Open | At::Enter)
    }

    pub(super) fn has_ended(self) -> bool {
        matches!(self.at, At::End(_))
    }

    pub(super) fn has_sent(self) -> bool {
        self.flying > 0
    }

    pub(super) fn raise(&mut self) {
        self.at = At::Abort;
    }

    /// Sends the commit, and hears no answer.
    pub(super) fn send(&mut self) {
        (self.at, self.flying) = (At::Ask, self.aim);
    }

    /// The commit that was sent reaches the server.
    pub(super) fn land(&mut self, turn: &mut Turn<'_>) {
        turn.commit(self.base, self.flying);
        self.flying = 0;
    }

    pub(super) fn step(&mut self, turn: &mut Turn<'_>) {
        self.at = match self.at {
            At::Open | At::Enter | At::Stage | At::Check | At::Note | At::Move(_) => self.place(turn),
            At::Aim | At::Candidate | At::Manifest | At::Commit | At::Ask | At::Lost(..) => self.race(turn),
            At::Publish if turn.world.publish(turn.keeps(Rule::VersionsAreShownInOrder)) => At::Publish,
            At::Publish => At::Tidy(0),
            At::Tidy(done) => turn.perform(&TIDY, done).map_or(At::End(End::Committed), At::Tidy),
            At::Abort => {
                turn.world.abort(turn.me, Some(0));
                if turn.is_mine() { At::Publish } else { At::Undo(0) }
            }
            At::Undo(done) => {
                let end = if self.replayed { End::Replayed } else { End::Refused };
                turn.perform(Matter::RollBack.deeds(turn.without), done).map_or(At::End(end), At::Undo)
            }
            At::End(end) => At::End(end),
        };
    }

    /// Forgets what cannot matter any more: whoever is not ACTIVE never will be, and what it sent is refused.
    pub(super) fn forget(&mut self, active: bool, without: Option<Rule>) {
        if self.has_begun() && !active && without != Some(Rule::CommitChecksTheTransaction) {
            self.flying = 0;
        }
        if self.has_ended() && !self.has_sent() {
            *self = Self { at: self.at, ..Self::default() };
        }
    }

    /// Up to where its files lie under their final names.
    fn place(&mut self, turn: &mut Turn<'_>) -> At {
        let names_first = turn.keeps(Rule::NamesAreNotedFirst);
        let staging = turn.staging();
        match self.at {
            At::Open => {
                self.base = turn.world.head();
                if turn.winner().is_some() { At::End(End::Replayed) } else { At::Enter }
            }
            At::Enter => {
                turn.world.znodes[usize::from(turn.me)] =
                    Some(Znode { version: 0, state: State::Active, alive: true, suspect: false });
                At::Stage
            }
            At::Stage => {
                turn.world.staging(turn.me).data = WHOLE;
                At::Check
            }
            At::Check if turn.world.is_active(turn.me) => {
                self.found = staging.map_or(0, |staging| staging.data);
                if names_first { At::Note } else { At::Move(0) }
            }
            At::Note if staging.is_some() => {
                let staging = turn.world.staging(turn.me);
                (staging.noted, staging.desk) = (self.found, true);
                if names_first { At::Move(0) } else { At::Aim }
            }
            At::Move(file) if staging.is_some_and(|staging| has(staging.data, file)) => {
                turn.world.staging(turn.me).data &= !(1 << file);
                turn.world.finals[usize::from(turn.me)] |= 1 << file;
                match file + 1 {
                    FILES if names_first => At::Aim,
                    FILES => At::Note,
                    next => At::Move(next),
                }
            }
            // Somebody took over, and it notices.
            _ => At::Abort,
        }
    }

    /// From the head it reads to the answer, as often as it takes.
    fn race(&mut self, turn: &mut Turn<'_>) -> At {
        let (notes_first, desk) =
            (turn.keeps(Rule::ManifestsAreNotedFirst), turn.keeps(Rule::ManifestsComeFromTheDesk));
        let staging = turn.staging();
        match self.at {
            At::Aim if !turn.keeps(Rule::RulesAreAsked) || turn.books.admit(turn.world, turn.me, self.base) => {
                self.aim = turn.world.head() + 1;
                if notes_first { At::Candidate } else { At::Manifest }
            }
            At::Candidate if staging.is_some() => {
                turn.world.staging(turn.me).candidates |= 1 << self.aim;
                if notes_first { At::Manifest } else { At::Commit }
            }
            At::Manifest if !desk || staging.is_some_and(|staging| staging.desk) => {
                turn.world.manifests[usize::from(turn.me)] |= 1 << self.aim;
                if notes_first { At::Commit } else { At::Candidate }
            }
            At::Commit => turn.commit(self.base, self.aim),
            At::Ask if turn.is_mine() => At::Publish,
            At::Ask if !turn.keeps(Rule::LostRepliesAreAskedFor) => At::Undo(0),
            At::Ask => At::Commit,
            At::Lost(loss, left) => {
                if (left == Left::Both) == turn.keeps(Rule::ManifestsAreDeletedBeforeTheirNotes) {
                    turn.world.manifests[usize::from(turn.me)] &= !(1 << self.aim);
                } else if let Some(staging) = &mut turn.world.stagings[usize::from(turn.me)] {
                    staging.candidates &= !(1 << self.aim);
                }
                self.replayed = left == Left::One && loss == Loss::AnotherRun;
                match (left, loss) {
                    (Left::Both, _) => At::Lost(loss, Left::One),
                    (Left::One, Loss::AnotherJob) => At::Aim,
                    (Left::One, Loss::AnotherRun) => At::Abort,
                }
            }
            // A conflict, or somebody took over.
            _ => At::Abort,
        }
    }
}

impl Turn<'_> {
    fn keeps(&self, rule: Rule) -> bool {
        self.without != Some(rule)
    }

    fn staging(&self) -> Option<Staging> {
        self.world.stagings[usize::from(self.me)]
    }

    fn winner(&self) -> Option<u8> {
        self.world.jobs[self.job.id]
    }

    fn is_mine(&self) -> bool {
        self.winner() == Some(self.me)
    }

    /// Does one of the deeds; how many are done then, unless those are all.
    fn perform(&mut self, deeds: &[Deed], done: u8) -> Option<u8> {
        self.world.perform(deeds[usize::from(done)], self.me);
        Some(done + 1).filter(|done| usize::from(*done) < deeds.len())
    }

    /// The commit's one request, and what follows from its answer.
    fn commit(&mut self, base: u8, version: u8) -> At {
        if self.keeps(Rule::CommitChecksTheTransaction) && !self.world.is_active(self.me) {
            // An earlier one that was not answered may have landed.
            return if self.is_mine() { At::Publish } else { At::Abort };
        }
        if self.keeps(Rule::CommitCreatesTheJob) {
            match self.winner() {
                Some(winner) if winner == self.me => return At::Publish,
                Some(_) => return At::Lost(Loss::AnotherRun, Left::Both),
                None => {}
            }
        }
        if self.keeps(Rule::CommitComparesTheHead) && self.world.head() + 1 != version {
            return At::Lost(Loss::AnotherJob, Left::Both);
        }
        if self.keeps(Rule::CommitCreatesTheJob) {
            self.world.jobs[self.job.id] = Some(self.me);
        }
        if let Some(znode) = &mut self.world.znodes[usize::from(self.me)] {
            (znode.state, znode.version) = (State::Committed, znode.version + 1);
        }
        let next = Some(Commit { attempt: self.me, version, base });
        *self.world.log.iter_mut().find(|entry| entry.is_none()).expect("a commit each") = next;
        At::Publish
    }
}
