//! Cleaning up: the steps that writers and janitors share, and which of them settle what.

use self::Deed::{Forget, LostRaces, Manifests, Names, SetAside, Tree};
use super::Rule;
use super::world::{Commit, World};

/// One step, atomic for everybody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Suspect,
    Clear,
    Abort,
    AbortBlindly,
    /// Put the staged data, and the desk, where their writer does not look.
    SetAside,
    /// Delete the final names that are noted.
    Names,
    /// Delete the manifests that are noted.
    Manifests,
    /// Delete those of them that no commit names.
    LostRaces,
    /// Delete the staging.
    Tree,
    /// Delete the znode.
    Forget,
}

/// What has to be settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Matter {
    Suspect,
    Clear,
    Abort,
    RollBack,
    Finish,
    /// Whether its transaction committed is still to be looked up.
    Sweep,
    SweepDead,
    SweepLive,
}

impl Matter {
    /// Its steps, in order. An empty list asks for a look at the history.
    pub(super) fn deeds(self, without: Option<Rule>) -> &'static [Deed] {
        match (self, without) {
            (Self::Suspect, _) => &[Deed::Suspect],
            (Self::Clear, _) => &[Deed::Clear],
            (Self::Abort, Some(Rule::AbortedBeforeDeleted)) => &[SetAside, Names, Manifests, Tree, Deed::Abort],
            (Self::Abort, Some(Rule::AbortedAtItsVersion)) => &[Deed::AbortBlindly],
            (Self::Abort, _) => &[Deed::Abort],
            (Self::RollBack, Some(Rule::DataIsSetAsideBeforeNamesAreDeleted)) => {
                &[Names, SetAside, Manifests, Tree, Forget]
            }
            (Self::RollBack, _) => &[SetAside, Names, Manifests, Tree, Forget],
            (Self::Finish, _) => &[LostRaces, Tree, Forget],
            (Self::Sweep, _) => &[],
            (Self::SweepDead, _) => &[SetAside, Names, Manifests, Tree],
            (Self::SweepLive, _) => &[LostRaces, Tree],
        }
    }
}

impl World {
    pub(super) fn perform(&mut self, deed: Deed, of: u8) {
        let attempt = usize::from(of);
        let staging = self.stagings[attempt].unwrap_or_default();
        match deed {
            Deed::Suspect => self.suspect(of, true),
            Deed::Clear => self.suspect(of, false),
            Deed::Abort => self.abort(of, Some(0)),
            Deed::AbortBlindly => self.abort(of, None),
            Deed::SetAside => {
                if let Some(staging) = &mut self.stagings[attempt] {
                    (staging.data, staging.desk) = (0, false);
                }
            }
            Deed::Names => self.finals[attempt] &= !staging.noted,
            Deed::Manifests => self.manifests[attempt] &= !staging.candidates,
            Deed::LostRaces if staging.candidates.count_ones() > 1 => {
                let ours = |commit: &Commit| commit.attempt == of;
                let won = self.commits().filter(ours).fold(0, |won, commit| won | 1 << commit.version);
                self.manifests[attempt] &= !(staging.candidates & !won);
            }
            Deed::LostRaces => {}
            Deed::Tree => self.stagings[attempt] = None,
            Deed::Forget => self.znodes[attempt] = None,
        }
    }
}
