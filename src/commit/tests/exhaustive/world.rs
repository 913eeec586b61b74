//! What all actors share: a table's znodes and its directory. Each method is atomic there, as one request or one rename.

use crate::commit::recover::State;

/// Attempts, files of each, versions: at most so many. An attempt is known by its number, a set is a mask of bits.
pub(super) const SLOTS: usize = 2;
pub(super) const FILES: u8 = 2;
/// The attempts there may be.
pub(super) const ATTEMPTS: std::ops::Range<u8> = 0..2;
/// All the files of an attempt.
pub(super) const WHOLE: u8 = (1 << FILES) - 1;

/// `tx/<txid>` with its children.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Znode {
    pub(super) version: i32,
    pub(super) state: State,
    pub(super) alive: bool,
    pub(super) suspect: bool,
}

/// `_zk/tx/<txid>`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Staging {
    /// Files that Spark has written and nobody has moved.
    pub(super) data: u8,
    /// Where the writer writes its manifests before they appear.
    pub(super) desk: bool,
    /// The final names noted in `relocation.json`.
    pub(super) noted: u8,
    /// The versions for which a manifest is or was about to be written.
    pub(super) candidates: u8,
}

/// One commit: what the head has been set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Commit {
    pub(super) attempt: u8,
    pub(super) version: u8,
    /// The version that its writer based it on, before any race.
    pub(super) base: u8,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct World {
    pub(super) znodes: [Option<Znode>; SLOTS],
    /// Which attempt committed each job.
    pub(super) jobs: [Option<u8>; SLOTS],
    /// Every value that the head has had; the last one is the head.
    pub(super) log: [Option<Commit>; SLOTS],
    pub(super) stagings: [Option<Staging>; SLOTS],
    /// Files under their final names, of each attempt.
    pub(super) finals: [u8; SLOTS],
    /// Versions of which there is a manifest, of each attempt.
    pub(super) manifests: [u8; SLOTS],
    /// Versions that plain readers were shown.
    pub(super) mirror: u8,
    /// Attempts that were ever aborted. Nobody reads this but the laws.
    pub(super) aborted: u8,
}

/// Whether a set has this member.
pub(super) fn has(set: u8, member: u8) -> bool {
    set & (1 << member) != 0
}

impl World {
    pub(super) fn commits(&self) -> impl DoubleEndedIterator<Item = Commit> {
        self.log.into_iter().flatten()
    }

    /// The version of the head.
    pub(super) fn head(&self) -> u8 {
        self.commits().next_back().map_or(0, |commit| commit.version)
    }

    pub(super) fn is_committed(&self, attempt: u8) -> bool {
        self.commits().any(|commit| commit.attempt == attempt)
    }

    pub(super) fn is_active(&self, attempt: u8) -> bool {
        self.znodes[usize::from(attempt)].is_some_and(|znode| znode.version == 0 && znode.state == State::Active)
    }

    /// Sets a transaction aborted at a version, or whatever its version is.
    pub(super) fn abort(&mut self, attempt: u8, version: Option<i32>) {
        if let Some(znode) = &mut self.znodes[usize::from(attempt)]
            && version.is_none_or(|version| znode.version == version)
        {
            (znode.state, znode.version) = (State::Aborted, znode.version + 1);
            self.aborted |= 1 << attempt;
        }
    }

    pub(super) fn expire(&mut self, attempt: u8) {
        if let Some(znode) = &mut self.znodes[usize::from(attempt)] {
            znode.alive = false;
        }
    }

    pub(super) fn revive(&mut self, attempt: u8) {
        if let Some(znode) = &mut self.znodes[usize::from(attempt)] {
            znode.alive = true;
        }
    }

    pub(super) fn suspect(&mut self, attempt: u8, suspect: bool) {
        if let Some(znode) = &mut self.znodes[usize::from(attempt)] {
            znode.suspect = suspect;
        }
    }

    /// Shows readers the next version that they do not see yet, and says whether there was one.
    ///
    /// Whoever publishes does this, and what an older list of theirs would have them write is there already.
    pub(super) fn publish(&mut self, in_order: bool) -> bool {
        let newest = self.mirror.checked_ilog2().unwrap_or_default();
        let head = u32::from(self.head());
        if newest < head {
            self.mirror |= 1 << if in_order { newest + 1 } else { head };
        }
        newest < head
    }

    /// A staging to write into. Executors make the directory again if somebody took it away.
    pub(super) fn staging(&mut self, attempt: u8) -> &mut Staging {
        self.stagings[usize::from(attempt)].get_or_insert_default()
    }
}
