//! A session on first use: handles travel between processes as configuration and connect where they are used.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex, OnceCell};

use crate::config::{Access, Config};
use crate::error::{Error, Result};
use crate::session::{Scope, Session, SessionState};

/// Sessions that handles from elsewhere share in this process, by their configuration.
static SHARED: LazyLock<std::sync::Mutex<HashMap<Config, Slot>>> = LazyLock::new(Default::default);

/// Held while its session is opened, so that two first users open one.
type Slot = Arc<Mutex<Option<Session>>>;

/// A configuration, and the session once somebody needed it.
#[derive(Clone, Debug)]
pub(super) struct Link {
    config: Arc<Config>,
    session: Arc<OnceCell<Session>>,
    /// Where it is for a task: then it is a branch of the session that the process has for all its tasks.
    scope: Option<Scope>,
    /// Set by `close`, which must also hold for a session that was never needed.
    closed: Arc<AtomicBool>,
}

impl Link {
    /// To be opened on first use, and shared by all links with this configuration; with a scope, a branch of its own.
    pub(super) fn new(config: Config, scope: Option<Scope>) -> Self {
        Self { config: Arc::new(config), session: Arc::default(), scope, closed: Arc::default() }
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// The session, if it was needed before.
    pub(super) fn existing(&self) -> Option<&Session> {
        self.session.get()
    }

    /// Opens a session of this link's own, where none was needed before; with a scope, a branch.
    ///
    /// # Errors
    /// As [`Session::open`].
    pub(super) async fn open(&self, timeout: Option<Duration>) -> Result<()> {
        let open = async || match &self.scope {
            None => Session::open(Config::clone(&self.config), timeout).await,
            Some(scope) => branch(&self.config, scope, timeout).await,
        };
        self.session.get_or_try_init(open).await.map(drop)
    }

    /// What can be done now: a session that was not needed yet is as good as one that is away.
    pub(super) fn state(&self) -> SessionState {
        let unopened = if self.closed.load(Ordering::Acquire) { SessionState::Closed } else { SessionState::Suspended };
        self.session.get().map_or(unopened, Session::state)
    }

    /// Ends the session, and forbids opening one.
    pub(super) async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        if let Some(session) = self.session.get() {
            session.close().await;
        }
    }

    /// The session, opened now if need be.
    ///
    /// # Errors
    /// As [`Session::open`]; `Closed`.
    pub(super) async fn session(&self) -> Result<&Session> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::closed("the coordinator is closed; connect again"));
        }
        let open = async || match &self.scope {
            None => shared(&self.config, None).await,
            Some(scope) => branch(&self.config, scope, None).await,
        };
        self.session.get_or_try_init(open).await
    }
}

/// A branch of the session that all tasks of this process share, whatever they call themselves and their nodes.
async fn branch(config: &Config, scope: &Scope, timeout: Option<Duration>) -> Result<Session> {
    let mut trunk = config.clone();
    trunk.namespace.clear();
    trunk.acl = Access::default();
    "the session of a Spark worker".clone_into(&mut trunk.owner);
    shared(&trunk, timeout).await?.branch(config.clone(), scope).await
}

async fn shared(config: &Config, timeout: Option<Duration>) -> Result<Session> {
    let slot = {
        let mut sessions = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.entry(config.clone()).or_default().clone()
    };
    let mut slot = slot.lock().await;
    if let Some(session) = slot.as_ref().filter(|session| session.state() != SessionState::Closed) {
        return Ok(session.clone());
    }
    let session = Session::open(config.clone(), timeout).await?;
    Ok(slot.insert(session).clone())
}
