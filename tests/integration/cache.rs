//! A cache after ten thousand changes, with the link cut, the session ended and the server slow meanwhile. FAULTS 24.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use sparkeeper::Error;
use sparkeeper::recipes::cache::{Cache, Event, Events, Kind};
use sparkeeper::session::{CreateKind, Session, SessionState};

use crate::changes::{Record, Writer};
use crate::harness::{eventually, expire, namespace, s, server, session};
use crate::proxy::Proxy;

type Content = BTreeMap<String, (Vec<u8>, i64, i64)>;

/// What the server has at and below `path`, by the path below it.
async fn on_server(session: &Session, path: &str) -> Content {
    let mut found = Content::new();
    let mut left = vec![String::new()];
    while let Some(at) = left.pop() {
        let absolute = if at.is_empty() { path.to_owned() } else { format!("{path}/{at}") };
        if let Ok((data, stat)) = session.get(&absolute).await {
            found.insert(at.clone(), (data, stat.czxid, stat.mzxid));
            let children = session.children(&absolute).await.unwrap_or_default();
            left.extend(children.iter().map(|name| if at.is_empty() { name.clone() } else { format!("{at}/{name}") }));
        }
    }
    found
}

async fn in_cache(cache: &Cache) -> Content {
    let snapshot = cache.snapshot().await.expect("open");
    let content = |(path, node): (&String, &Arc<sparkeeper::recipes::cache::Node>)| {
        (path.clone(), (node.data.clone(), node.stat.czxid, node.stat.mzxid))
    };
    snapshot.nodes.iter().map(content).collect()
}

async fn until_equal(cache: &Cache, session: &Session, path: &str) -> Content {
    eventually("equal to the server", async || in_cache(cache).await == on_server(session, path).await).await;
    on_server(session, path).await
}

/// Collects events in the background.
fn collect(events: Events) -> tokio::task::JoinHandle<Vec<Arc<Event>>> {
    tokio::spawn(async move {
        let mut all = Vec::new();
        while let Some(event) = events.next().await.expect("the session lives") {
            all.push(event);
        }
        all
    })
}

/// Every event is a change that was made, in order of zxids, and together they lead from `before` to `after`.
fn check(events: &[Arc<Event>], record: &Record, before: &Content, after: &Content, dated: bool) {
    let mut content = before.clone();
    let mut last = 0;
    let mut last_of: HashMap<&str, i64> = HashMap::new();
    for event in events {
        let Event { kind, path, zxid, node } = &**event;
        assert!(*zxid >= last, "{event:?} after {last}");
        last = *zxid;
        let (czxid, mzxid) = (node.stat.czxid, node.stat.mzxid);
        match kind {
            Kind::Created => {
                assert!(record.created.contains(&(path.clone(), *zxid)), "never created: {event:?}");
                assert_eq!(*zxid, czxid);
                assert!(!content.contains_key(path), "created twice: {event:?}");
            }
            Kind::Changed => {
                assert!(record.data.contains_key(&(path.clone(), *zxid)), "never written: {event:?}");
                assert_eq!(*zxid, mzxid);
                assert!(content.contains_key(path), "changed before it was created: {event:?}");
            }
            Kind::Deleted => {
                let since = last_of.get(path.as_str()).copied().unwrap_or(0);
                let really = record.deleted.iter().any(|(deleted, at)| {
                    deleted == path && if dated { at == zxid } else { (since..=*zxid).contains(at) }
                });
                assert!(really, "never deleted: {event:?}");
                assert!(content.remove(path).is_some(), "deleted twice: {event:?}");
            }
        }
        if *kind != Kind::Deleted {
            assert_eq!(record.data.get(&(path.clone(), mzxid)), Some(&node.data), "other data: {event:?}");
            content.insert(path.clone(), (node.data.clone(), czxid, mzxid));
        }
        last_of.insert(path, *zxid);
    }
    assert_eq!(&content, after, "the events lead to what the server has");
}

