//! Lost replies: FAULTS 4 and 5.

use sparkeeper::session::GrantState;

use crate::harness::{ME, children, eventually, expire, lock, namespace, s, server, session};
use crate::proxy::{Proxy, op};

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_reply_to_the_create_leaves_exactly_one_node() {
    let ns = namespace("create-lost");
    let proxy = Proxy::before(&server()).await;
    let (one, watcher) = (session(&proxy.address, &ns, s(6.0)).await, session(&server(), &ns, s(6.0)).await);
    // The parent exists, so that the first create is the one whose reply is lost.
    one.create("lock", b"", sparkeeper::session::CreateKind::default(), true, &[]).await.expect("made");
    let before = proxy.requests(op::CREATE2);
    proxy.drop_reply_to(op::CREATE2);
    let held = lock(&one, "lock", "one").acquire(ME, Some(s(10.0))).await.expect("adopted");
    assert!(proxy.dropped(), "the fault happened");
    let nodes = children(&watcher, "lock").await;
    assert_eq!(nodes.len(), 1, "{nodes:?}");
    assert!(held.grant().paths()[0].ends_with(&nodes[0]));
    assert_eq!(proxy.requests(op::CREATE2) - before, 1, "it was adopted, not made again");
    eventually("held", async || held.grant().state() == GrantState::Held).await;
    held.release().expect("held").done().await;
    assert!(children(&watcher, "lock").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_an_expired_session_is_not_adopted() {
    let ns = namespace("create-expired");
    let proxy = Proxy::before(&server()).await;
    let (one, watcher) = (session(&proxy.address, &ns, s(4.0)).await, session(&server(), &ns, s(4.0)).await);
    one.create("lock", b"", sparkeeper::session::CreateKind::default(), true, &[]).await.expect("made");
    let before = one.session_id();
    proxy.drop_reply_to(op::CREATE2);
    let handle = lock(&one, "lock", "one");
    let acquiring = tokio::spawn(async move { handle.acquire(ME, Some(s(20.0))).await });
    eventually("the reply is lost", async || proxy.dropped()).await;
    // The server made the node; now its session ends while the client knows nothing of either.
    expire(&one, &proxy).await;
    let held = acquiring.await.expect("no panic").expect("acquired in the new session");
    assert_ne!(held.grant().session_id(), before);
    let line = lock(&watcher, "lock", "x").contenders().await.expect("listed");
    assert_eq!(line.len(), 1, "{line:?}");
    assert_eq!(line[0].session_id, held.grant().session_id());
    held.grant().check().expect("held");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_reply_to_the_delete_leaves_no_node() {
    let ns = namespace("delete-lost");
    let proxy = Proxy::before(&server()).await;
    let (one, watcher) = (session(&proxy.address, &ns, s(6.0)).await, session(&server(), &ns, s(6.0)).await);
    let handle = lock(&one, "lock", "one");
    let held = handle.acquire(ME, None).await.expect("free");
    proxy.drop_reply_to(op::DELETE);
    held.release().expect("held").done().await;
    assert!(proxy.dropped(), "the fault happened");
    assert!(children(&watcher, "lock").await.is_empty());
    let again = handle.acquire(ME, Some(s(5.0))).await.expect("the same handle acquires again");
    again.grant().check().expect("held");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_that_never_arrived_is_repeated() {
    let ns = namespace("delete-cut");
    let proxy = Proxy::before(&server()).await;
    let (one, watcher) = (session(&proxy.address, &ns, s(8.0)).await, session(&server(), &ns, s(8.0)).await);
    let held = lock(&one, "lock", "one").acquire(ME, None).await.expect("free");
    proxy.cut();
    let release = held.release().expect("held");
    proxy.heal();
    release.done().await;
    assert!(children(&watcher, "lock").await.is_empty());
}
