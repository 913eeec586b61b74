//! Plain access and guarded writes: FAULTS 3 (the refusal) and 12.

use sparkeeper::Error;
use sparkeeper::session::{CreateKind, SessionState, Write};

use crate::harness::{ME, children, expire, lock, namespace, s, server, session};
use crate::proxy::Proxy;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_is_read() {
    let ns = namespace("plain");
    let one = session(&server(), &ns, s(5.0)).await;
    assert_eq!(one.create("a/b", b"1", CreateKind::default(), true, &[]).await.expect("made"), "/a/b");
    let again = one.create("a/b", b"1", CreateKind::default(), true, &[]).await;
    assert!(matches!(again, Err(Error::NodeExists(_))), "{again:?}");
    let stat = one.set("a/b", b"2", Some(0), &[]).await.expect("version 0");
    assert_eq!(stat.version, 1);
    let stale = one.set("a/b", b"3", Some(0), &[]).await;
    assert!(matches!(stale, Err(Error::BadVersion(_))), "{stale:?}");
    assert_eq!(one.get("/a/b").await.expect("there").0, b"2");
    let numbered = CreateKind { sequence: true, ..CreateKind::EPHEMERAL };
    assert_eq!(one.create("a/n-", b"", numbered, false, &[]).await.expect("made"), "/a/n-0000000001");
    assert_eq!(children(&one, "a").await.len(), 2);
    assert!(matches!(one.delete("a", None, false, &[]).await, Err(Error::NotEmpty(_))));
    one.delete("a", None, true, &[]).await.expect("with its children");
    assert!(one.exists("a").await.expect("asked").is_none());
    assert!(matches!(one.get("a").await, Err(Error::NoNode(_))));
    assert!(matches!(one.create("x/y", b"", CreateKind::default(), false, &[]).await, Err(Error::NoNode(_))));
    assert!(matches!(one.get("a//b").await, Err(Error::InvalidPath(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_refuses_the_characters_that_we_refuse_and_no_other() {
    let ns = namespace("characters");
    let one = session(&server(), &ns, s(5.0)).await;
    one.create("c", b"", CreateKind::default(), true, &[]).await.expect("made");
    let (live, above) = (one.live().await.expect("live"), one.absolute("c").expect("a path"));
    let plainly = zookeeper_client::CreateMode::Persistent.with_acls(zookeeper_client::Acls::anyone_all());
    for c in
        "\u{1}\u{1f} ~\u{7f}\u{9f}\u{a0}\u{d7ff}\u{e000}\u{f000}\u{f8ff}\u{f900}\u{ffef}\u{fff0}\u{10000}😀".chars()
    {
        let ours = one.create(&format!("c/a{c}"), b"", CreateKind::default(), false, &[]).await;
        let theirs = live.client().expect("live").create(&format!("{above}/b{c}"), b"", &plainly).await;
        assert_eq!(matches!(ours, Err(Error::InvalidPath(_))), theirs.is_err(), "{c:?}: {ours:?}, {theirs:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guarded_write_lands_only_while_the_lock_stands() {
    let ns = namespace("guard");
    let proxy = Proxy::before(&server()).await;
    let one = session(&proxy.address, &ns, s(5.0)).await;
    one.create("value", b"0", CreateKind::default(), true, &[]).await.expect("made");
    let held = lock(&one, "lock", "one").acquire(ME, None).await.expect("free");
    one.set("value", b"1", None, &[held.grant()]).await.expect("held");
    expire(&one, &proxy).await;
    held.grant().lost().await.expect("lost, not released");
    let refused = one.set("value", b"2", None, &[held.grant()]).await;
    assert!(matches!(refused, Err(Error::LockLost(_))), "{refused:?}");
    let refused = one.create("new", b"", CreateKind::default(), true, &[held.grant()]).await;
    assert!(matches!(refused, Err(Error::LockLost(_))), "{refused:?}");
    assert_eq!(one.get("value").await.expect("there").0, b"1");
    assert!(one.exists("new").await.expect("asked").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_refuses_a_guard_that_only_the_client_believes_in() {
    let ns = namespace("believed");
    let (one, two) = (session(&server(), &ns, s(20.0)).await, session(&server(), &ns, s(5.0)).await);
    one.create("value", b"0", CreateKind::default(), true, &[]).await.expect("made");
    let held = lock(&one, "lock", "one").acquire(ME, None).await.expect("free");
    // The next beat is seconds away: one does not know yet.
    two.delete(two.relative(&held.grant().paths()[0]), None, false, &[]).await.expect("an operator may");
    held.grant().check().expect("not known yet");
    let refused = one.set("value", b"1", None, &[held.grant()]).await;
    assert!(matches!(refused, Err(Error::LockLost(_))), "{refused:?}");
    assert_eq!(one.get("value").await.expect("there").0, b"0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_multi_lands_whole_or_not_at_all() {
    let ns = namespace("multi");
    let one = session(&server(), &ns, s(5.0)).await;
    one.create("a", b"0", CreateKind::default(), true, &[]).await.expect("made");
    let writes =
        [Write::Set("a", b"1", None), Write::Create("a/x", b"", CreateKind::default()), Write::Check("b", None)];
    let refused = one.multi(&writes, &[]).await.expect_err("there is no b");
    assert_eq!(refused.index, Some(2));
    assert!(matches!(refused.error, Error::NoNode(_)));
    assert_eq!(one.get("a").await.expect("there").0, b"0");
    assert!(children(&one, "a").await.is_empty());
    one.multi(&writes[..2], &[]).await.expect("both");
    assert_eq!(children(&one, "a").await, ["x"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_mebibytes_are_refused_before_the_wire() {
    let ns = namespace("large");
    let one = session(&server(), &ns, s(5.0)).await;
    let id = one.session_id();
    let value = vec![7; 2 << 20];
    let refused = one.create("a", &value, CreateKind::default(), true, &[]).await;
    assert!(matches!(refused, Err(Error::PayloadTooLarge(_))), "{refused:?}");
    let half = vec![7; 600_000];
    let kind = CreateKind::default();
    let together = one.multi(&[Write::Create("b", &half, kind), Write::Create("c", &half, kind)], &[]).await;
    assert!(matches!(together, Err(refused) if matches!(refused.error, Error::PayloadTooLarge(_))));
    assert_eq!(one.state(), SessionState::Connected);
    assert_eq!(one.session_id(), id);
    one.create("a", &value[..1_000_000], kind, true, &[]).await.expect("a megabyte fits");
}
