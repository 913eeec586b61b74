//! The semaphore: flights, weights, limits that change, lost replies, expiry. FAULTS 2, 4, 6 and 19 for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sparkeeper::Error;
use sparkeeper::recipes::{Permits, Semaphore};
use sparkeeper::session::{GrantState, Session};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::harness::{children, eventually, expire, namespace, s, server, session};
use crate::proxy::{Proxy, op};

fn semaphore(session: &Session, permits: i64, owner: &str) -> Semaphore {
    Semaphore::new(session, "sem", permits, Some(owner.to_owned())).expect("a valid path")
}

async fn take(semaphore: &Semaphore, wanted: i64) -> Permits {
    semaphore.acquire(wanted, Some(s(10.0)), None).await.expect("free")
}

async fn give(permits: Permits) {
    permits.release().expect("held").done().await;
}

fn waiting(semaphore: &Semaphore, wanted: i64) -> JoinHandle<sparkeeper::Result<Permits>> {
    let semaphore = semaphore.clone();
    tokio::spawn(async move { semaphore.acquire(wanted, Some(s(30.0)), None).await })
}

async fn leases(session: &Session) -> usize {
    children(session, "sem/leases").await.len()
}

async fn line(session: &Session) -> usize {
    children(session, "sem/locks").await.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_uncontended_acquire_is_two_flights_and_as_many_requests_for_one_permit_as_for_many() {
    const ONE_WAY: Duration = Duration::from_millis(25);
    let ns = namespace("sem-flight");
    let proxy = Proxy::before(&server()).await;
    let one = session(&proxy.address, &ns, s(10.0)).await;
    let handle = semaphore(&one, 8, "one");
    // The first makes the parents; what it keeps saves them from the reaper.
    let _kept = take(&handle, 1).await;
    proxy.delay(ONE_WAY);
    one.sync("/").await.expect("synced");
    for wanted in [1, 5] {
        let (creates, multis) = (proxy.requests(op::CREATE2), proxy.requests(op::MULTI));
        let lists = proxy.requests(op::GET_CHILDREN);
        let mut cycle = Duration::MAX;
        for _ in 0..10 {
            let start = Instant::now();
            take(&handle, wanted).await.release().expect("held");
            // The fastest: no load makes a cycle shorter than its flights.
            cycle = cycle.min(start.elapsed());
        }
        assert!(cycle < ONE_WAY * 2 * 5 / 2, "{cycle:?} is more than 2.5 round trips of {:?}", ONE_WAY * 2);
        assert_eq!(proxy.requests(op::CREATE2) - creates, 10);
        assert_eq!(proxy.requests(op::MULTI) - multis, 10);
        assert_eq!(proxy.requests(op::GET_CHILDREN) - lists, 30);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_are_taken_together_or_not_at_all() {
    let ns = namespace("sem-weight");
    let (one, two) = (session(&server(), &ns, s(5.0)).await, session(&server(), &ns, s(5.0)).await);
    let (first, second) = (semaphore(&one, 3, "one"), semaphore(&two, 3, "two"));
    let pair = take(&first, 2).await;
    assert_eq!((pair.count(), leases(&two).await), (2, 2));
    assert!(second.try_acquire(2).await.expect("asked").is_none());
    assert_eq!(leases(&two).await, 2, "half of it was taken");
    let single = second.try_acquire(1).await.expect("asked").expect("one is left");
    assert!(single.grant().token() > pair.grant().token());
    give(single).await;
    let wanted = waiting(&second, 2);
    eventually("in line", async || line(&one).await == 1).await;
    // Who asks for few does not overtake who asks for many.
    assert!(first.try_acquire(1).await.expect("asked").is_none());
    assert!(!wanted.is_finished());
    give(pair).await;
    let pair = wanted.await.expect("no panic").expect("let in");
    assert_eq!((pair.count(), leases(&one).await), (2, 2));
    give(pair).await;
    eventually("nothing is left", async || leases(&one).await + line(&one).await == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn raising_the_limit_wakes_as_many_as_it_has_room_for_and_lowering_evicts_nobody() {
    let ns = namespace("sem-limit");
    let (one, two) = (session(&server(), &ns, s(5.0)).await, session(&server(), &ns, s(5.0)).await);
    let (first, second) = (semaphore(&one, 1, "one"), semaphore(&two, 1, "two"));
    let held = take(&first, 1).await;
    let waiters: Vec<_> = (0..4).map(|_| waiting(&second, 1)).collect();
    eventually("in line", async || line(&one).await == 4).await;
    first.set_permits(3).await.expect("stored");
    assert_eq!(second.permits().await.expect("read"), 3);
    eventually("two more are in", async || waiters.iter().filter(|waiter| waiter.is_finished()).count() == 2).await;
    eventually("two wait", async || line(&one).await == 2).await;
    assert_eq!(leases(&one).await, 3);
    // Lowered below what is out: all keep what they have, and nobody gets in for what two give back.
    second.set_permits(1).await.expect("stored");
    let mut out = vec![held];
    let mut left = Vec::new();
    for waiter in waiters {
        if waiter.is_finished() {
            out.push(waiter.await.expect("no panic").expect("let in"));
        } else {
            left.push(waiter);
        }
    }
    one.sync("sem").await.expect("synced");
    for permits in &out {
        permits.grant().check().expect("not evicted");
    }
    for permits in out.drain(1..) {
        give(permits).await;
    }
    assert!(first.try_acquire(1).await.expect("asked").is_none());
    assert_eq!((leases(&one).await, line(&one).await), (1, 2));
    give(out.remove(0)).await;
    // They take turns, in the order in which they joined, which we do not know.
    let turns = left.into_iter().map(|waiter| async { give(waiter.await.expect("no panic").expect("let in")).await });
    let turns: Vec<_> = turns.map(tokio::spawn).collect();
    for turn in turns {
        turn.await.expect("its turn comes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_there_are_is_an_error_at_once_also_when_the_limit_is_lowered_meanwhile() {
    let ns = namespace("sem-never");
    let one = session(&server(), &ns, s(5.0)).await;
    let handle = semaphore(&one, 3, "one");
    for wanted in [4, 0, -1, i64::MAX] {
        let refused = handle.acquire(wanted, None, None).await;
        assert!(matches!(refused, Err(Error::Config(_))), "{wanted}: {refused:?}");
    }
    assert!(matches!(handle.set_permits(0).await, Err(Error::Config(_))));
    assert!(matches!(Semaphore::new(&one, "sem", 0, None), Err(Error::Config(_))));
    let held = take(&handle, 2).await;
    let wanted = waiting(&handle, 3);
    eventually("in line", async || line(&one).await == 1).await;
    // Before the other it would get the one that is free.
    let behind = waiting(&handle, 1);
    eventually("behind it", async || line(&one).await == 2).await;
    handle.set_permits(2).await.expect("stored");
    let refused = wanted.await.expect("no panic");
    assert!(matches!(refused, Err(Error::Config(_))), "{refused:?}");
    give(held).await;
    give(behind.await.expect("no panic").expect("not barred for ever")).await;
    one.set("sem/permits", b"three", None, &[]).await.expect("set");
    assert!(matches!(handle.permits().await, Err(Error::Config(_))));
    assert!(matches!(handle.try_acquire(1).await, Err(Error::Config(_))));
    eventually("nothing is left", async || leases(&one).await + line(&one).await == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tries_at_the_same_time_get_what_is_free() {
    let ns = namespace("sem-tries");
    let one = session(&server(), &ns, s(5.0)).await;
    let handle = semaphore(&one, 8, "one");
    let tries: Vec<_> = (0..12)
        .map(|_| {
            let handle = handle.clone();
            tokio::spawn(async move { handle.try_acquire(1).await })
        })
        .collect();
    let mut got = Vec::new();
    for attempt in tries {
        got.extend(attempt.await.expect("no panic").expect("asked"));
    }
    assert_eq!(got.len(), 8);
    assert_eq!(leases(&one).await, 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_reply_to_the_taking_leaves_exactly_what_was_asked_for() {
    let ns = namespace("sem-lost");
    let proxy = Proxy::before(&server()).await;
    let (one, watcher) = (session(&proxy.address, &ns, s(6.0)).await, session(&server(), &ns, s(6.0)).await);
    let handle = semaphore(&one, 3, "one");
    let _kept = take(&handle, 1).await;
    let before = proxy.requests(op::MULTI);
    proxy.drop_reply_to(op::MULTI);
    let held = take(&handle, 2).await;
    assert!(proxy.dropped(), "the fault happened");
    assert_eq!(proxy.requests(op::MULTI) - before, 1, "adopted, not made again");
    assert_eq!((held.count(), leases(&watcher).await), (2, 3));
    eventually("held", async || held.grant().state() == GrantState::Held).await;
    give(held).await;
    assert_eq!(leases(&watcher).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_reply_and_then_an_expiry_leaves_nothing_of_the_old_session() {
    let ns = namespace("sem-lost-expired");
    let proxy = Proxy::before(&server()).await;
    let (one, watcher) = (session(&proxy.address, &ns, s(4.0)).await, session(&server(), &ns, s(4.0)).await);
    let handle = semaphore(&one, 3, "one");
    give(take(&handle, 1).await).await;
    proxy.drop_reply_to(op::MULTI);
    let acquiring = waiting(&handle, 2);
    eventually("the reply is lost", async || proxy.dropped()).await;
    expire(&one, &proxy).await;
    let held = acquiring.await.expect("no panic").expect("acquired in the new session");
    held.grant().check().expect("held");
    let holders = semaphore(&watcher, 3, "x").holders().await.expect("listed");
    assert_eq!(holders.len(), 1, "{holders:?}");
    assert_eq!((holders[0].permits, holders[0].session_id), (2, held.grant().session_id()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_in_line_that_expires_joins_again_at_the_end() {
    let ns = namespace("sem-head-expired");
    let proxy = Proxy::before(&server()).await;
    let (one, two) = (session(&server(), &ns, s(5.0)).await, session(&proxy.address, &ns, s(5.0)).await);
    let (first, second) = (semaphore(&one, 1, "one"), semaphore(&two, 1, "two"));
    let held = take(&first, 1).await;
    let ahead = waiting(&second, 1);
    eventually("in line", async || line(&one).await == 1).await;
    let behind = waiting(&first, 1);
    eventually("in line", async || line(&one).await == 2).await;
    expire(&two, &proxy).await;
    let owners = async || -> Vec<String> {
        first.contenders().await.expect("listed").into_iter().map(|contender| contender.owner).collect()
    };
    eventually("it is back, behind the other", async || owners().await == ["one", "two"]).await;
    give(held).await;
    give(behind.await.expect("no panic").expect("let in")).await;
    give(ahead.await.expect("no panic").expect("let in")).await;
    eventually("nothing is left", async || leases(&one).await + line(&one).await == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_in_line_that_somebody_deletes_is_taken_again() {
    let ns = namespace("sem-place");
    let (one, two) = (session(&server(), &ns, s(5.0)).await, session(&server(), &ns, s(5.0)).await);
    let held = take(&semaphore(&one, 1, "one"), 1).await;
    let ahead = waiting(&semaphore(&two, 1, "two"), 1);
    eventually("in line", async || line(&one).await == 1).await;
    for name in children(&one, "sem/locks").await {
        one.delete(&format!("sem/locks/{name}"), None, false, &[]).await.expect("an operator may");
    }
    give(held).await;
    give(ahead.await.expect("no panic").expect("let in")).await;
    eventually("nothing is left", async || leases(&one).await + line(&one).await == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_holder_knows_before_a_waiter_is_let_in() {
    let ns = namespace("sem-frozen");
    let proxy = Proxy::before(&server()).await;
    let (holder, waiter) = (session(&proxy.address, &ns, s(2.0)).await, session(&server(), &ns, s(2.0)).await);
    let held = take(&semaphore(&holder, 3, "holder"), 2).await;
    let told = Arc::new(AtomicBool::new(false));
    tokio::spawn({
        let (grant, told) = (held.grant().clone(), told.clone());
        async move {
            grant.lost().await;
            told.store(true, Ordering::SeqCst);
        }
    });
    proxy.freeze();
    let next = semaphore(&waiter, 3, "waiter").acquire(2, Some(s(15.0)), None).await.expect("the session expires");
    // Read in this order, at once: the waiter is in.
    let (state, told) = (held.grant().state(), told.load(Ordering::SeqCst));
    assert_eq!(state, GrantState::Lost);
    assert!(told, "on_lost ran before the waiter was in");
    assert!(next.grant().token() > held.grant().token());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_lease_deleted_by_somebody_else_loses_the_whole_acquisition() {
    let ns = namespace("sem-deleted");
    let (one, two) = (session(&server(), &ns, s(3.0)).await, session(&server(), &ns, s(3.0)).await);
    let held = take(&semaphore(&one, 3, "one"), 2).await;
    let lease = one.relative(&held.grant().paths()[1]).to_owned();
    two.delete(&lease, None, false, &[]).await.expect("an operator may");
    eventually("lost", async || held.grant().state() == GrantState::Lost).await;
    eventually("all of it is given back", async || leases(&two).await == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeout_is_exact_names_holders_and_leaves_neither_node_nor_watch() {
    let ns = namespace("sem-timeout");
    let proxy = Proxy::before(&server()).await;
    let (one, two) = (session(&server(), &ns, s(5.0)).await, session(&proxy.address, &ns, s(5.0)).await);
    let held = take(&semaphore(&one, 3, "the nightly job"), 2).await;
    let start = Instant::now();
    let error = semaphore(&two, 3, "two").acquire(2, Some(s(1.0)), None).await.expect_err("busy");
    let took = start.elapsed();
    assert!(took >= s(1.0) && took <= s(1.1), "{took:?}");
    assert!(matches!(error, Error::AcquireTimeout(_)));
    for part in ["the nightly job (2)", "2 of 3", "'sem'"] {
        assert!(error.to_string().contains(part), "{error}");
    }
    eventually("no node is left", async || line(&one).await == 0).await;
    // Without a watch left behind, neither a release nor another limit notifies anybody.
    two.sync("sem").await.expect("synced");
    let before = proxy.notifications();
    semaphore(&one, 3, "one").set_permits(5).await.expect("stored");
    give(held).await;
    two.sync("sem").await.expect("synced");
    assert_eq!(proxy.notifications(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_acquire_leaves_nothing_wherever_it_is_cancelled() {
    let ns = namespace("sem-cancel");
    let proxy = Proxy::before(&server()).await;
    let (one, two) = (session(&server(), &ns, s(5.0)).await, session(&proxy.address, &ns, s(5.0)).await);
    let held = take(&semaphore(&one, 3, "one"), 1).await;
    proxy.delay(Duration::from_millis(3));
    for step in 0..60 {
        let handle = semaphore(&two, 3, "two");
        // Two are free: it may be cancelled at any step of taking them, or of waiting for a third.
        let wanted = 2 + i64::from(step % 2 == 1);
        let task =
            tokio::spawn(async move { handle.acquire(wanted, None, None).await.map(|held| drop(held.release())) });
        // The moment of the cancel is what is tried: from before the first request to long after the last reply.
        tokio::time::sleep(Duration::from_micros(400 * step)).await;
        task.abort();
        let _ = task.await;
    }
    eventually("no node is left", async || leases(&one).await == 1 && line(&one).await == 0).await;
    two.sync("sem").await.expect("synced");
    let before = proxy.notifications();
    give(held).await;
    two.sync("sem").await.expect("synced");
    assert_eq!(proxy.notifications(), before, "no watch is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_first_in_line_watches_and_a_release_wakes_one() {
    const WAITERS: usize = 40;
    let ns = namespace("sem-herd");
    let proxy = Proxy::before(&server()).await;
    let (one, two) = (session(&server(), &ns, s(10.0)).await, session(&proxy.address, &ns, s(10.0)).await);
    let held = take(&semaphore(&one, 1, "one"), 1).await;
    let waiters: Vec<_> = (0..WAITERS).map(|_| waiting(&semaphore(&two, 1, "two"), 1)).collect();
    eventually("in line", async || line(&one).await == WAITERS).await;
    two.sync("sem").await.expect("synced");
    let before = proxy.notifications();
    give(held).await;
    for waiter in waiters {
        // In no order here: they joined at once.
        tokio::spawn(async move { give(waiter.await.expect("no panic").expect("let in")).await });
    }
    eventually("all were in", async || leases(&one).await + line(&one).await == 0).await;
    let woken = proxy.notifications() - before;
    assert!(woken <= 3 * WAITERS, "{woken} notifications for {WAITERS} waiters");
}
