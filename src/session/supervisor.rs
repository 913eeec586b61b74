//! The session that users hold: it opens the next incarnation when one expires.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use tokio::sync::{Mutex, broadcast, watch};

use super::connect;
use super::handshake;
use super::heartbeat;
use super::incarnation::{Incarnation, Link};
use super::metrics::Metrics;
use super::names::Names;
use super::state::SessionState;
use super::succession::Succession;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::path::Namespace;
use crate::retry::{Deadline, delays};

/// How long closing waits for the server to confirm.
pub(super) const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long an operation waits for the next session at least. A short session timeout says how soon others may take
/// over, not how long a caller can wait; on a busy machine a handshake alone may take as long.
const REOPENING: Duration = Duration::from_secs(10);
/// State changes kept for a subscriber that is slow to read them.
const STATE_BACKLOG: usize = 256;

/// A shared, self-renewing connection to an ensemble. Clones are the same session.
#[derive(Clone, Debug)]
pub struct Session(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    config: Config,
    namespace: Namespace,
    pub(super) phase: watch::Sender<Phase>,
    pub(super) states: broadcast::Sender<SessionState>,
    /// Dropped with the last handle, which ends the supervisor.
    pub(super) stop: watch::Sender<bool>,
    /// One for all incarnations.
    metrics: Arc<Metrics>,
    names: Arc<Names>,
    /// How many branches are open; see [`super::branch`].
    pub(super) branches: AtomicUsize,
    /// Held while what the last branch left is removed.
    pub(super) clearing: Mutex<()>,
}

#[derive(Clone, Debug)]
pub(super) enum Phase {
    Live(Arc<Incarnation>),
    Opening,
    Over(Error),
}

impl Session {
    /// Connects, trying every host once, or until `timeout` has passed where one is given.
    ///
    /// # Errors
    /// `ConnectionLost` where nobody answered, `AuthFailed` where the credentials were refused, `Config`.
    pub async fn open(config: Config, timeout: Option<Duration>) -> Result<Self> {
        config.check()?;
        let namespace = config.prefix()?;
        let deadline = Deadline::after(Some(timeout.unwrap_or_default()));
        let total = Deadline::after(timeout.filter(|timeout| !timeout.is_zero()));
        let mut delays = delays();
        let opened = loop {
            // On the heap: a handshake is some twenty kilobytes of state, and every caller would carry it.
            let opened = total.bound(Box::pin(connect::open(&config))).await;
            match opened.unwrap_or_else(|| Err(connect::nobody(&config))) {
                Err(Error::ConnectionLost(_)) if !deadline.passed() => {
                    let pause = tokio::time::sleep(delays.next().unwrap_or_default());
                    deadline.bound(pause).await;
                }
                opened => break opened?,
            }
        };
        let client = opened.client.clone();
        if !config.chroot.is_empty() && matches!(client.check_stat(&config.chroot).await, Ok(None)) {
            tracing::warn!(chroot = config.chroot, "the chroot does not exist yet; the first write will create it");
        }
        let metrics = Arc::<Metrics>::default();
        let incarnation = Incarnation::new(opened, &config.acl, metrics.clone());
        let phase = watch::Sender::new(Phase::Live(incarnation.clone()));
        let session = Self::new(config.clone(), namespace, phase, metrics, Arc::default());
        let supervisor = Supervisor {
            config,
            phase: session.0.phase.clone(),
            states: session.0.states.clone(),
            metrics: session.0.metrics.clone(),
            stop: session.0.stop.subscribe(),
        };
        tokio::spawn(supervisor.run(incarnation, client));
        Ok(session)
    }

    pub(super) fn new(
        config: Config,
        namespace: Namespace,
        phase: watch::Sender<Phase>,
        metrics: Arc<Metrics>,
        names: Arc<Names>,
    ) -> Self {
        let (states, stop) = (broadcast::Sender::new(STATE_BACKLOG), watch::Sender::new(false));
        let (branches, clearing) = (AtomicUsize::new(0), Mutex::new(()));
        Self(Arc::new(Inner { config, namespace, phase, states, stop, metrics, names, branches, clearing }))
    }

