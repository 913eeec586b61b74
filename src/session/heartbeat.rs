//! Keeps one incarnation honest: beats, follows the connection, verifies and follows its grants.
//!
//! It runs on the runtime's own threads, so a caller that blocks, or holds Python's lock for
//! longer than the session timeout, does not cost the session.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use zookeeper_client as zk;

use super::clock;
use super::grant::Grant;
use super::incarnation::{Incarnation, Link};
use super::letter;
use super::nodelay;
use crate::error::Error;

/// Serves the incarnation until it ends; then every grant is lost and every waiter woken.
pub(super) async fn serve(incarnation: &Arc<Incarnation>, client: zk::Client, ports: &[u16]) {
    let states = client.state_watcher();
    let why = tokio::select! {
        why = follow_connection(incarnation, states, ports) => why,
        () = beat(incarnation, &client) => Error::closed("the session is closed"),
        () = watch_lease(incarnation) => Error::closed("the session is closed"),
        why = incarnation.ended() => why,
    };
    // The library closes the session when the last client is dropped.
    drop(client);
    incarnation.finish(why);
}

/// Serves a branch until its trunk ends, and says why that did.
pub(super) async fn serve_branch(incarnation: &Arc<Incarnation>, trunk: &Arc<Incarnation>) -> Error {
    let follow = async {
        let mut link = trunk.link.subscribe();
        loop {
            let now = link.borrow_and_update().clone();
            if let Some(why) = now.ended {
                return why;
            }
            // The first look is at what it was made with, unless something came between.
            if now.epoch != incarnation.link().epoch {
                let connected = now.connected;
                incarnation.link.send_replace(now);
                if connected {
                    verify_all(incarnation);
                }
            }
            if link.changed().await.is_err() {
                return trunk.end();
            }
        }
    };
    let every = between_beats(incarnation);
    let follow_all = async {
        loop {
            tokio::time::sleep(every).await;
            follow_grants(incarnation);
        }
    };
    tokio::select! {
        why = follow => why,
        () = follow_all => Error::closed("the session is closed"),
        () = watch_lease(incarnation) => Error::closed("the session is closed"),
    }
}

/// Turns the library's states into epochs. Every change counts as a reconnect: two that follow
/// each other closely reach us as one.
async fn follow_connection(incarnation: &Arc<Incarnation>, mut states: zk::StateWatcher, ports: &[u16]) -> Error {
    nodelay::set_soon(&incarnation.runtime, ports);
    let mut state = states.state();
    if state == zk::SessionState::Disconnected {
        // The link broke between the handshake and now: no change will tell us.
        changed(incarnation, false);
    }
    loop {
        match state {
            zk::SessionState::Expired | zk::SessionState::Closed => {
                return Error::session_expired("the ensemble ended the session; what was ephemeral in it is gone");
            }
            zk::SessionState::AuthFailed => {
                return Error::auth_failed("the server refused the credentials; check auth, no retry will help");
            }
            _ => {}
        }
        state = states.changed().await;
        let connected = state == zk::SessionState::SyncConnected;
        changed(incarnation, connected);
        if connected {
            nodelay::set_soon(&incarnation.runtime, ports);
            verify_all(incarnation);
        }
    }
}

fn changed(incarnation: &Incarnation, connected: bool) {
    incarnation.link.send_modify(|link| *link = Link { epoch: link.epoch + 1, connected, ended: None });
}

fn between_beats(incarnation: &Incarnation) -> Duration {
    (incarnation.timeout() / 6).clamp(Duration::from_millis(20), Duration::from_secs(5))
}

/// Beats six times in a session timeout, and at once after a reconnect.
async fn beat(incarnation: &Arc<Incarnation>, client: &zk::Client) {
    let every = between_beats(incarnation);
    let mut link = incarnation.link.subscribe();
    loop {
        let sent = clock::now();
        if answered(incarnation, client).await {
            incarnation.lease.renew(sent);
            follow_grants(incarnation);
        } else if link.wait_for(|link| link.connected || link.ended.is_some()).await.is_err() {
            return;
        }
        link.borrow_and_update();
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            changed = reconnected(&mut link) => if !changed { return },
        }
    }
}

