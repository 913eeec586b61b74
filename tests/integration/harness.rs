//! What every test starts from: the server, a namespace of its own, and waiting for conditions.

use std::future::Future;
use std::time::Duration;

use sparkeeper::recipes::{Holder, Lock};
use sparkeeper::session::Session;
use sparkeeper::{Config, Error};
use tokio::time::Instant;

use crate::proxy::Proxy;

/// `host:port` of the server under test.
pub fn server() -> String {
    std::env::var("SPARKEEPER_TEST_SERVER").expect("no server: run `make test-rust`, which starts one")
}

/// A path prefix that no other test has.
pub fn namespace(test: &str) -> String {
    format!("rust/{test}-{}", uuid::Uuid::new_v4().simple())
}

/// A session with `server`, with a timeout short enough to wait for.
pub async fn session(server: &str, namespace: &str, timeout: Duration) -> Session {
    let mut config = Config::parse(server).expect("an address");
    namespace.clone_into(&mut config.namespace);
    config.session_timeout = timeout;
    "test".clone_into(&mut config.owner);
    Session::open(config, Some(Duration::from_secs(10))).await.expect("a session")
}

/// A lock handle with its own owner.
pub fn lock(session: &Session, path: &str, owner: &str) -> Lock {
    Lock::new(session, path, Some(owner.to_owned())).expect("a valid path")
}

/// A holder number, where the test does not care which.
pub const ME: Holder = Holder(1);

/// Seconds.
pub fn s(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// Waits until `condition` holds; fails, saying `what`, after ten seconds.
pub async fn eventually<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let end = Instant::now() + s(10.0);
    while !condition().await {
        assert!(Instant::now() < end, "not within 10 s: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Children of a path; none where there is no such node.
pub async fn children(session: &Session, path: &str) -> Vec<String> {
    match session.children(path).await {
        Ok(children) => children,
        Err(Error::NoNode(_)) => Vec::new(),
        Err(error) => panic!("{error}"),
    }
}

/// Ends the server's side of a session for real, from a second connection that takes it over and closes it.
/// The link of its owner is cut meanwhile: the two would take it from each other for ever.
pub async fn expire(session: &Session, link: &Proxy) {
    let incarnation = session.live().await.expect("live");
    let info = incarnation.client().expect("live").session().clone();
    link.cut();
    let thief = zookeeper_client::Client::connector().with_session(info).connect(&server()).await.expect("taken over");
    let mut state = thief.state_watcher();
    drop(thief);
    while !state.changed().await.is_terminated() {}
    link.heal();
}