async fn ten_thousand(test: &str, persistent: bool) {
    let ns = namespace(test);
    let proxy = Proxy::before(&server()).await;
    let (other, follower) = (session(&server(), &ns, s(20.0)).await, session(&proxy.address, &ns, s(6.0)).await);
    other.create("c", b"root", CreateKind::default(), true, &[]).await.expect("made");
    let cache = Cache::new(&follower, "c", persistent).expect("a valid path");
    let before = until_equal(&cache, &other, "c").await;
    let events = collect(cache.events().await.expect("open"));
    let mut writers = Vec::new();
    for number in 0..4 {
        writers.push(Writer::new(&server(), &format!("/{ns}/c"), number).await);
    }
    for round in 0..8 {
        let fault = async {
            eventually("connected", async || follower.state() == SessionState::Connected).await;
            let known = cache.snapshot().await.expect("open").zxid;
            // Another moment in every round.
            let later = known + [3, 50, 1, 200, 120, 7, 80, 20][round];
            eventually("it follows", async || cache.snapshot().await.expect("open").zxid > later).await;
            if round == 3 {
                expire(&follower, &proxy).await;
            } else {
                proxy.cut();
                eventually("cut", async || follower.state() != SessionState::Connected).await;
                proxy.heal();
            }
        };
        let work = async {
            let mut under_way = tokio::task::JoinSet::new();
            for mut writer in writers.drain(..) {
                under_way.spawn(async move {
                    writer.change(320).await;
                    writer
                });
            }
            under_way.join_all().await
        };
        ((), writers) = tokio::join!(fault, work);
    }
    let mut record = Record::default();
    for writer in writers {
        record.merge(writer.record);
    }
    record.check_enough(10_000);
    let after = until_equal(&cache, &other, "c").await;
    cache.close().await;
    let events = events.await.expect("no panic");
    assert!(events.len() > 1_000, "{}", events.len());
    check(&events, &record, &before, &after, false);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_changes_and_reconnects_with_a_persistent_watch() {
    ten_thousand("tenthousand", true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_changes_and_reconnects_with_plain_watches() {
    ten_thousand("tenthousandplain", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_whole_link_every_deletion_is_dated_exactly() {
    let ns = namespace("dated");
    let (other, follower) = (session(&server(), &ns, s(20.0)).await, session(&server(), &ns, s(20.0)).await);
    other.create("c", b"root", CreateKind::default(), true, &[]).await.expect("made");
    let cache = Cache::new(&follower, "c", true).expect("a valid path");
    let before = until_equal(&cache, &other, "c").await;
    let events = collect(cache.events().await.expect("open"));
    let mut writer = Writer::new(&server(), &format!("/{ns}/c"), 0).await;
    writer.change(1_000).await;
    let after = until_equal(&cache, &other, "c").await;
    cache.close().await;
    check(&events.await.expect("no panic"), &writer.record, &before, &after, true);
}

async fn comes_and_goes(test: &str, persistent: bool) {
    let ns = namespace(test);
    let (other, follower) = (session(&server(), &ns, s(20.0)).await, session(&server(), &ns, s(20.0)).await);
    let cache = Cache::new(&follower, "c", persistent).expect("a valid path");
    assert!(in_cache(&cache).await.is_empty());
    let events = cache.events().await.expect("open");
    for _ in 0..3 {
        other.create("c/a/b", b"x", CreateKind::default(), true, &[]).await.expect("made");
        until_equal(&cache, &other, "c").await;
        for path in ["", "a", "a/b"] {
            let event = events.next().await.expect("open").expect("an event");
            assert_eq!((event.kind, event.path.as_str()), (Kind::Created, path));
        }
        other.delete("c", None, true, &[]).await.expect("deleted");
        until_equal(&cache, &other, "c").await;
        for path in ["a/b", "a", ""] {
            let event = events.next().await.expect("open").expect("an event");
            assert_eq!((event.kind, event.path.as_str()), (Kind::Deleted, path));
        }
    }
    cache.close().await;
    assert!(events.next().await.expect("closed, not lost").is_none());
    assert!(matches!(cache.snapshot().await, Err(Error::Closed(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_comes_and_goes_with_a_persistent_watch() {
    comes_and_goes("comes", true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_comes_and_goes_with_plain_watches() {
    comes_and_goes("comesplain", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_session_ends_readers_and_events() {
    let ns = namespace("cacheclosed");
    let follower = session(&server(), &ns, s(20.0)).await;
    let cache = Cache::new(&follower, "c", true).expect("a valid path");
    let events = cache.events().await.expect("open");
    let waiting = tokio::spawn(async move { events.next().await });
    follower.close().await;
    assert!(matches!(waiting.await.expect("no panic"), Err(Error::Closed(_))));
    assert!(matches!(cache.snapshot().await, Err(Error::Closed(_))));
    let paths: BTreeSet<_> = [cache.name().to_owned()].into();
    assert!(paths.contains("c"));
}
