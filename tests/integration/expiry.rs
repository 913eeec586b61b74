//! Grants and the end of sessions: FAULTS 1, 2, 11, 17.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sparkeeper::Error;
use sparkeeper::session::{GrantState, SessionState};
use tokio::time::Instant;

use crate::harness::{ME, eventually, expire, lock, namespace, s, server, session};
use crate::proxy::Proxy;

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_session_loses_its_lock_and_the_next_token_is_larger() {
    let ns = namespace("expired");
    let proxy = Proxy::before(&server()).await;
    let (one, two) = (session(&proxy.address, &ns, s(5.0)).await, session(&server(), &ns, s(5.0)).await);
    let held = lock(&one, "lock", "one").acquire(ME, None).await.expect("free");
    let lost_at = {
        let grant = held.grant().clone();
        tokio::spawn(async move {
            grant.lost().await.expect("lost, not released");
            Instant::now()
        })
    };
    let mut states = one.states();
    expire(&one, &proxy).await;
    while states.recv().await.expect("a state") != SessionState::Expired {}
    let learnt = Instant::now();
    assert!(lost_at.await.expect("told").saturating_duration_since(learnt) < s(1.0));
    assert_eq!(held.grant().state(), GrantState::Lost);
    assert!(matches!(held.grant().check(), Err(Error::LockLost(_))));

    let next = lock(&two, "lock", "two").acquire(ME, Some(s(5.0))).await.expect("free again");
    assert!(next.grant().token() > held.grant().token());
    held.release().expect("a no-op").done().await;
    next.grant().check().expect("the release of a lost lock leaves the next holder alone");

    // The coordinator itself goes on, with a new session.
    let again = lock(&one, "other", "one").acquire(ME, Some(s(10.0))).await.expect("usable again");
    again.grant().check().expect("held");
    assert_eq!(held.grant().state(), GrantState::Lost, "an old grant stays lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_holder_knows_before_a_waiter_is_let_in() {
    let ns = namespace("frozen");
    let proxy = Proxy::before(&server()).await;
    let (holder, waiter) = (session(&proxy.address, &ns, s(2.0)).await, session(&server(), &ns, s(2.0)).await);
    let held = lock(&holder, "lock", "holder").acquire(ME, None).await.expect("free");
    let told = Arc::new(AtomicBool::new(false));
    tokio::spawn({
        let (grant, told) = (held.grant().clone(), told.clone());
        async move {
            grant.lost().await;
            told.store(true, Ordering::SeqCst);
        }
    });
    proxy.freeze();
    let next = lock(&waiter, "lock", "waiter").acquire(ME, Some(s(15.0))).await.expect("the session expires");
    // Read in this order, at once: the waiter is in.
    let (state, told) = (held.grant().state(), told.load(Ordering::SeqCst));
    assert_eq!(state, GrantState::Lost);
    assert!(told, "on_lost ran before the waiter was in");
    assert!(next.grant().token() > held.grant().token());
    assert_eq!(held.grant().valid_for(), s(0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_silence_is_at_risk_and_then_held_again() {
    let ns = namespace("risk");
    let proxy = Proxy::before(&server()).await;
    let one = session(&proxy.address, &ns, s(6.0)).await;
    let held = lock(&one, "lock", "one").acquire(ME, None).await.expect("free");
    assert_eq!(held.grant().state(), GrantState::Held);
    proxy.cut();
    eventually("at risk", async || held.grant().state() == GrantState::AtRisk).await;
    assert!(held.grant().valid_for() > s(0.0));
    proxy.heal();
    eventually("held again", async || held.grant().state() == GrantState::Held).await;
    held.grant().check().expect("the same grant");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_deleted_by_somebody_else_is_a_lost_lock() {
    let ns = namespace("deleted");
    let (one, two) = (session(&server(), &ns, s(3.0)).await, session(&server(), &ns, s(3.0)).await);
    let held = lock(&one, "lock", "one").acquire(ME, None).await.expect("free");
    let node = one.relative(&held.grant().paths()[0]).to_owned();
    two.delete(&node, None, false, &[]).await.expect("an operator may");
    eventually("lost", async || held.grant().state() == GrantState::Lost).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_session_says_so_at_once_and_wakes_every_waiter() {
    let ns = namespace("closed");
    let (one, two) = (session(&server(), &ns, s(5.0)).await, session(&server(), &ns, s(5.0)).await);
    let held = lock(&one, "lock", "one").acquire(ME, None).await.expect("free");
    let waiters: Vec<_> = (0..20)
        .map(|_| {
            let waiting = lock(&two, "lock", "two");
            tokio::spawn(async move { waiting.acquire(ME, None).await.map(drop) })
        })
        .collect();
    eventually("in line", async || lock(&one, "lock", "x").contenders().await.expect("listed").len() == 21).await;
    let start = Instant::now();
    two.close().await;
    for waiter in waiters {
        assert!(matches!(waiter.await.expect("no panic"), Err(Error::Closed(_))));
    }
    assert!(matches!(two.get("x").await, Err(Error::Closed(_))));
    assert!(start.elapsed() < s(1.0), "{:?}", start.elapsed());
    eventually("their nodes are gone", async || lock(&one, "lock", "x").contenders().await.expect("listed").len() == 1)
        .await;
    held.grant().check().expect("untouched");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_a_typed_error_at_once() {
    let start = Instant::now();
    let config = sparkeeper::Config::parse("127.0.0.1:1").expect("an address");
    let refused = sparkeeper::Session::open(config, None).await;
    assert!(matches!(refused, Err(Error::ConnectionLost(_))), "{refused:?}");
    assert!(start.elapsed() < s(1.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn unreadable_credentials_are_a_typed_error_at_once() {
    let mut config = sparkeeper::Config::parse(&server()).expect("an address");
    config.auth.push(sparkeeper::config::Auth {
        scheme: "nonsense".to_owned(),
        credential: sparkeeper::config::Secret::parse("who:knows"),
    });
    let start = Instant::now();
    let refused = sparkeeper::Session::open(config, None).await;
    assert!(matches!(refused, Err(Error::AuthFailed(_))), "{refused:?}");
    assert!(start.elapsed() < s(1.0));
}
