//! Elections: flights, watches, lost replies, giving up.

use std::sync::Arc;
use std::time::Duration;

use sparkeeper::Error;
use sparkeeper::recipes::ballot::Strategy;
use sparkeeper::recipes::{Candidature, Election, Score};
use sparkeeper::session::{GrantState, Session};
use tokio::time::Instant;

use crate::harness::{children, eventually, namespace, s, server, session};
use crate::proxy::{Proxy, op};

pub const STRATEGIES: [Strategy; 4] = [Strategy::Fair, Strategy::Random, Strategy::Priority, Strategy::Vote];

/// An election's handle with its own id.
pub fn election(session: &Session, path: &str, id: &str, strategy: Strategy) -> Election {
    let id = Some(id.to_owned());
    Election::new(session, path, Candidature { id, strategy, ..Candidature::default() }).expect("a valid path")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_uncontended_campaign_is_one_flight() {
    const ONE_WAY: Duration = Duration::from_millis(40);
    let ns = namespace("elect-flight");
    let proxy = Proxy::before(&server()).await;
    let one = session(&proxy.address, &ns, s(10.0)).await;
    let handle = election(&one, "e", "one", Strategy::Fair);
    // The first makes the parent, and keeps it from being empty for the reaper.
    handle.campaign(None).await.expect("free").step_down().done().await;
    proxy.delay(ONE_WAY);
    one.sync("/").await.expect("synced");
    let creates = proxy.requests(op::CREATE2);
    let mut fastest = Duration::MAX;
    for _ in 0..10 {
        let start = Instant::now();
        let term = handle.campaign(None).await.expect("free");
        fastest = fastest.min(start.elapsed());
        term.step_down().done().await;
    }
    // Load only adds.
    assert!(fastest < ONE_WAY * 3, "{fastest:?} is more than 1.5 round trips of {:?}", ONE_WAY * 2);
    assert_eq!(proxy.requests(op::CREATE2) - creates, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hand_over_fires_one_watch() {
    const WAITERS: usize = 20;
    let ns = namespace("elect-herd");
    let proxy = Proxy::before(&server()).await;
    let (one, two) = (session(&server(), &ns, s(10.0)).await, session(&proxy.address, &ns, s(10.0)).await);
    let term = election(&one, "e", "first", Strategy::Fair).campaign(None).await.expect("free");
    let mut tasks = Vec::new();
    for number in 0..WAITERS {
        let waiting = election(&two, "e", &number.to_string(), Strategy::Fair);
        tasks.push(tokio::spawn(async move { waiting.campaign(Some(s(60.0))).await }));
        eventually("in line", async || children(&one, "e").await.len() == number + 2).await;
    }
    two.sync("e").await.expect("synced");
    let before = proxy.notifications();
    term.step_down().done().await;
    let first = tasks.remove(0).await.expect("no panic").expect("elected");
    assert_eq!(first.id(), "0", "in order of arrival");
    two.sync("e").await.expect("synced");
    assert_eq!(proxy.notifications() - before, 1, "the others slept on");
    for task in tasks {
        task.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_campaign_that_is_given_up_anywhere_leaves_no_node_and_no_watch() {
    for strategy in STRATEGIES {
        let ns = namespace("elect-cancel");
        let proxy = Proxy::before(&server()).await;
        let (one, two) = (session(&server(), &ns, s(5.0)).await, session(&proxy.address, &ns, s(5.0)).await);
        let leader = election(&one, "e", "one", strategy).campaign(None).await.expect("free");
        let (line, hall) = (children(&one, "e").await.len(), children(&one, "e/candidates").await.len());
        proxy.delay(Duration::from_millis(3));
        for step in 0..40 {
            let waiting = election(&two, "e", "two", strategy);
            let task = tokio::spawn(async move { waiting.campaign(None).await.map(drop) });
            // The moment of the cancel is what is tried: from before the first request to long after the last reply.
            tokio::time::sleep(Duration::from_micros(1_000 * step)).await;
            task.abort();
        }
        eventually("no node is left", async || {
            children(&one, "e").await.len() == line && children(&one, "e/candidates").await.len() == hall
        })
        .await;
        let before = proxy.notifications();
        leader.step_down().done().await;
        two.sync("e").await.expect("synced");
        assert_eq!(proxy.notifications(), before, "no watch is left under {strategy:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_campaign_that_is_cancelled_as_it_wins_leaves_nobody_leading() {
    for strategy in STRATEGIES {
        let ns = namespace("elect-win");
        let proxy = Proxy::before(&server()).await;
        let (one, two) = (session(&server(), &ns, s(5.0)).await, session(&proxy.address, &ns, s(5.0)).await);
        proxy.delay(Duration::from_millis(3));
        for step in 0..30 {
            let alone = election(&two, "e", "two", strategy);
            let task = tokio::spawn(async move { alone.campaign(None).await });
            // As above: the moment is what is tried, here around the win.
            tokio::time::sleep(Duration::from_micros(2_000 * step)).await;
            task.abort();
            if let Ok(Ok(term)) = task.await {
                term.step_down();
            }
        }
        proxy.delay(Duration::ZERO);
        let next = election(&one, "e", "one", strategy).campaign(Some(s(4.0))).await.expect("nobody leads");
        next.grant().check().expect("held");
        eventually("only the next stands", async || {
            election(&one, "e", "x", strategy).candidates().await.expect("listed").len() == 1
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_replies_leave_one_leader_and_one_candidate() {
    // Creates of a campaign: of the candidate, its score and its ballot, and its place in line.
    for (strategy, number) in [(Strategy::Fair, 1), (Strategy::Priority, 2), (Strategy::Vote, 4)] {
        for skipped in 0..number {
            let ns = namespace("elect-lost");
            let proxy = Proxy::before(&server()).await;
            let (one, watcher) = (session(&proxy.address, &ns, s(6.0)).await, session(&server(), &ns, s(6.0)).await);
            let made = sparkeeper::session::CreateKind::default();
            watcher.create("e/candidates", b"", made, true, &[]).await.expect("made");
            let handle = election(&one, "e", "one", strategy);
            let creates = proxy.requests(op::CREATE2);
            proxy.delay(Duration::from_millis(40));
            if skipped == 0 {
                proxy.drop_reply_to(op::CREATE2);
            }
            let campaign = tokio::spawn(async move { handle.campaign(Some(s(20.0))).await });
            // The delay leaves the time to see one create and lose the reply to the next.
            eventually("so many creates", async || proxy.requests(op::CREATE2) - creates >= skipped).await;
            if skipped > 0 {
                proxy.drop_reply_to(op::CREATE2);
            }
            let term = campaign.await.expect("no panic").expect("elected");
            assert!(proxy.dropped(), "the fault happened");
            proxy.delay(Duration::ZERO);
            eventually("held", async || term.grant().state() == GrantState::Held).await;
            let stands = election(&watcher, "e", "x", strategy).candidates().await.expect("listed");
            assert_eq!(stands.len(), 1, "{stands:?}");
            assert_eq!(stands[0].token, Some(term.grant().token()));
            term.step_down().done().await;
            eventually("nothing is left", async || {
                children(&watcher, "e").await == ["candidates"] && children(&watcher, "e/candidates").await.is_empty()
            })
            .await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_whose_reply_is_lost_is_known_to_have_landed() {
    let ns = namespace("elect-checkpoint");
    let proxy = Proxy::before(&server()).await;
    let one = session(&proxy.address, &ns, s(6.0)).await;
    let term = election(&one, "e", "one", Strategy::Fair).campaign(None).await.expect("free");
    for state in ["1", "2"] {
        // The first is a create, the second a set.
        proxy.drop_reply_to(op::MULTI);
        term.checkpoint(state.as_bytes()).await.expect("landed");
        assert!(proxy.dropped(), "the fault happened");
        assert_eq!(term.restore().await.expect("read").as_deref(), Some(state.as_bytes()));
    }
    proxy.freeze();
    let refused = term.checkpoint(b"3").await;
    assert!(matches!(refused, Err(Error::TermLost(_))), "{refused:?}");
    assert!(matches!(term.grant().check(), Err(Error::TermLost(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_whose_score_takes_for_ever_is_not_waited_for() {
    let ns = namespace("elect-slow");
    let (one, two) = (session(&server(), &ns, s(2.0)).await, session(&server(), &ns, s(2.0)).await);
    let first = election(&one, "e", "first", Strategy::Vote).campaign(None).await.expect("free");
    let (gate, closed) = std::sync::mpsc::channel::<()>();
    let closed = Arc::new(std::sync::Mutex::new(closed));
    let score = Score::new(move || {
        // Until the test ends.
        let _ = closed.lock().expect("whole").recv();
        Ok(100.0)
    });
    let slow = Candidature { id: Some("slow".to_owned()), strategy: Strategy::Vote, score, ..Candidature::default() };
    let slow = Election::new(&two, "e", slow).expect("a valid path");
    let stuck = tokio::spawn(async move { slow.campaign(None).await.map(drop) });
    let quick = election(&one, "e", "quick", Strategy::Vote);
    let campaign = tokio::spawn({
        let quick = quick.clone();
        async move { quick.campaign(Some(s(20.0))).await }
    });
    eventually("all stand", async || quick.candidates().await.expect("listed").len() == 3).await;
    first.step_down().done().await;
    let term = campaign.await.expect("no panic").expect("elected in spite of it");
    assert_eq!(term.id(), "quick");
    let tally = quick.tally().await.expect("read").expect("a vote was held");
    assert_eq!((tally.total_votes, tally.valid_votes, tally.winner.as_str()), (1, 1, "quick"));
    stuck.abort();
    drop(gate);
}
