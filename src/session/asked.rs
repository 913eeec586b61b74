//! What others ask of a holder, as its nodes say; see [`letter`](super::letter).

use std::sync::Arc;

use tokio::sync::watch;

use super::grant::Grant;
use super::heartbeat;
use super::letter::ReleaseRequest;

impl Grant {
    /// Notes what its nodes were made with.
    pub fn made_with(&self, text: &[u8]) {
        // A grant's nodes are made once.
        let _ = self.text.set(text.to_vec());
    }

    pub(super) fn text(&self) -> Option<&[u8]> {
        self.text.get().map(Vec::as_slice)
    }

    /// What others asked of the holder so far, the oldest first; it changes when somebody asks again.
    /// From now on its nodes are watched, so that a request arrives at once and not within a beat.
    #[must_use]
    pub fn release_requests(self: &Arc<Self>) -> watch::Receiver<Vec<ReleaseRequest>> {
        heartbeat::follow_grant(&self.incarnation, self);
        self.asked.subscribe()
    }

    /// The request after the `heard` first ones; `None` once the grant stands no more.
    ///
    /// # Cancel safety
    /// Nothing is missed.
    pub async fn next_request(
        &self,
        requests: &mut watch::Receiver<Vec<ReleaseRequest>>,
        heard: usize,
    ) -> Option<ReleaseRequest> {
        tokio::select! {
            biased;
            known = requests.wait_for(|known| known.len() > heard) => known.ok()?.get(heard).cloned(),
            () = self.over() => None,
        }
    }

    /// Its nodes say so. Those that were read before are not news.
    pub(super) fn is_asked(&self, requests: Vec<ReleaseRequest>) {
        self.asked.send_if_modified(|known| {
            let before = known.len();
            for request in requests {
                if !known.iter().any(|known| known.id == request.id) {
                    tracing::info!(resource = self.standing.resource, reason = request.reason, "asked to let go");
                    known.push(request);
                }
            }
            known.len() > before
        });
    }
}
