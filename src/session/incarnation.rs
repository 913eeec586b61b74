//! One ZooKeeper session from its handshake to its end, with its lease and its grants.
//!
//! A [`Session`](super::Session) outlives its incarnations: after an expiry it opens the next.

use std::future::Future;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use zookeeper_client as zk;

use super::grants::Grants;
use super::lease::Lease;
use super::metrics::Metrics;
use crate::config::Access;
use crate::error::{Error, Result};

/// How often a session that is not provably alive looks whether it is.
const UNPROVEN: Duration = Duration::from_millis(5);

/// What is known of the connection.
#[derive(Clone, Debug)]
pub struct Link {
    /// Counts every change. A grant verified at an older count must be verified again.
    pub epoch: u64,
    /// Whether requests reach a server now.
    pub connected: bool,
    /// Set once, when the session is over.
    pub ended: Option<Error>,
}

/// A live ZooKeeper session.
#[derive(Debug)]
pub struct Incarnation {
    /// The one whose session this uses, where it is a branch's.
    trunk: Option<Arc<Self>>,
    /// Taken away at the end: the library closes the session when the last clone is dropped.
    client: RwLock<Option<Arc<zk::Client>>>,
    session_id: i64,
    acls: Vec<zk::Acl>,
    pub(super) lease: Arc<Lease>,
    pub(super) link: watch::Sender<Link>,
    pub(super) grants: Grants,
    pub(super) metrics: Arc<Metrics>,
    /// Where clean-up runs, also when it is started by a thread outside the runtime.
    pub(super) runtime: Handle,
}

impl Incarnation {
    pub(super) fn new(opened: super::connect::Opened, access: &Access, metrics: Arc<Metrics>) -> Arc<Self> {
        let client = opened.client;
        Arc::new(Self {
            session_id: client.session_id().0,
            trunk: None,
            lease: Arc::new(Lease::new(client.session_timeout(), opened.sent)),
            link: watch::Sender::new(Link { epoch: 0, connected: true, ended: None }),
            grants: Grants::default(),
            metrics,
            runtime: Handle::current(),
            client: RwLock::new(Some(Arc::new(client))),
            acls: access.acls(),
        })
    }

    /// One with grants and an end of its own, on the session of `trunk`, whose link it has to be told of.
    ///
    /// # Errors
    /// Why the session of `trunk` ended.
    pub(super) fn branch(trunk: &Arc<Self>, access: &Access, metrics: Arc<Metrics>) -> Result<Arc<Self>> {
        Ok(Arc::new(Self {
            session_id: trunk.session_id,
            lease: trunk.lease.clone(),
            link: watch::Sender::new(Link { ended: None, ..trunk.link() }),
            grants: Grants::default(),
            metrics,
            runtime: trunk.runtime.clone(),
            client: RwLock::new(Some(trunk.client()?)),
            acls: access.acls(),
            trunk: Some(trunk.clone()),
        }))
    }

    /// What ends with the server's session and not before: what is to be removed is removed through it.
    pub(super) fn root(self: &Arc<Self>) -> &Arc<Self> {
        self.trunk.as_ref().unwrap_or(self)
    }

    /// The server's id of this session.
    #[must_use]
    pub fn session_id(&self) -> i64 {
        self.session_id
    }

    /// The timeout that the server granted.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.lease.timeout()
    }

    /// How long the session is provably alive from now on, with no help from the network.
    #[must_use]
    pub fn lease_left(&self) -> Duration {
        self.lease.remaining()
    }

    /// The connection as it is now.
    #[must_use]
    pub fn link(&self) -> Link {
        self.link.borrow().clone()
    }

    /// The rights put on every node.
    #[must_use]
    pub fn acls(&self) -> zk::Acls<'_> {
        zk::Acls::new(&self.acls)
    }

    /// The client, while the session lives.
    ///
    /// # Errors
    /// Why it does not.
    pub fn client(&self) -> Result<Arc<zk::Client>> {
        let client = self.client.read().unwrap_or_else(PoisonError::into_inner).clone();
        client.ok_or_else(|| self.end())
    }

    /// Why the session ended; `Closed` while nobody said.
    pub(super) fn end(&self) -> Error {
        self.link.borrow().ended.clone().unwrap_or_else(|| Error::closed("the session is closing; connect again"))
    }

    /// Runs a task beside the session, also where the caller is a thread outside the runtime.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(task);
    }

    /// Runs a request until its reply or the session's end, whichever comes first.
    ///
    /// # Cancel safety
    /// A request that was started has been queued for the server and takes effect all the same.
    ///
    /// # Errors
    /// The server's answer worded as "`attempt` `path`: …", or why the session ended.
    pub async fn request<T>(
        &self,
        attempt: &str,
        path: &str,
        request: impl Future<Output = Result<T, zk::Error>>,
    ) -> Result<T> {
        tokio::select! {
            biased;
            reply = request => reply.map_err(|error| Error::from_client(&error, attempt, path)),
            why = self.ended() => Err(why.reworded(|text| format!("{attempt} '{path}': {text}"))),
        }
    }

    /// Resolves with the reason when the session is over.
    pub async fn ended(&self) -> Error {
        let mut link = self.link.subscribe();
        match link.wait_for(|link| link.ended.is_some()).await {
            Ok(link) => link.ended.clone().unwrap_or_else(|| Error::closed("the session is closed")),
            Err(_) => Error::closed("the session is closed"),
        }
    }

    /// Resolves when requests reach a server again.
    ///
    /// # Errors
    /// Why the session ended before that.
    pub async fn connected(&self) -> Result<()> {
        let mut link = self.link.subscribe();
        match link.wait_for(|link| link.connected || link.ended.is_some()).await.map(|link| link.ended.clone()) {
            Ok(None) => Ok(()),
            Ok(Some(why)) => Err(why),
            Err(_) => Err(self.end()),
        }
    }

    /// Resolves when the session is provably alive: at once, but for the moment after an outage that was longer than the
    /// lease, until a heartbeat is answered. What is granted in that moment would be lost as it is granted.
    ///
    /// # Errors
    /// Why the session ended before that.
    pub async fn proven(&self) -> Result<()> {
        while self.lease.remaining().is_zero() {
            tokio::select! {
                why = self.ended() => return Err(why),
                () = tokio::time::sleep(UNPROVEN) => {}
            }
        }
        Ok(())
    }

    /// Ends the incarnation once: every grant is lost first, then every waiter wakes, then the
    /// client is let go, which closes the session on the server if it still lives there.
    pub(super) fn finish(&self, why: Error) {
        match &why {
            // Whoever closed it knows.
            Error::Closed(why) => drop(self.grants.end_all(why)),
            why => self.grants.lose_all(&why.to_string()),
        }
        self.link.send_if_modified(|link| {
            let first = link.ended.is_none();
            if first {
                *link = Link { epoch: link.epoch + 1, connected: false, ended: Some(why) };
            }
            first
        });
        drop(self.client.write().unwrap_or_else(PoisonError::into_inner).take());
    }
}
