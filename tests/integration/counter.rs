//! The counter: flights, lost replies, expiry, guards. FAULTS 22, one client at a time.

use std::time::Duration;

use sparkeeper::Error;
use sparkeeper::recipes::Counter;
use sparkeeper::session::{CreateKind, Session};
use tokio::time::Instant;

use crate::harness::{ME, eventually, expire, lock, namespace, s, server, session};
use crate::proxy::{Proxy, op};

fn counter(session: &Session) -> Counter {
    Counter::new(session, "rows", 0).expect("a valid path")
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_from_its_default_and_refuses_what_does_not_fit() {
    let ns = namespace("counter");
    let one = session(&server(), &ns, s(5.0)).await;
    let rows = Counter::new(&one, "deep/down/rows", 40).expect("a valid path");
    assert_eq!(rows.value().await.expect("nobody wrote"), 40);
    assert!(!rows.compare_and_set(1, 2, &[], None).await.expect("asked"));
    assert!(one.exists("deep").await.expect("asked").is_none(), "nothing was written");
    assert_eq!(rows.add(2, &[], None).await.expect("added"), 42);
    assert_eq!(rows.add(-50, &[], None).await.expect("added"), -8);
    assert!(rows.compare_and_set(-8, i64::MAX, &[], None).await.expect("asked"));
    assert!(!rows.compare_and_set(-8, 0, &[], None).await.expect("asked"));
    let refused = rows.add(1, &[], None).await;
    assert!(matches!(refused, Err(Error::Config(_))), "{refused:?}");
    assert_eq!(rows.value().await.expect("read"), i64::MAX);
    rows.set(7, &[], None).await.expect("set");
    assert_eq!((rows.value().await.expect("read"), rows.last()), (7, Some(7)));
}

#[tokio::test(flavor = "multi_thread")]
async fn alone_an_add_is_one_flight_and_beside_another_two() {
    const ONE_WAY: Duration = Duration::from_millis(25);
    let ns = namespace("counter-flight");
    let proxy = Proxy::before(&server()).await;
    let (one, two) = (session(&proxy.address, &ns, s(10.0)).await, session(&server(), &ns, s(10.0)).await);
    let (near, far) = (counter(&two), counter(&one));
    far.add(1, &[], None).await.expect("added");
    proxy.delay(ONE_WAY);
    one.sync("/").await.expect("synced");
    let (mut alone, mut beside, mut fresh) = (Duration::MAX, Duration::MAX, Duration::MAX);
    for _ in 0..10 {
        // The fastest of each: no load makes an operation shorter than its flights.
        let start = Instant::now();
        far.add(1, &[], None).await.expect("added");
        alone = alone.min(start.elapsed());
        near.add(1, &[], None).await.expect("added");
        let start = Instant::now();
        far.add(1, &[], None).await.expect("added");
        beside = beside.min(start.elapsed());
        let start = Instant::now();
        counter(&one).add(1, &[], None).await.expect("added");
        fresh = fresh.min(start.elapsed());
        far.value().await.expect("read");
        let start = Instant::now();
        far.value().await.expect("read");
        assert!(start.elapsed() >= ONE_WAY * 2, "it is asked of the server");
    }
    let flight = ONE_WAY * 2;
    assert!(alone < flight * 3 / 2, "{alone:?}");
    assert!(beside < flight * 5 / 2, "{beside:?}");
    assert!(fresh < flight * 5 / 2, "{fresh:?}");
    assert_eq!(near.value().await.expect("read"), 41);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_reply_counts_once_whatever_others_do_meanwhile() {
    let ns = namespace("counter-lost");
    let proxy = Proxy::before(&server()).await;
    let (one, two) = (session(&proxy.address, &ns, s(6.0)).await, session(&server(), &ns, s(6.0)).await);
    let (rows, others) = (counter(&one), counter(&two));
    // The reply to the creation is lost first, then those to writes.
    for round in 0..6 {
        let before = others.value().await.expect("read");
        proxy.drop_reply_to(op::MULTI);
        let adding = tokio::spawn({
            let rows = rows.clone();
            async move { rows.add(1, &[], None).await }
        });
        eventually("the reply is lost", async || proxy.dropped()).await;
        for _ in 0..round * 20 {
            others.add(1, &[], None).await.expect("added");
        }
        assert_eq!(adding.await.expect("no panic").expect("found"), before + 1, "right after it, whoever went on");
        assert_eq!(rows.value().await.expect("read"), before + 1 + round * 20);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_reply_and_then_an_expiry_counts_once() {
    let ns = namespace("counter-expired");
    let proxy = Proxy::before(&server()).await;
    let (one, two) = (session(&proxy.address, &ns, s(4.0)).await, session(&server(), &ns, s(4.0)).await);
    let rows = counter(&one);
    rows.add(10, &[], None).await.expect("added");
    proxy.drop_reply_to(op::MULTI);
    let swapping = tokio::spawn({
        let rows = rows.clone();
        async move { rows.compare_and_set(10, 20, &[], None).await }
    });
    eventually("the reply is lost", async || proxy.dropped()).await;
    expire(&one, &proxy).await;
    counter(&two).add(5, &[], None).await.expect("added");
    assert!(swapping.await.expect("no panic").expect("found"), "it was set, though it is 25 by now");
    assert_eq!(rows.value().await.expect("read"), 25);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_never_arrived_is_written_when_a_server_is_back() {
    let ns = namespace("counter-cut");
    let proxy = Proxy::before(&server()).await;
    let (one, two) = (session(&proxy.address, &ns, s(4.0)).await, session(&server(), &ns, s(4.0)).await);
    let rows = counter(&one);
    rows.add(1, &[], None).await.expect("added");
    proxy.cut();
    let start = Instant::now();
    let late = rows.add(1, &[], Some(s(0.5))).await;
    assert!(matches!(late, Err(Error::ConnectionLost(_))), "{late:?}");
    assert!(start.elapsed() < s(0.7), "{:?}", start.elapsed());
    let adding = tokio::spawn({
        let rows = rows.clone();
        async move { rows.add(10, &[], None).await }
    });
    counter(&two).add(100, &[], None).await.expect("added");
    // Longer than a session lasts.
    eventually("expired", async || one.state() == sparkeeper::session::SessionState::Expired).await;
    assert!(!adding.is_finished());
    proxy.heal();
    let answer = adding.await.expect("no panic").expect("added");
    assert!([111, 112].contains(&answer), "what timed out counts once or not at all: {answer}");
    assert_eq!(counter(&two).value().await.expect("read"), answer);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guarded_add_lands_only_while_the_guard_stands() {
    let ns = namespace("counter-guard");
    let (one, two) = (session(&server(), &ns, s(20.0)).await, session(&server(), &ns, s(5.0)).await);
    let rows = counter(&one);
    let held = lock(&one, "lock", "one").acquire(ME, None).await.expect("free");
    assert_eq!(rows.add(1, &[held.grant()], None).await.expect("held"), 1);
    // The next beat is seconds away: one does not know yet.
    two.delete(two.relative(&held.grant().paths()[0]), None, false, &[]).await.expect("an operator may");
    let refused = rows.add(1, &[held.grant()], None).await;
    assert!(matches!(refused, Err(Error::LockLost(_))), "{refused:?}");
    assert_eq!(rows.value().await.expect("read"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn data_of_others_is_an_error_and_left_alone() {
    let ns = namespace("counter-foreign");
    let one = session(&server(), &ns, s(5.0)).await;
    // kazoo's, Curator's DistributedAtomicLong's, and neither.
    for data in [b"12".as_slice(), &12_i64.to_be_bytes(), b"{}", b"null"] {
        if one.exists("rows").await.expect("asked").is_some() {
            one.set("rows", data, None, &[]).await.expect("set");
        } else {
            one.create("rows", data, CreateKind::PERSISTENT, true, &[]).await.expect("made");
        }
        let rows = counter(&one);
        assert!(matches!(rows.value().await, Err(Error::Config(_))), "{data:?}");
        assert!(matches!(rows.add(1, &[], None).await, Err(Error::Config(_))), "{data:?}");
        assert_eq!(one.get("rows").await.expect("there").0, data);
    }
    // A node that is empty was made on the way to another.
    one.set("rows", b"", None, &[]).await.expect("set");
    assert_eq!(counter(&one).add(3, &[], None).await.expect("added"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_counter_that_is_deleted_begins_again() {
    let ns = namespace("counter-deleted");
    let (one, two) = (session(&server(), &ns, s(5.0)).await, session(&server(), &ns, s(5.0)).await);
    let rows = counter(&one);
    rows.add(5, &[], None).await.expect("added");
    two.delete("rows", None, false, &[]).await.expect("deleted");
    assert_eq!(rows.add(1, &[], None).await.expect("added"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_add_counts_once_or_not_at_all() {
    let ns = namespace("counter-cancel");
    let proxy = Proxy::before(&server()).await;
    let one = session(&proxy.address, &ns, s(5.0)).await;
    let rows = counter(&one);
    let mut known = rows.add(1, &[], None).await.expect("added");
    proxy.delay(Duration::from_millis(3));
    for step in 0..40 {
        let task = tokio::spawn({
            let rows = rows.clone();
            async move { rows.add(1, &[], None).await }
        });
        // The moment of the cancel is what is tried: from before the first request to long after the last reply.
        tokio::time::sleep(Duration::from_micros(500 * step)).await;
        task.abort();
        let finished = matches!(task.await, Ok(Ok(_)));
        let value = rows.value().await.expect("read");
        assert!(value == known + 1 || (value == known && !finished), "{known}, then {value}");
        known = value;
    }
    assert!(known > 1);
}
