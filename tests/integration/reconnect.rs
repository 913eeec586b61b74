//! Coming back: state changes in order, waits that go on, a new session after an expiry. FAULTS 17.

use sparkeeper::session::SessionState;

use crate::harness::{ME, children, eventually, expire, lock, namespace, s, server, session};
use crate::proxy::Proxy;

#[tokio::test(flavor = "multi_thread")]
async fn states_are_reported_in_order() {
    let ns = namespace("states");
    let proxy = Proxy::before(&server()).await;
    let one = session(&proxy.address, &ns, s(5.0)).await;
    let mut states = one.states();
    let first = one.session_id();
    proxy.cut();
    assert_eq!(states.recv().await.expect("a state"), SessionState::Suspended);
    proxy.heal();
    assert_eq!(states.recv().await.expect("a state"), SessionState::Connected);
    assert_eq!(one.session_id(), first, "the same session");
    proxy.cut();
    assert_eq!(states.recv().await.expect("a state"), SessionState::Suspended);
    assert_eq!(states.recv().await.expect("a state"), SessionState::Expired);
    proxy.heal();
    assert_eq!(states.recv().await.expect("a state"), SessionState::Connected);
    assert_ne!(one.session_id(), first, "a new session");
    one.close().await;
    assert_eq!(states.recv().await.expect("a state"), SessionState::Closed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_survives_a_cut_and_an_expiry() {
    let ns = namespace("survive");
    let proxy = Proxy::before(&server()).await;
    let (one, two) = (session(&server(), &ns, s(5.0)).await, session(&proxy.address, &ns, s(5.0)).await);
    let held = lock(&one, "lock", "one").acquire(ME, None).await.expect("free");
    let waiting = lock(&two, "lock", "two");
    let waiting = tokio::spawn(async move { waiting.acquire(ME, Some(s(60.0))).await });
    eventually("in line", async || children(&one, "lock").await.len() == 2).await;
    proxy.cut();
    eventually("suspended", async || two.state() == SessionState::Suspended).await;
    proxy.heal();
    eventually("connected", async || two.state() == SessionState::Connected).await;
    let old = children(&one, "lock").await;
    expire(&two, &proxy).await;
    eventually("in line again, with a new node", async || {
        let now = children(&one, "lock").await;
        now.len() == 2 && now.iter().any(|name| !old.contains(name))
    })
    .await;
    held.release().expect("held").done().await;
    let held = waiting.await.expect("no panic").expect("its turn");
    held.grant().check().expect("held");
    assert_eq!(children(&one, "lock").await.len(), 1);
}
