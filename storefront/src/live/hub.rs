//! Which buyers have pages open.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use super::Signal;
use super::feed::Feed;
use crate::backends::BasketApi;
use crate::session::User;

/// Signals that a slow page can lag behind; one that lags further refreshes once for all of them.
const BACKLOG: usize = 64;

/// Buyers with open pages, at most; the pages of others are not live.
const MOST_BUYERS: usize = 5_000;

/// Pages that one buyer may have open at once.
const MOST_PAGES: usize = 64;

/// One feed for each buyer who has pages open, however many those are. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Hub {
    basket: BasketApi,
    ending: CancellationToken,
    tables: Arc<Mutex<HashMap<String, Table>>>,
}

/// Where the pages of one buyer sit.
#[derive(Debug)]
struct Table {
    signals: broadcast::Sender<Signal>,
    state: watch::Receiver<Source>,
    user: watch::Sender<User>,
}

/// How the feed is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// Nobody knows yet.
    Connecting,
    /// Alerts arrive.
    Live,
    /// The basket does not answer.
    Away,
}

/// One page's place.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) signals: broadcast::Receiver<Signal>,
    /// How the feed was when the page came.
    pub(super) source: Source,
}

impl Hub {
    /// Nobody has a page open yet. `ending` ends all feeds.
    pub fn new(basket: BasketApi, ending: CancellationToken) -> Self {
        Self { basket, ending, tables: Arc::default() }
    }

    /// Tells the open pages of this buyer that another of them has changed the cart.
    pub fn announce(&self, buyer: &str) {
        if let Some(table) = self.tables().get(buyer)
            && table.signals.send(Signal::Changed).is_err()
        {
            tracing::trace!("all pages are closed");
        }
    }

    /// A place for a page of this user; `None` when there are too many.
    pub(super) fn join(&self, user: &User) -> Option<Seat> {
        let mut tables = self.tables();
        if let Some(table) = tables.get(&user.name) {
            // The newest token lasts longest.
            table.user.send_replace(user.clone());
            let is_free = table.signals.receiver_count() < MOST_PAGES;
            let seat = || Seat { signals: table.signals.subscribe(), source: *table.state.borrow() };
            return is_free.then(seat);
        }
        if tables.len() >= MOST_BUYERS {
            return None;
        }
        let (signals, receiver) = broadcast::channel(BACKLOG);
        let (source, state) = watch::channel(Source::Connecting);
        let (user_sender, users) = watch::channel(user.clone());
        let feed = Feed::new(self.basket.clone(), users, signals.clone(), source);
        tables.insert(user.name.clone(), Table { signals, state, user: user_sender });
        let (hub, name) = (self.clone(), user.name.clone());
        tokio::spawn(async move {
            let ending = hub.ending.clone();
            let is_cleared = ending.run_until_cancelled(feed.run(|| hub.clear(&name))).await;
            // Once cleared, the name may be another table's already.
            if is_cleared != Some(true) {
                hub.tables().remove(&name);
            }
        });
        Some(Seat { signals: receiver, source: Source::Connecting })
    }

    /// Takes a table away if nobody sits at it; whoever comes later gets a new one.
    fn clear(&self, buyer: &str) -> bool {
        let mut tables = self.tables();
        let is_empty = tables.get(buyer).is_none_or(|table| table.signals.receiver_count() == 0);
        if is_empty {
            tables.remove(buyer);
        }
        is_empty
    }

    /// Nothing that holds the lock can fail half-way: a poisoned one is as good.
    fn tables(&self) -> MutexGuard<'_, HashMap<String, Table>> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
