//! What kinds of znodes there are, and which of them go together.

use std::ops::RangeInclusive;
use std::time::Duration;

use zookeeper_client as zk;

use crate::error::{Error, Result};

/// What a time to live may be: the server counts milliseconds, in five bytes.
const TTLS: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_millis(0xff_ffff_ffff);

/// What kind of node to create.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "any may be asked for; what contradicts is refused with a reason")]
pub struct CreateKind {
    /// Goes with the session.
    pub ephemeral: bool,
    /// The server appends a ten digit number to the name.
    pub sequence: bool,
    /// The server removes it some time after its last child went.
    pub container: bool,
    /// The server removes it when it has no children and was not written for this long.
    pub ttl: Option<Duration>,
    /// On a server that has no containers, or no TTL nodes, a plain node will do. Only [`Session::create`] looks at it.
    ///
    /// [`Session::create`]: super::Session::create
    pub fallback: bool,
}

impl CreateKind {
    /// Stays until it is deleted.
    pub const PERSISTENT: Self =
        Self { ephemeral: false, sequence: false, container: false, ttl: None, fallback: false };
    /// Goes with the session.
    pub const EPHEMERAL: Self = Self { ephemeral: true, ..Self::PERSISTENT };

    /// # Errors
    /// `Config` where it contradicts itself.
    pub(super) fn check(&self, path: &str) -> Result<()> {
        let Self { ephemeral, sequence, container, ttl, .. } = *self;
        let refuse = |why: &str| Err(Error::config(format!("create '{path}': {why}")));
        if container && (ephemeral || sequence || ttl.is_some()) {
            return refuse("a container is not ephemeral, has no sequence number and no ttl; choose one");
        }
        if ephemeral && ttl.is_some() {
            return refuse("an ephemeral node goes with its session and has no ttl; choose one");
        }
        match ttl {
            Some(ttl) if !TTLS.contains(&ttl) => refuse(&format!("ttl={ttl:?}: give from 0.001 to 1099511627.775 s")),
            _ => Ok(()),
        }
    }

    /// True for kinds that not every server has.
    pub(super) fn extended(&self) -> bool {
        self.container || self.ttl.is_some()
    }

    /// The kind that every server has.
    pub(super) fn plain(&self) -> Self {
        Self { container: false, ttl: None, ..*self }
    }

    pub(super) fn options<'a>(&self, acls: zk::Acls<'a>) -> zk::CreateOptions<'a> {
        let mode = match (self.ephemeral, self.sequence) {
            (false, false) if self.container => zk::CreateMode::Container,
            (false, false) => zk::CreateMode::Persistent,
            (false, true) => zk::CreateMode::PersistentSequential,
            (true, false) => zk::CreateMode::Ephemeral,
            (true, true) => zk::CreateMode::EphemeralSequential,
        };
        let options = mode.with_acls(acls);
        match self.ttl {
            Some(ttl) => options.with_ttl(ttl),
            None => options,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contradictions_are_refused() {
        let plain = CreateKind::default();
        let ttl = Some(Duration::from_secs(1));
        for kind in [
            CreateKind { container: true, ephemeral: true, ..plain },
            CreateKind { container: true, sequence: true, ..plain },
            CreateKind { container: true, ttl, ..plain },
            CreateKind { ephemeral: true, ttl, ..plain },
            CreateKind { ttl: Some(Duration::ZERO), ..plain },
            CreateKind { ttl: Some(Duration::from_nanos(1)), ..plain },
            CreateKind { ttl: Some(Duration::MAX), ..plain },
        ] {
            assert!(matches!(kind.check("a"), Err(Error::Config(_))), "{kind:?}");
        }
        for kind in [plain, CreateKind { container: true, ..plain }, CreateKind { sequence: true, ttl, ..plain }] {
            assert!(kind.check("a").is_ok(), "{kind:?}");
            assert!(!kind.plain().extended());
        }
    }
}
