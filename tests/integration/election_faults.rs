//! Elections under faults: FAULTS 20.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use sparkeeper::Error;
use sparkeeper::recipes::Term;
use sparkeeper::recipes::ballot::Strategy;
use sparkeeper::session::{Grant, GrantState, Session};
use tokio::time::Instant;

use crate::election::{STRATEGIES, election};
use crate::harness::{eventually, expire, namespace, s, server, session};
use crate::proxy::Proxy;

/// The terms of one election in the order in which they began.
#[derive(Clone, Default)]
struct Reigns(Arc<Mutex<Vec<Arc<Grant>>>>);

impl Reigns {
    /// A term begins; `true` where all before it were over by their own account.
    fn begin(&self, grant: &Arc<Grant>) -> bool {
        let mut all = self.0.lock().expect("whole");
        let over = all.iter().all(|earlier| earlier.state() == GrantState::Lost);
        all.push(grant.clone());
        over
    }

    fn tokens(&self) -> Vec<i64> {
        self.0.lock().expect("whole").iter().map(|grant| grant.token()).collect()
    }
}

/// A candidate behind its own proxy, that campaigns again as soon as its term is lost.
struct Runner {
    proxy: Proxy,
    session: Session,
    /// The token it leads with, by its own account; 0 while it does not lead.
    leads: Arc<AtomicI64>,
    /// Terms of its own that began when an earlier one was not over.
    overlaps: Arc<AtomicI64>,
    task: tokio::task::JoinHandle<()>,
}

