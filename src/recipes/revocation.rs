//! Asking a holder to let go, and taking from it what it holds.
//!
//! Znodes: none of its own. A request is written into the data of the holder's node, which the holder
//! watches (see [`letter`]); Curator's holders and `Revoker` take part. A break deletes the holder's node.
//!
//! Guarantees: a request lands once, also where a reply is lost: it carries an id, and the data says whether it
//! is there. A break takes from nobody but the holder whose token is given: a node's name is never used
//! twice. The broken holder learns LOST by its watch, and its guarded writes are refused from that instant;
//! what it does unguarded until it learns is not prevented.

use std::future::Future;
use std::sync::Arc;

use uuid::Uuid;
use zookeeper_client as zk;

use super::contenders::{self, Contender, LineKind};
use super::place::Place;
use crate::error::{Error, Result};
use crate::path::child;
use crate::session::{Incarnation, ReleaseRequest, letter};

/// Asks everybody who holds at `places` to let go, and says who that is: nobody where all are free.
///
/// # Cancel safety
/// Some may have been asked and others not.
///
/// # Errors
/// `NotAuthorized` where a holder's ACL forbids it; `PayloadTooLarge`; `ConnectionLost`.
pub(super) async fn request_release(places: &[&Place], line: LineKind, reason: &str) -> Result<Vec<Contender>> {
    // One id wherever it is written: who holds several of the places hears it once.
    let request = ReleaseRequest { id: Uuid::new_v4().simple().to_string(), reason: reason.to_owned() };
    let mut asked: Vec<Contender> = Vec::new();
    for place in places {
        let found = contenders::again(&place.session, false, |incarnation| {
            let request = &request;
            async move { ask_all(&incarnation, &place.path, line, request).await }
        });
        for contender in found.await? {
            if !asked.iter().any(|known| known.token == contender.token) {
                asked.push(contender);
            }
        }
    }
    Ok(asked)
}

async fn ask_all(
    incarnation: &Arc<Incarnation>,
    parent: &str,
    line: LineKind,
    request: &ReleaseRequest,
) -> Result<Vec<Contender>> {
    loop {
        let holding = contenders::holding(incarnation, parent, line).await?;
        let mut asked = Vec::with_capacity(holding.len());
        for name in &holding {
            asked.extend(ask(incarnation, &child(parent, name), request).await?);
        }
        // Where all left meanwhile, the next hold: ask those.
        if !asked.is_empty() || holding.is_empty() {
            return Ok(asked);
        }
    }
}

/// Writes the request into one holder's node; `None` where it let go meanwhile.
async fn ask(incarnation: &Incarnation, path: &str, request: &ReleaseRequest) -> Result<Option<Contender>> {
    let client = incarnation.client()?;
    let mut unanswered: Option<Vec<u8>> = None;
    loop {
        let (data, stat) = match again(incarnation, "get", path, || client.get_data(path)).await {
            Err(Error::NoNode(_)) => return Ok(None),
            read => read?,
        };
        let contender = Contender::new(&data, &stat, 0);
        // What Curator understands carries no id; but it says what we sent before the reply was lost.
        if letter::asks(&data, request) || unanswered.as_ref() == Some(&data) {
            return Ok(Some(contender));
        }
        let asking = letter::asking(&data, request);
        crate::session::check_size("ask to let go", path, asking.len())?;
        let written = client.set_data(path, &asking, Some(stat.version));
        match incarnation.request("ask to let go", path, written).await {
            Ok(_) => return Ok(Some(contender)),
            Err(Error::NoNode(_)) => return Ok(None),
            Err(Error::BadVersion(_)) => {}
            Err(Error::ConnectionLost(_)) => {
                unanswered = Some(asking);
                incarnation.connected().await?;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Deletes the node of the holder with this token, wherever at `places` it has one.
///
/// # Cancel safety
/// It may have been broken or not.
///
/// # Errors
/// `NotOwner`, saying who holds, where nobody with this token does; `NotAuthorized`; `ConnectionLost`.
pub(super) async fn break_hold(places: &[&Place], line: LineKind, what: &str, token: i64) -> Result<Contender> {
    let (mut broken, mut others) = (None, Vec::new());
    for place in places {
        let tried = contenders::again(&place.session, false, |incarnation| async move {
            break_one(&incarnation, &place.path, line, token).await
        });
        match tried.await? {
            Ok(contender) => broken = Some(contender),
            Err(found) => others.extend(found),
        }
    }
    broken.ok_or_else(|| {
        let name = places.iter().map(|place| place.name.as_str()).collect::<Vec<_>>().join(", ");
        let held: Vec<_> = others.iter().map(|other| format!("{} (token {})", other.owner, other.token)).collect();
        let held = if held.is_empty() { "nobody".to_owned() } else { held.join(", ") };
        Error::not_owner(format!(
            "{what} '{name}': not broken, because token {token} does not hold it: {held} does; \
             look at contenders() and decide again"
        ))
    })
}

/// The holder that was broken, or those who hold instead.
async fn break_one(
    incarnation: &Arc<Incarnation>,
    parent: &str,
    line: LineKind,
    token: i64,
) -> Result<Result<Contender, Vec<Contender>>> {
    let client = incarnation.client()?;
    let mut others = Vec::new();
    for name in contenders::holding(incarnation, parent, line).await? {
        let path = child(parent, &name);
        let (data, stat) = match again(incarnation, "get", &path, || client.get_data(&path)).await {
            Err(Error::NoNode(_)) => continue,
            read => read?,
        };
        let contender = Contender::new(&data, &stat, 0);
        if stat.czxid != token {
            others.push(contender);
            continue;
        }
        // Gone already is as good as broken: it held a moment ago, and its name never comes back.
        return match again(incarnation, "break", &path, || client.delete(&path, None)).await {
            Ok(()) | Err(Error::NoNode(_)) => Ok(Ok(contender)),
            Err(error) => Err(error),
        };
    }
    Ok(Err(others))
}

/// Repeats a request until a server answers.
async fn again<T, F: Future<Output = Result<T, zk::Error>>>(
    incarnation: &Incarnation,
    attempt: &str,
    path: &str,
    request: impl Fn() -> F,
) -> Result<T> {
    loop {
        match incarnation.request(attempt, path, request()).await {
            Err(Error::ConnectionLost(_)) => incarnation.connected().await?,
            reply => return reply,
        }
    }
}
