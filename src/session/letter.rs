//! What a holder's node says: who it is and, below that, what others ask of it.
//!
//! Data: the owner's text as the node was made with, then for each request to let go a line
//! `__REVOKE__ {"id":…,"reason":…}`. Curator's `Revoker` leaves exactly `__REVOKE__` instead, and a Curator
//! holder, whose node is empty when it listens, understands nothing else. Pure.

use serde::{Deserialize, Serialize};

const REVOKE: &str = "__REVOKE__";

/// How many requests a node keeps; the holder has read the older ones, or does not listen.
const KEPT: usize = 8;

/// Somebody asks the holder to let go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseRequest {
    /// Tells it from others with the same reason, and from itself when it is read again.
    pub id: String,
    /// Why, in the words of who asks.
    pub reason: String,
}

/// Who made the node; empty where Curator's revoker overwrote it.
#[must_use]
pub fn owner(data: &[u8]) -> String {
    let text = String::from_utf8_lossy(data);
    if text == REVOKE { String::new() } else { split(&text).0.to_owned() }
}

/// What the node's holder is asked, the oldest first. `version` is the node's.
#[must_use]
pub fn requests(data: &[u8], version: i32) -> Vec<ReleaseRequest> {
    let text = String::from_utf8_lossy(data);
    if text == REVOKE {
        return vec![ReleaseRequest { id: format!("curator-{version}"), reason: String::new() }];
    }
    split(&text).1.filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The data of the same node with one more request.
#[must_use]
pub fn asking(data: &[u8], request: &ReleaseRequest) -> Vec<u8> {
    let text = String::from_utf8_lossy(data);
    // Empty is what a Curator holder that listens left there.
    if text.is_empty() || text == REVOKE {
        return REVOKE.as_bytes().to_vec();
    }
    let (owner, lines) = split(&text);
    let mut lines: Vec<String> = lines.map(str::to_owned).collect();
    // Text and numbers always serialise.
    lines.extend(serde_json::to_string(request).ok());
    let recent = &lines[lines.len().saturating_sub(KEPT)..];
    write(owner, recent.iter().map(String::as_str))
}

/// True where the node carries the request already, as after a reply that was lost.
#[must_use]
pub fn asks(data: &[u8], request: &ReleaseRequest) -> bool {
    requests(data, 0).iter().any(|known| known.id == request.id)
}

/// The data with its owner put back, where Curator's revoker overwrote it.
#[must_use]
pub fn restored(data: &[u8], version: i32, owner: &[u8]) -> Option<Vec<u8>> {
    (data == REVOKE.as_bytes()).then(|| {
        let lines: Vec<_> = requests(data, version).iter().filter_map(|one| serde_json::to_string(one).ok()).collect();
        write(&String::from_utf8_lossy(owner), lines.iter().map(String::as_str))
    })
}

fn write<'a>(owner: &str, lines: impl Iterator<Item = &'a str>) -> Vec<u8> {
    let mut text = owner.to_owned();
    for line in lines {
        text.push_str(SEPARATOR);
        text.push_str(line);
    }
    text.into_bytes()
}

const SEPARATOR: &str = "\n__REVOKE__ ";

fn split(text: &str) -> (&str, impl Iterator<Item = &str>) {
    let mut parts = text.split(SEPARATOR);
    (parts.next().unwrap_or_default(), parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(id: &str) -> ReleaseRequest {
        ReleaseRequest { id: id.to_owned(), reason: format!("because\n__REVOKE__ of {id}") }
    }

    #[test]
    fn a_node_keeps_its_owner_and_the_latest_requests() {
        let mut data = b"app @ host".to_vec();
        for id in 0..20 {
            data = asking(&data, &request(&id.to_string()));
        }
        assert_eq!(owner(&data), "app @ host");
        assert_eq!(requests(&data, 20), (12..20).map(|id| request(&id.to_string())).collect::<Vec<_>>());
        assert!(asks(&data, &request("19")) && !asks(&data, &request("20")));
    }

    #[test]
    fn curators_are_told_what_they_understand() {
        assert_eq!(asking(b"", &request("1")), REVOKE.as_bytes());
        assert_eq!(asking(REVOKE.as_bytes(), &request("1")), REVOKE.as_bytes());
    }

    #[test]
    fn what_curators_say_is_a_request_without_a_reason_and_the_owner_comes_back() {
        assert_eq!(owner(REVOKE.as_bytes()), "");
        let heard = requests(REVOKE.as_bytes(), 3);
        assert_eq!(heard, [ReleaseRequest { id: "curator-3".into(), reason: String::new() }]);
        let data = restored(REVOKE.as_bytes(), 3, b"me").expect("it was overwritten");
        assert_eq!((owner(&data).as_str(), requests(&data, 4)), ("me", heard));
        assert_eq!(restored(&data, 4, b"me"), None);
    }
}
