//! The line: FAULTS 7 and 8.

use std::sync::{Arc, Mutex};

use sparkeeper::session::CreateKind;

use crate::harness::{ME, children, eventually, lock, namespace, s, server, session};
use crate::proxy::Proxy;

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_waiters_in_order_of_arrival_with_one_watch_each() {
    const WAITERS: usize = 200;
    let ns = namespace("herd");
    let proxy = Proxy::before(&server()).await;
    let (one, two) = (session(&server(), &ns, s(10.0)).await, session(&proxy.address, &ns, s(10.0)).await);
    let held = lock(&one, "lock", "one").acquire(ME, None).await.expect("free");
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for number in 0..WAITERS {
        let (waiting, order) = (lock(&two, "lock", &number.to_string()), order.clone());
        tasks.push(tokio::spawn(async move {
            let held = waiting.acquire(ME, Some(s(60.0))).await.expect("its turn comes");
            order.lock().expect("whole").push(number);
            held.release().expect("held").done().await;
        }));
        eventually("in line", async || children(&one, "lock").await.len() == number + 2).await;
    }
    // All have set their watches once nothing is pending: requests of a session keep their order.
    two.sync("lock").await.expect("synced");
    let before = proxy.notifications();
    held.release().expect("held").done().await;
    for task in tasks {
        task.await.expect("no panic");
    }
    assert_eq!(*order.lock().expect("whole"), (0..WAITERS).collect::<Vec<_>>());
    assert_eq!(proxy.notifications() - before, WAITERS, "one watch fired per release");
    assert!(children(&one, "lock").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_middle_waiter_neither_lets_its_successor_in_nor_hangs_it() {
    let ns = namespace("middle");
    let one = session(&server(), &ns, s(5.0)).await;
    let proxy = Proxy::before(&server()).await;
    let middle = session(&proxy.address, &ns, s(5.0)).await;
    let last = session(&server(), &ns, s(5.0)).await;
    let held = lock(&one, "lock", "first").acquire(ME, None).await.expect("free");
    let second = lock(&middle, "lock", "second");
    tokio::spawn(async move { second.acquire(ME, None).await.map(drop) });
    eventually("second in line", async || children(&one, "lock").await.len() == 2).await;
    let third = lock(&last, "lock", "third");
    let waiting = tokio::spawn(async move { third.acquire(ME, None).await });
    eventually("third in line", async || children(&one, "lock").await.len() == 3).await;
    crate::harness::expire(&middle, &proxy).await;
    middle.close().await;
    eventually("second is gone", async || children(&one, "lock").await.len() == 2).await;
    one.sync("lock").await.expect("synced");
    assert!(!waiting.is_finished(), "the first still holds");
    held.grant().check().expect("held");
    held.release().expect("held").done().await;
    let held = tokio::time::timeout(s(5.0), waiting).await.expect("not hung").expect("no panic").expect("let in");
    held.grant().check().expect("held");
}

#[tokio::test(flavor = "multi_thread")]
async fn sequence_numbers_across_the_wrap_keep_their_order() {
    let ns = namespace("wrap");
    let one = session(&server(), &ns, s(5.0)).await;
    // As a server's counter leaves them behind: oldest first.
    let names = ["a-lock-2147483646", "z-lock-2147483647", "m-lock--2147483648", "b-lock--2147483647"];
    for name in names {
        one.create(&format!("lock/{name}"), name.as_bytes(), CreateKind::EPHEMERAL, true, &[]).await.expect("made");
    }
    let line = lock(&one, "lock", "x").contenders().await.expect("listed");
    let owners: Vec<&str> = line.iter().map(|contender| contender.owner.as_str()).collect();
    assert_eq!(owners, names);
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_sequence_numbers_are_told_apart_by_creation() {
    let ns = namespace("stuck");
    let one = session(&server(), &ns, s(5.0)).await;
    // As a server's counter leaves them behind when it stops at its maximum.
    let names = ["z-lock-2147483647", "a-lock-2147483647", "m-lock-2147483647"];
    for name in names {
        one.create(&format!("lock/{name}"), name.as_bytes(), CreateKind::EPHEMERAL, true, &[]).await.expect("made");
    }
    let line = lock(&one, "lock", "x").contenders().await.expect("listed");
    let owners: Vec<&str> = line.iter().map(|contender| contender.owner.as_str()).collect();
    assert_eq!(owners, names);
}
