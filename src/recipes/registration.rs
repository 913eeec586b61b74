//! One instance's entry in a registry: what it offers, until it is unregistered. See [`registry`](super::registry).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::membership::{Directory, Membership, Presence};
use super::registry::Registry;
use crate::error::{Error, Result};

/// What an instance says of itself, and what its node's data is, as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Offer {
    /// Where it is reached, in whatever form its users understand.
    pub address: String,
    /// Its share of the load, relative to the others'; none, where it is 0.
    #[serde(default = "one")]
    pub weight: u32,
    /// Where it is, for those who prefer somebody near.
    #[serde(default)]
    pub zone: Option<String>,
    /// Whatever else it says.
    #[serde(default)]
    pub metadata: Value,
}

fn one() -> u32 {
    1
}

/// What to change of an [`Offer`]; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Amendment {
    /// Where it is reached from now on.
    pub address: Option<String>,
    /// Its share of the load from now on.
    pub weight: Option<u32>,
    /// Where it is from now on; nowhere in particular, where it is empty.
    pub zone: Option<String>,
    /// Whatever else it says from now on.
    pub metadata: Option<Value>,
}

/// A registered instance. It stands until it is unregistered or the coordinator is closed, also when this is dropped.
#[derive(Clone, Debug)]
pub struct Registration {
    service: String,
    id: String,
    offer: Arc<Mutex<Offer>>,
    registry: Registry,
    membership: Membership,
}

impl Registration {
    pub(super) async fn begin(
        registry: Registry,
        service: &str,
        directory: &str,
        offer: Offer,
        id: Option<String>,
        timeout: Option<Duration>,
    ) -> Result<Self> {
        let place = registry.place();
        let id = id.unwrap_or_else(|| Uuid::new_v4().simple().to_string());
        place.component("instance id", &id)?;
        let title = format!("instance '{id}' of '{service}' in registry '{}'", place.name);
        let data = bytes(&offer)?;
        let membership =
            Membership::begin(&place.session, Directory::Made(directory), &id, title, data, timeout).await?;
        Ok(Self { service: service.to_owned(), id, offer: Arc::new(Mutex::new(offer)), registry, membership })
    }

    /// The service that it is an instance of.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.service
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it offers now.
    #[must_use]
    pub fn offer(&self) -> Offer {
        self.offer.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How it stands, without asking the network.
    #[must_use]
    pub fn presence(&self) -> Presence {
        self.membership.presence()
    }

    /// Changes what it offers, and returns once a server has it; while none can be reached it waits.
    ///
    /// # Cancel safety
    /// The change is made all the same.
    ///
    /// # Errors
    /// `NotOwner` where it was unregistered; `PayloadTooLarge`, and then nothing changes; `Closed`, `NotAuthorized`.
    pub async fn update(&self, amendment: Amendment) -> Result<()> {
        let update = {
            let mut offer = self.offer.lock().unwrap_or_else(PoisonError::into_inner);
            let amended = amendment.apply(offer.clone());
            // In the lock, so that two updates are made in the order in which they are remembered.
            let update = self.membership.change(bytes(&amended)?)?;
            *offer = amended;
            update
        };
        self.membership.settled(update).await
    }

    /// Unregisters it for good, connected or not: no later session registers it again. Once more is a no-op.
    ///
    /// # Cancel safety
    /// What this session asks next, and what its registry's handle knows, is without it; the rest happens in the
    /// background.
    pub fn unregister(&self) {
        if let Some(stat) = self.membership.stat() {
            self.registry.hide(&self.service, stat.czxid);
        }
        self.membership.withdraw();
    }

    /// Resolves when its node is gone.
    pub async fn gone(&self) {
        self.membership.gone().await;
    }
}

impl Amendment {
    fn apply(self, offer: Offer) -> Offer {
        Offer {
            address: self.address.unwrap_or(offer.address),
            weight: self.weight.unwrap_or(offer.weight),
            zone: self.zone.or(offer.zone).filter(|zone| !zone.is_empty()),
            metadata: self.metadata.unwrap_or(offer.metadata),
        }
    }
}

fn bytes(offer: &Offer) -> Result<Vec<u8>> {
    serde_json::to_vec(offer).map_err(|error| Error::config(format!("registry: metadata is no JSON: {error}")))
}