    /// What the session was opened with.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// The absolute path of a path in this session's namespace.
    ///
    /// # Errors
    /// `InvalidPath`.
    pub fn absolute(&self, path: &str) -> Result<String> {
        self.0.namespace.absolute(path)
    }

    /// The inverse of [`Session::absolute`].
    #[must_use]
    pub fn relative<'a>(&self, path: &'a str) -> &'a str {
        self.0.namespace.relative(path)
    }

    /// The live incarnation; while the next is being opened, waits for it, for a session timeout or 10 s, whichever is
    /// longer.
    ///
    /// # Errors
    /// `ConnectionLost` where none came up in time; `Closed`, `AuthFailed` where none will.
    pub async fn live(&self) -> Result<Arc<Incarnation>> {
        let patience = self.0.config.session_timeout.max(REOPENING);
        match tokio::time::timeout(patience, self.next_live()).await {
            Ok(live) => live,
            Err(_) => Err(Error::connection_lost(format!(
                "no server of {} answered for {patience:?} after the session expired; check that the ensemble runs",
                self.0.config.hosts
            ))),
        }
    }

    /// The live incarnation with its client. It may end between one and the other: then it is the next one, since
    /// nothing was asked of it.
    ///
    /// # Errors
    /// As [`Session::live`].
    pub(super) async fn live_client(&self) -> Result<(Arc<Incarnation>, Arc<zookeeper_client::Client>)> {
        loop {
            let incarnation = self.live().await?;
            match incarnation.client() {
                Err(Error::SessionExpired(_)) => {}
                client => return client.map(|client| (incarnation, client)),
            }
        }
    }

    /// The live incarnation, however long it takes to come up.
    ///
    /// # Errors
    /// `Closed`, `AuthFailed`: there will be none.
    pub async fn next_live(&self) -> Result<Arc<Incarnation>> {
        self.succession().next_live().await
    }

    /// The incarnations from the live one on, for tasks that must not keep the session open.
    #[must_use]
    pub fn succession(&self) -> Succession {
        Succession(self.0.phase.subscribe())
    }

    /// The names that are taken within this session.
    #[must_use]
    pub fn names(&self) -> &Arc<Names> {
        &self.0.names
    }

    /// What can be done now.
    #[must_use]
    pub fn state(&self) -> SessionState {
        match &*self.0.phase.borrow() {
            Phase::Live(incarnation) => match &*incarnation.link.borrow() {
                Link { ended: Some(_), .. } => SessionState::Expired,
                Link { connected: true, .. } => SessionState::Connected,
                Link { connected: false, .. } => SessionState::Suspended,
            },
            Phase::Opening => SessionState::Expired,
            Phase::Over(_) => SessionState::Closed,
        }
    }

    /// The server's id of the live session; 0 while there is none.
    #[must_use]
    pub fn session_id(&self) -> i64 {
        match &*self.0.phase.borrow() {
            Phase::Live(incarnation) => incarnation.session_id(),
            Phase::Opening | Phase::Over(_) => 0,
        }
    }

    /// What happened to every path since the session was opened, expiries included.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Every state change from now on.
    #[must_use]
    pub fn states(&self) -> broadcast::Receiver<SessionState> {
        self.0.states.subscribe()
    }

    /// Ends the session on the server; every grant is lost and every waiter gets `Closed`.
    pub async fn close(&self) {
        self.0.stop.send_replace(true);
        let mut phase = self.0.phase.subscribe();
        let over = phase.wait_for(|phase| matches!(phase, Phase::Over(_)));
        // Closing goes on in the background where the server is slow to confirm.
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, over).await;
    }
}

pub(super) fn closed() -> Error {
    Error::closed("the coordinator is closed; connect again")
}

