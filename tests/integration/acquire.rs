//! Timeouts, cancellation, reentrancy, flights: FAULTS 6.

use std::time::Duration;

use sparkeeper::Error;
use sparkeeper::recipes::Holder;
use tokio::time::Instant;

use crate::harness::{ME, children, eventually, lock, namespace, s, server, session};
use crate::proxy::{Proxy, op};

#[tokio::test(flavor = "multi_thread")]
async fn a_timeout_is_exact_names_the_holder_and_leaves_nothing() {
    let ns = namespace("timeout");
    let proxy = Proxy::before(&server()).await;
    let (one, two) = (session(&server(), &ns, s(5.0)).await, session(&proxy.address, &ns, s(5.0)).await);
    let held = lock(&one, "lock", "the nightly job").acquire(ME, None).await.expect("free");
    let start = Instant::now();
    let error = lock(&two, "lock", "two").acquire(ME, Some(s(1.0))).await.expect_err("busy");
    let took = start.elapsed();
    assert!(took >= s(1.0) && took <= s(1.1), "{took:?}");
    assert!(matches!(error, Error::AcquireTimeout(_)));
    assert!(error.to_string().contains("the nightly job"), "{error}");
    eventually("no node is left", async || children(&one, "lock").await.len() == 1).await;
    // Without a watch left behind, the release notifies nobody.
    held.release().expect("held").done().await;
    two.sync("lock").await.expect("synced");
    assert_eq!(proxy.notifications(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeout_while_disconnected_leaves_nothing_either() {
    let ns = namespace("timeout-cut");
    let proxy = Proxy::before(&server()).await;
    let (one, two) = (session(&server(), &ns, s(8.0)).await, session(&proxy.address, &ns, s(8.0)).await);
    let held = lock(&one, "lock", "one").acquire(ME, None).await.expect("free");
    proxy.cut();
    let start = Instant::now();
    let error = lock(&two, "lock", "two").acquire(ME, Some(s(1.0))).await.expect_err("no server");
    assert!(matches!(error, Error::AcquireTimeout(_)), "{error}");
    assert!(start.elapsed() >= s(1.0) && start.elapsed() <= s(1.1), "{:?}", start.elapsed());
    proxy.heal();
    two.sync("lock").await.expect("back");
    eventually("no node is left", async || children(&one, "lock").await.len() == 1).await;
    held.grant().check().expect("untouched");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_acquire_leaves_nothing_wherever_it_is_cancelled() {
    let ns = namespace("cancel");
    let proxy = Proxy::before(&server()).await;
    let (one, two) = (session(&server(), &ns, s(5.0)).await, session(&proxy.address, &ns, s(5.0)).await);
    let held = lock(&one, "lock", "one").acquire(ME, None).await.expect("free");
    proxy.delay(Duration::from_millis(3));
    for step in 0..40 {
        let waiting = lock(&two, "lock", "two");
        let task = tokio::spawn(async move { waiting.acquire(ME, None).await.map(drop) });
        // The moment of the cancel is what is tried: from before the first request to long after the last reply.
        tokio::time::sleep(Duration::from_micros(500 * step)).await;
        task.abort();
    }
    eventually("no node is left", async || children(&one, "lock").await.len() == 1).await;
    let before = proxy.notifications();
    held.release().expect("held").done().await;
    two.sync("lock").await.expect("synced");
    assert_eq!(proxy.notifications(), before, "no watch is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn zero_tries_once() {
    let ns = namespace("zero");
    let (one, two) = (session(&server(), &ns, s(5.0)).await, session(&server(), &ns, s(5.0)).await);
    let waiting = lock(&two, "lock", "two");
    let held = waiting.acquire(ME, Some(Duration::ZERO)).await.expect("free");
    held.release().expect("held").done().await;
    let _held = lock(&one, "lock", "one").acquire(ME, None).await.expect("free");
    assert!(waiting.try_acquire(ME).await.expect("asked").is_none());
    let refused = waiting.acquire(ME, Some(Duration::ZERO)).await;
    assert!(matches!(refused, Err(Error::AcquireTimeout(_))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn reentrant_for_one_holder_and_exclusive_for_another() {
    let ns = namespace("reentrant");
    let one = session(&server(), &ns, s(5.0)).await;
    let handle = lock(&one, "lock", "one");
    let outer = handle.acquire(ME, None).await.expect("free");
    let inner = handle.acquire(ME, Some(Duration::ZERO)).await.expect("the same holder");
    assert_eq!(inner.grant().token(), outer.grant().token());
    assert!(handle.try_acquire(Holder(2)).await.expect("asked").is_none(), "another thread");
    assert!(lock(&one, "lock", "x").try_acquire(ME).await.expect("asked").is_none(), "another handle");
    inner.release().expect("held").done().await;
    outer.grant().check().expect("the outer acquisition stands");
    assert!(matches!(inner.release(), Err(Error::NotOwner(_))), "once is enough");
    outer.release().expect("held").done().await;
    let own = handle.acquire(ME, None).await.expect("free").enter();
    let body = handle.acquire(ME, None).await.expect("held again");
    own.release().expect("held").done().await;
    handle.leave(ME).done().await;
    body.check().expect("a with ends what it began with, and no more");
    body.release().expect("held").done().await;
    assert!(children(&one, "lock").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_uncontended_cycle_is_one_flight() {
    const ONE_WAY: Duration = Duration::from_millis(25);
    let ns = namespace("flight");
    let proxy = Proxy::before(&server()).await;
    let one = session(&proxy.address, &ns, s(10.0)).await;
    let handle = lock(&one, "lock", "one");
    // The first makes the parent, and keeps it from being empty for the reaper.
    handle.acquire(ME, None).await.expect("free").release().expect("held").done().await;
    proxy.delay(ONE_WAY);
    one.sync("/").await.expect("synced");
    let (creates, lists) = (proxy.requests(op::CREATE2), proxy.requests(op::GET_CHILDREN));
    let start = Instant::now();
    for _ in 0..10 {
        handle.acquire(ME, None).await.expect("free").release().expect("held");
    }
    let cycle = start.elapsed() / 10;
    assert!(cycle < ONE_WAY * 2 * 3 / 2, "{cycle:?} is more than 1.5 round trips of {:?}", ONE_WAY * 2);
    assert_eq!(proxy.requests(op::CREATE2) - creates, 10);
    assert_eq!(proxy.requests(op::GET_CHILDREN) - lists, 10);
}
