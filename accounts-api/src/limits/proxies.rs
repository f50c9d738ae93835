//! The proxies whose word on their clients counts.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::time::{sleep, timeout};

use crate::settings::Proxies;

/// How often names are looked up: addresses of containers change when they are replaced.
const AGAIN: Duration = Duration::from_secs(5);
/// How long one look-up may take.
const LOOK_UP: Duration = Duration::from_secs(3);

/// The proxies, with the addresses that their names have.
pub struct Trusted {
    proxies: Proxies,
    found: RwLock<HashMap<String, Vec<IpAddr>>>,
}

impl Trusted {
    /// No name is looked up yet.
    pub fn new(proxies: Proxies) -> Self {
        Self { proxies, found: RwLock::default() }
    }

    /// Whether a proxy has this address.
    pub(super) fn has(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.proxies.networks.iter().any(|network| network.contains(&address))
            || self
                .found
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .values()
                .any(|addresses| addresses.contains(&address))
    }

    /// Looks names up, again and again, without end. While one has no answer its last addresses count.
    pub async fn look_up(&self) {
        if self.proxies.names.is_empty() {
            return std::future::pending().await;
        }
        loop {
            for name in &self.proxies.names {
                let Ok(Ok(found)) = timeout(LOOK_UP, lookup_host((name.as_str(), 0))).await else {
                    tracing::debug!(name, "the name of a proxy has no address now");
                    continue;
                };
                let addresses = found.map(|found| found.ip().to_canonical()).collect();
                let mut all = self.found.write().unwrap_or_else(PoisonError::into_inner);
                all.insert(name.clone(), addresses);
            }
            sleep(AGAIN).await;
        }
    }
}