struct Supervisor {
    config: Config,
    phase: watch::Sender<Phase>,
    states: broadcast::Sender<SessionState>,
    stop: watch::Receiver<bool>,
    metrics: Arc<Metrics>,
}

impl Supervisor {
    async fn run(mut self, mut incarnation: Arc<Incarnation>, mut client: zookeeper_client::Client) {
        loop {
            let why = self.serve(&incarnation, client).await;
            if !why.session_ended() {
                return self.finish(why);
            }
            self.phase.send_replace(Phase::Opening);
            self.say(SessionState::Expired);
            let opened = tokio::select! {
                opened = reopen(&self.config) => opened,
                () = stopped(&mut self.stop) => Err(closed()),
            };
            match opened {
                Ok(opened) => {
                    client = opened.client.clone();
                    incarnation = Incarnation::new(opened, &self.config.acl, self.metrics.clone());
                    self.phase.send_replace(Phase::Live(incarnation.clone()));
                    self.say(SessionState::Connected);
                }
                Err(why) => return self.finish(why),
            }
        }
    }

    /// Serves one incarnation to its end and says why it ended.
    async fn serve(&mut self, incarnation: &Arc<Incarnation>, client: zookeeper_client::Client) -> Error {
        let mut ending = client.state_watcher();
        let mut link = incarnation.link.subscribe();
        let ports = ports(&self.config.hosts);
        let (states, mut connected) = (self.states.clone(), true);
        tokio::select! {
            () = heartbeat::serve(incarnation, client, &ports) => {}
            () = report(&mut link, &mut connected, &states) => {}
            why = handshake::refused_again(&self.config, incarnation.link.subscribe()) => incarnation.finish(why),
            () = stopped(&mut self.stop) => {
                incarnation.finish(closed());
                let confirmed = async { while !ending.changed().await.is_terminated() {} };
                // The server removes the session at its timeout where it cannot confirm now.
                let _ = tokio::time::timeout(CLOSE_TIMEOUT, confirmed).await;
            }
        }
        let why = incarnation.end();
        if connected && why.session_ended() {
            self.say(SessionState::Suspended);
        }
        why
    }

    fn finish(&self, why: Error) {
        self.phase.send_replace(Phase::Over(why));
        self.say(SessionState::Closed);
    }

    fn say(&self, state: SessionState) {
        // Nobody may be listening.
        let _ = self.states.send(state);
    }
}

/// Reports connects and disconnects of one incarnation, and keeps `connected` to what was reported
/// last. Changes that follow each other closely reach us as one: users see a `Suspended` all the same.
pub(super) async fn report(
    link: &mut watch::Receiver<Link>,
    connected: &mut bool,
    states: &broadcast::Sender<SessionState>,
) {
    while link.changed().await.is_ok() {
        let now = link.borrow_and_update().clone();
        if now.ended.is_some() {
            break;
        }
        if std::mem::replace(connected, now.connected) {
            // Nobody may be listening, here and below.
            let _ = states.send(SessionState::Suspended);
        }
        if now.connected {
            let _ = states.send(SessionState::Connected);
        }
    }
    std::future::pending::<()>().await;
}

/// Resolves when the session was closed, or its last handle dropped.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn reopen(config: &Config) -> Result<connect::Opened> {
    for delay in delays() {
        match connect::open(config).await {
            // What is asked for secrets may be away as long as the servers were.
            Err(error @ Error::Config(_)) if !config.auth.iter().any(|auth| auth.credential.is_asked()) => {
                return Err(error);
            }
            Err(error @ Error::AuthFailed(_)) => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "no new session yet; trying again");
                tokio::time::sleep(delay).await;
            }
            opened => return opened,
        }
    }
    Err(closed())
}

fn ports(hosts: &str) -> Vec<u16> {
    hosts.split(',').filter_map(|host| host.rsplit_once(':')?.1.parse().ok()).collect()
}
