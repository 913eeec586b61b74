//! Branches of one session: each with its own grants and end, none outliving its scope.

use sparkeeper::Error;
use sparkeeper::session::{CreateKind, GrantState, Scope, Session};

use crate::harness::{ME, eventually, expire, lock, namespace, s, server, session};
use crate::proxy::Proxy;

async fn branch(trunk: &Session, scope: &Scope) -> Session {
    trunk.branch(trunk.config().clone(), scope).await.expect("connected")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_gives_back_what_it_held_and_the_last_one_whatever_is_left() {
    let trunk = session(&server(), &namespace("branches"), s(30.0)).await;
    let scope = Scope::default();
    let (one, two) = (branch(&trunk, &scope).await, branch(&trunk, &scope).await);
    assert_eq!((one.session_id(), two.session_id()), (trunk.session_id(), trunk.session_id()));
    let first = lock(&one, "first", "one").acquire(ME, None).await.expect("free");
    let second = lock(&two, "second", "two").acquire(ME, None).await.expect("free");
    let waiting = tokio::spawn({
        let lock = lock(&one, "second", "one");
        async move { lock.acquire(ME, None).await }
    });
    eventually("one stands in line", async || {
        lock(&two, "second", "two").contenders().await.expect("connected").len() == 2
    })
    .await;
    one.create("plain", b"", CreateKind::EPHEMERAL, true, &[]).await.expect("made");

    one.close().await;
    assert!(matches!(waiting.await.expect("no panic"), Err(Error::Closed(_))));
    assert_eq!(first.grant().state(), GrantState::Lost);
    second.grant().check().expect("another branch's");
    assert_eq!(lock(&two, "first", "two").contenders().await.expect("connected").len(), 0);
    eventually("the waiter has left", async || {
        lock(&two, "second", "two").contenders().await.expect("connected").len() == 1
    })
    .await;
    assert!(two.exists("plain").await.expect("connected").is_some());

    scope.end().await;
    assert_eq!(second.grant().state(), GrantState::Lost);
    assert!(trunk.exists("plain").await.expect("connected").is_none());
    assert_eq!(lock(&trunk, "second", "trunk").contenders().await.expect("connected").len(), 0);
    assert!(matches!(trunk.branch(trunk.config().clone(), &scope).await, Err(Error::Closed(_))));
    branch(&trunk, &Scope::default()).await.exists("").await.expect("the session goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn branches_go_on_with_the_next_session_after_an_expiry() {
    let proxy = Proxy::before(&server()).await;
    let trunk = session(&proxy.address, &namespace("branches-expired"), s(5.0)).await;
    let scope = Scope::default();
    let one = branch(&trunk, &scope).await;
    let held = lock(&one, "lock", "one").acquire(ME, None).await.expect("free");
    let before = one.session_id();
    expire(&trunk, &proxy).await;
    held.grant().lost().await.expect("lost, not released");
    let again = lock(&one, "lock", "one").acquire(ME, Some(s(30.0))).await.expect("usable again");
    assert!(again.grant().token() > held.grant().token());
    assert_ne!(one.session_id(), before);
    scope.end().await;
    assert_eq!(lock(&trunk, "lock", "trunk").contenders().await.expect("connected").len(), 0);
}