impl Runner {
    async fn start(ns: &str, id: &str, strategy: Strategy, timeout: f64, reigns: &Reigns) -> Self {
        let proxy = Proxy::before(&server()).await;
        let session = session(&proxy.address, ns, s(timeout)).await;
        let handle = election(&session, "e", id, strategy);
        let (leads, overlaps) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicI64::new(0)));
        let (mine, late, reigns) = (leads.clone(), overlaps.clone(), reigns.clone());
        let task = tokio::spawn(async move {
            loop {
                let term: Term = handle.campaign(None).await.expect("waits through everything");
                if !reigns.begin(term.grant()) {
                    late.fetch_add(1, Ordering::SeqCst);
                }
                mine.store(term.grant().token(), Ordering::SeqCst);
                term.grant().lost().await;
                mine.store(0, Ordering::SeqCst);
                term.step_down().done().await;
            }
        });
        Self { proxy, session, leads, overlaps, task }
    }

    fn leads(&self) -> i64 {
        self.leads.load(Ordering::SeqCst)
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn leaders(runners: &[Runner]) -> Vec<usize> {
    (0..runners.len()).filter(|at| runners[*at].leads() != 0).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_expired_twenty_times_is_followed_by_larger_tokens() {
    for (strategy, times) in STRATEGIES.into_iter().zip([20, 3, 3, 3]) {
        let (ns, reigns) = (namespace("elect-expired"), Reigns::default());
        let mut runners = Vec::new();
        for id in ["a", "b", "c"] {
            runners.push(Runner::start(&ns, id, strategy, 1.5, &reigns).await);
        }
        for time in 0..times {
            eventually("one leads", async || leaders(&runners).len() == 1).await;
            let leader = &runners[leaders(&runners)[0]];
            let token = leader.leads();
            // The server ends the session, because it hears nothing of it for its timeout.
            if time % 2 == 0 {
                leader.proxy.freeze();
            } else {
                leader.proxy.cut();
            }
            eventually("somebody else leads", async || leaders(&runners).iter().any(|at| runners[*at].leads() > token))
                .await;
            leader.proxy.heal();
        }
        let tokens = reigns.tokens();
        assert!(tokens.len() > times, "{tokens:?}");
        assert!(tokens.windows(2).all(|pair| pair[0] < pair[1]), "{strategy:?}: {tokens:?}");
        let overlaps: i64 = runners.iter().map(|runner| runner.overlaps.load(Ordering::SeqCst)).sum();
        assert_eq!(overlaps, 0, "{strategy:?}: a leader began before the last one knew");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_leader_knows_before_the_next_leads() {
    for strategy in STRATEGIES {
        let ns = namespace("elect-frozen");
        let proxy = Proxy::before(&server()).await;
        let (holder, waiter) = (session(&proxy.address, &ns, s(2.0)).await, session(&server(), &ns, s(2.0)).await);
        let term = election(&holder, "e", "old", strategy).campaign(None).await.expect("free");
        let told = Arc::new(AtomicBool::new(false));
        tokio::spawn({
            let (grant, told) = (term.grant().clone(), told.clone());
            async move {
                grant.lost().await;
                told.store(true, Ordering::SeqCst);
            }
        });
        proxy.freeze();
        let next = election(&waiter, "e", "new", strategy).campaign(Some(s(15.0))).await.expect("the session expires");
        // Read in this order, at once: the next leads.
        let (state, told) = (term.grant().state(), told.load(Ordering::SeqCst));
        assert_eq!(state, GrantState::Lost, "{strategy:?}");
        assert!(told, "{strategy:?}: the old leader was told before the next led");
        assert!(next.grant().token() > term.grant().token());
        let refused = term.checkpoint(b"late").await;
        assert!(matches!(refused, Err(Error::TermLost(_))), "{refused:?}");
        assert_eq!(next.restore().await.expect("read"), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_one_leads_again_after_an_operator_deleted_everything() {
    for strategy in STRATEGIES {
        let ns = namespace("elect-deleted");
        let operator = session(&server(), &ns, s(10.0)).await;
        let reigns = Reigns::default();
        let mut runners = Vec::new();
        for id in ["a", "b", "c", "d"] {
            // The beat of so long a session is slower than the test allows: leaders must not rely on it.
            runners.push(Runner::start(&ns, id, strategy, 40.0, &reigns).await);
        }
        let watch = election(&operator, "e", "x", strategy);
        for _ in 0..5 {
            eventually("one leads, all stand", async || {
                leaders(&runners).len() == 1 && watch.candidates().await.expect("listed").len() == 4
            })
            .await;
            let token = runners[leaders(&runners)[0]].leads();
            let start = Instant::now();
            // Whoever stands again meanwhile may keep the operator from getting through at once.
            eventually("the operator got through", async || {
                operator.delete("e", None, true, &[]).await.is_ok()
                    || !runners.iter().any(|runner| runner.leads() == token)
            })
            .await;
            eventually("exactly one leads again", async || {
                let now = leaders(&runners);
                now.len() == 1 && runners[now[0]].leads() > token
            })
            .await;
            assert!(start.elapsed() < s(5.0), "{strategy:?}: {:?}", start.elapsed());
        }
        let tokens = reigns.tokens();
        let mut growing = tokens.clone();
        growing.sort_unstable();
        growing.dedup();
        assert_eq!(growing.len(), tokens.len(), "no two leaders with one token");
        eventually("all stand again", async || watch.candidates().await.expect("listed").len() == 4).await;
        assert_eq!(leaders(&runners).len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_that_dies_while_it_waits_changes_nothing_for_the_others() {
    for strategy in STRATEGIES {
        let ns = namespace("elect-middle");
        let one = session(&server(), &ns, s(5.0)).await;
        let term = election(&one, "e", "first", strategy).campaign(None).await.expect("free");
        let reigns = Reigns::default();
        let mut runners = Vec::new();
        let watch = election(&one, "e", "x", strategy);
        for (before, id) in ["middle", "last"].into_iter().enumerate() {
            runners.push(Runner::start(&ns, id, strategy, 5.0, &reigns).await);
            eventually("it stands", async || watch.candidates().await.expect("listed").len() == before + 2).await;
        }
        runners[0].task.abort();
        expire(&runners[0].session, &runners[0].proxy).await;
        eventually("it is gone", async || watch.candidates().await.expect("listed").len() == 2).await;
        one.sync("e").await.expect("synced");
        assert!(leaders(&runners).is_empty(), "the first leads still");
        term.grant().check().expect("held");
        term.step_down().done().await;
        eventually("the last leads", async || leaders(&runners) == [1]).await;
    }
}
