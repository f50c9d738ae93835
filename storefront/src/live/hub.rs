//! The buyers with open pages.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use super::Signal;
use super::feed::Feed;
use crate::clients::BasketClient;
use crate::session::User;

/// Signals that a slow page may be behind; a page that is further behind is renewed once for all of them.
const BUFFER: usize = 64;

/// The most buyers with live pages.
const MAX_BUYERS: usize = 5_000;

/// The most live pages of one buyer.
const MAX_PAGES: usize = 64;

/// One feed for each buyer with open pages, however many pages these are. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Hub {
    basket: BasketClient,
    stop: CancellationToken,
    buyers: Arc<Mutex<HashMap<String, Buyer>>>,
}

/// The open pages of one buyer.
struct Buyer {
    signals: broadcast::Sender<Signal>,
    first: watch::Receiver<Option<Signal>>,
    user: watch::Sender<User>,
}

/// What one page receives.
pub(super) struct Subscription {
    pub(super) signals: broadcast::Receiver<Signal>,
    /// The signal to start with: the page may have been rendered before the last change.
    pub(super) first: Option<Signal>,
}

impl Hub {
    /// `stop` ends all feeds.
    pub(crate) fn new(basket: BasketClient, stop: CancellationToken) -> Self {
        Self { basket, stop, buyers: Arc::default() }
    }

    /// Tells the open pages of this buyer that one of them has changed the cart.
    pub(crate) fn cart_changed(&self, buyer: &str) {
        if let Some(buyer) = self.buyers().get(buyer)
            && buyer.signals.send(Signal::Changed).is_err()
        {
            tracing::trace!("no page is open");
        }
    }

    /// Subscribes a page of this user; `None` if there are too many.
    pub(super) fn subscribe(&self, user: &User) -> Option<Subscription> {
        let mut buyers = self.buyers();
        if let Some(buyer) = buyers.get(&user.name) {
            // The token that lasts longest: a page of an older session may come later.
            buyer.user.send_if_modified(|known| {
                let is_longer = user.expires_at > known.expires_at;
                if is_longer {
                    *known = user.clone();
                }
                is_longer
            });
            let is_free = buyer.signals.receiver_count() < MAX_PAGES;
            let subscribe =
                || Subscription { signals: buyer.signals.subscribe(), first: buyer.first.borrow().clone() };
            return is_free.then(subscribe);
        }
        if buyers.len() >= MAX_BUYERS {
            return None;
        }
        let (signals, receiver) = broadcast::channel(BUFFER);
        let (first_sender, first) = watch::channel(None);
        let (user_sender, users) = watch::channel(user.clone());
        let feed = Feed::new(self.basket.clone(), users, signals.clone(), first_sender);
        buyers.insert(user.name.clone(), Buyer { signals, first, user: user_sender });
        let (hub, name) = (self.clone(), user.name.clone());
        tokio::spawn(async move {
            let stop = hub.stop.clone();
            let is_released = stop.run_until_cancelled(feed.run(|| hub.release(&name))).await;
            // After a release, another feed may have this name.
            if is_released != Some(true) {
                hub.buyers().remove(&name);
            }
        });
        Some(Subscription { signals: receiver, first: None })
    }

    /// Removes a buyer without open pages. The next page of the buyer starts a new feed.
    fn release(&self, name: &str) -> bool {
        let mut buyers = self.buyers();
        let is_empty = buyers.get(name).is_none_or(|buyer| buyer.signals.receiver_count() == 0);
        if is_empty {
            buyers.remove(name);
        }
        is_empty
    }

    /// The map is consistent at every moment, also after a panic.
    fn buyers(&self) -> MutexGuard<'_, HashMap<String, Buyer>> {
        self.buyers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
