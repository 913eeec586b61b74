//! Branches: sessions of their own to whoever uses them, on one ZooKeeper session, the trunk.
//!
//! A branch has its own grants, namespace, rights and owner, and its own end: then its grants are lost and their nodes
//! deleted, its waiters get `Closed`, and the trunk goes on. What a branch made besides, such as plain ephemeral nodes,
//! goes when no branch is open any more: the server lists what the trunk's session still has. Where that cannot be had
//! in time the trunk's session is closed, which removes it with certainty, and the next one opened.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::{broadcast, watch};

use super::delete::withdraw;
use super::heartbeat;
use super::incarnation::Incarnation;
use super::metrics::Metrics;
use super::scope::{Inside, Scope};
use super::state::SessionState;
use super::succession::Succession;
use super::supervisor::{CLOSE_TIMEOUT, Phase, Session, closed, report, stopped};
use crate::config::Config;
use crate::error::{Error, Result};

impl Session {
    /// A branch of this session, which `scope` ends. Of `config` its namespace, rights and owner count.
    ///
    /// # Errors
    /// `Closed` where the scope has ended; `Config`; as [`Session::live`].
    pub async fn branch(&self, config: Config, scope: &Scope) -> Result<Self> {
        config.check()?;
        let namespace = config.prefix()?;
        let inside = scope.enter()?;
        let metrics = Arc::<Metrics>::default();
        let (trunk, incarnation) = {
            // Not while the last one is cleared away.
            let _clearing = self.0.clearing.lock().await;
            let trunk = self.live().await?;
            let incarnation = Incarnation::branch(&trunk, &config.acl, metrics.clone())?;
            self.0.branches.fetch_add(1, Ordering::AcqRel);
            (trunk, incarnation)
        };
        let phase = watch::Sender::new(Phase::Live(incarnation.clone()));
        let branch = Self::new(config, namespace, phase, metrics.clone(), self.names().clone());
        let task = Branch {
            config: branch.config().clone(),
            phase: branch.0.phase.clone(),
            states: branch.0.states.clone(),
            stop: branch.0.stop.subscribe(),
            succession: self.succession(),
            trunk: self.clone(),
            inside,
            metrics,
        };
        tokio::spawn(task.run(trunk, incarnation));
        Ok(branch)
    }
}

/// The task behind a branch.
struct Branch {
    config: Config,
    trunk: Session,
    succession: Succession,
    phase: watch::Sender<Phase>,
    states: broadcast::Sender<SessionState>,
    stop: watch::Receiver<bool>,
    inside: Inside,
    metrics: Arc<Metrics>,
}

impl Branch {
    /// Follows the trunk from one incarnation to the next, until the branch is closed or the trunk is.
    async fn run(mut self, mut below: Arc<Incarnation>, mut incarnation: Arc<Incarnation>) {
        let why = loop {
            let why = self.serve(&below, &incarnation).await;
            incarnation.finish(why.clone());
            if !why.session_ended() {
                break why;
            }
            self.phase.send_replace(Phase::Opening);
            self.say(SessionState::Expired);
            let next = tokio::select! {
                next = self.succession.next_live() => next,
                why = over(&mut self.stop, &mut self.inside) => Err(why),
            };
            let next = next.and_then(|next| {
                let branch = Incarnation::branch(&next, &self.config.acl, self.metrics.clone())?;
                Ok((next, branch))
            });
            match next {
                Ok(next) => (below, incarnation) = next,
                // It ended as soon as it began: the one after it is waited for.
                Err(why) if why.session_ended() => continue,
                Err(why) => break why,
            }
            self.phase.send_replace(Phase::Live(incarnation.clone()));
            self.say(SessionState::Connected);
        };
        if self.trunk.0.branches.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.clear(&below).await;
        }
        self.phase.send_replace(Phase::Over(why));
        self.say(SessionState::Closed);
    }

    async fn serve(&mut self, below: &Arc<Incarnation>, incarnation: &Arc<Incarnation>) -> Error {
        let mut link = incarnation.link.subscribe();
        let mut connected = true;
        let why = tokio::select! {
            why = heartbeat::serve_branch(incarnation, below) => why,
            () = report(&mut link, &mut connected, &self.states) => closed(),
            why = over(&mut self.stop, &mut self.inside) => why,
        };
        if connected && why.session_ended() {
            self.say(SessionState::Suspended);
        }
        why
    }

    /// No branch is open: what the session still has is nobody's.
    async fn clear(&self, trunk: &Arc<Incarnation>) {
        let cleared = async {
            let _clearing = self.trunk.0.clearing.lock().await;
            // Another was opened meanwhile; its end clears.
            if self.trunk.0.branches.load(Ordering::Acquire) > 0 {
                return Ok(());
            }
            let client = trunk.client()?;
            let left = loop {
                // A session is answered in order: the deletions that the branches' ends have sent came before.
                match trunk.request("list what is left of the session below", "/", client.list_ephemerals("/")).await {
                    Err(Error::ConnectionLost(_)) => trunk.connected().await?,
                    listed => break listed?,
                }
            };
            futures_util::future::join_all(left.iter().map(|path| withdraw(trunk, path))).await;
            Ok::<_, Error>(())
        };
        match tokio::time::timeout(CLOSE_TIMEOUT, cleared).await {
            Ok(Err(why)) if !why.session_ended() && !why.is_terminated() => {
                trunk.finish(Error::session_expired(format!("closed, because nodes might stay behind: {why}")));
            }
            Ok(_) => {}
            Err(_) => {
                let why = "closed, because nodes might stay behind: no server said in time which there are";
                trunk.finish(Error::session_expired(why));
            }
        }
    }

    fn say(&self, state: SessionState) {
        // Nobody may be listening.
        let _ = self.states.send(state);
    }
}

/// Resolves with the reason when the branch was closed, its last handle dropped, or its scope ended.
async fn over(stop: &mut watch::Receiver<bool>, inside: &mut Inside) -> Error {
    tokio::select! {
        () = stopped(stop) => closed(),
        why = inside.ended() => why,
    }
}