/// Whether a server answers a beat.
///
/// One that stays out for a third of the session timeout means that the link is broken, whatever the library says: it
/// keeps "connected" where the link breaks between the handshake and the first answer, until a server answers again.
async fn answered(incarnation: &Arc<Incarnation>, client: &zk::Client) -> bool {
    let mut answer = pin!(client.check_stat("/"));
    loop {
        if let Ok(answer) = tokio::time::timeout(incarnation.timeout() / 3, &mut answer).await {
            let alive = answer.is_ok() && client.state() == zk::SessionState::SyncConnected;
            if alive && !incarnation.link().connected {
                changed(incarnation, true);
                verify_all(incarnation);
            }
            return answer.is_ok();
        }
        if incarnation.link().connected {
            changed(incarnation, false);
        }
    }
}

/// Resolves with true at the next change to connected, false when the incarnation is gone.
async fn reconnected(link: &mut watch::Receiver<Link>) -> bool {
    loop {
        if link.changed().await.is_err() {
            return false;
        }
        if link.borrow_and_update().connected {
            return true;
        }
    }
}

/// Tells the grants the moment the lease runs out, whatever the network does.
async fn watch_lease(incarnation: &Arc<Incarnation>) {
    loop {
        let remaining = incarnation.lease.remaining();
        if remaining.is_zero() {
            for grant in incarnation.grants.all() {
                // Looking is what marks a grant past its lease as lost.
                let _ = grant.state();
            }
        }
        tokio::time::sleep(remaining.clamp(Duration::from_millis(5), Duration::from_millis(100))).await;
    }
}

/// Looks up every standing grant's node after a reconnect.
fn verify_all(incarnation: &Arc<Incarnation>) {
    for grant in incarnation.grants.all() {
        let incarnation = incarnation.clone();
        tokio::spawn(async move { verify(&incarnation, &grant).await });
    }
}

async fn verify(incarnation: &Incarnation, grant: &Grant) {
    let Ok(client) = incarnation.client() else { return };
    let epoch = incarnation.link().epoch;
    let looks: Vec<_> = grant.nodes().map(|path| client.check_stat(path)).collect();
    for look in looks {
        match look.await {
            Ok(Some(stat)) if stat.czxid == grant.token() => {}
            Ok(_) => return grant.gone("its node was gone when the connection came back"),
            // The next reconnect verifies again.
            Err(_) => return,
        }
    }
    grant.verified_at(epoch);
}

/// Starts to watch the nodes of grants that have stood since the last beat. Locks held for less
/// than a beat so cost no watch.
fn follow_grants(incarnation: &Arc<Incarnation>) {
    for grant in incarnation.grants.all() {
        follow_grant(incarnation, &grant);
    }
}

/// Watches the nodes of one grant, where nobody does yet.
pub(super) fn follow_grant(incarnation: &Arc<Incarnation>, grant: &Arc<Grant>) {
    if grant.followed.swap(true, Ordering::AcqRel) {
        return;
    }
    let (incarnation, grant) = (incarnation.clone(), grant.clone());
    incarnation.clone().runtime.spawn(async move {
        let mut nodes = JoinSet::new();
        for path in grant.nodes() {
            let (incarnation, grant, path) = (incarnation.clone(), grant.clone(), path.clone());
            nodes.spawn(async move { follow(&incarnation, &grant, &path).await });
        }
        tokio::select! {
            _ = nodes.join_next() => {}
            () = grant.over() => {}
        }
        grant.followed.store(false, Ordering::Release);
    });
}

/// Watches one node until it is gone, and tells the grant what is asked of it; returns early where the
/// watch is lost with the link, to be set again at the next beat.
async fn follow(incarnation: &Incarnation, grant: &Grant, path: &str) {
    let Ok(client) = incarnation.client() else { return };
    loop {
        let epoch = incarnation.link().epoch;
        let (data, stat, watch) = match client.get_and_watch_data(path).await {
            Ok(read) if read.1.czxid == grant.token() => read,
            Ok(_) | Err(zk::Error::NoNode) => return grant.gone("its node was deleted by somebody else"),
            Err(_) => return,
        };
        grant.verified_at(epoch);
        grant.is_asked(letter::requests(&data, stat.version));
        let restored = grant.text().and_then(|owner| letter::restored(&data, stat.version, owner));
        if let Some(data) = restored {
            // Where that fails somebody wrote in between, which the watch tells, or the next beat tries again.
            let _ = client.set_data(path, &data, Some(stat.version)).await;
        }
        match watch.changed().await.event_type {
            zk::EventType::NodeDataChanged => {}
            zk::EventType::NodeDeleted => return grant.gone("its node was deleted by somebody else"),
            _ => return,
        }
    }
}
