//! Merchants and buyers.

use std::{sync::Arc, time::Duration};

use reqwest::{Client, Response};
use serde_json::json;
use uuid::Uuid;

use super::{
    PRODUCTS,
    counters::{Counters, Known, known},
    price,
};

/// The pause between two operations of one person: between these.
const PAUSE_MS: std::ops::Range<u64> = 120..280;

/// Changes prices.
pub(super) struct Merchant {
    pub(super) client: Client,
    pub(super) url: String,
    pub(super) token: String,
    pub(super) rng: fastrand::Rng,
    pub(super) counters: Arc<Counters>,
}

impl Merchant {
    /// Works until it is dropped.
    pub(super) async fn work(mut self) {
        loop {
            let product = self.rng.i64(1..=PRODUCTS);
            let body = json!({"price": price(self.rng.u64(100..100_000))});
            let request = self.client.put(format!("{}/{product}/price", self.url));
            let on_its_way = OnItsWay(&self.counters);
            let answer = request.bearer_auth(&self.token).json(&body).send().await;
            on_its_way.ended(known(&answer));
            if let Some(id) =
                answer.ok().filter(|answer| answer.status().is_success()).as_ref().and_then(event_id)
            {
                self.counters.promise(id);
            }
            tokio::time::sleep(Duration::from_millis(self.rng.u64(PAUSE_MS))).await;
        }
    }
}

/// Adds products to a cart, reads it, and removes products.
pub(super) struct Buyer {
    pub(super) client: Client,
    pub(super) url: String,
    pub(super) token: String,
    pub(super) rng: fastrand::Rng,
    pub(super) counters: Arc<Counters>,
}

impl Buyer {
    /// Works until it is dropped.
    pub(super) async fn work(mut self) {
        loop {
            let line = format!("{}/items/{}", self.url, self.rng.i64(1..=PRODUCTS));
            let request = match self.rng.u8(0..10) {
                0..6 => self.client.put(line).json(&json!({"quantity": self.rng.u8(1..=99)})),
                6..8 => self.client.delete(line),
                _ => self.client.get(&self.url),
            };
            let on_its_way = OnItsWay(&self.counters);
            let answer = request.bearer_auth(&self.token).send().await;
            on_its_way.ended(known(&answer));
            tokio::time::sleep(Duration::from_millis(self.rng.u64(PAUSE_MS))).await;
        }
    }
}

/// An operation that has begun: unknown, if it is given up before its end.
pub(super) struct OnItsWay<'a>(pub(super) &'a Counters);

impl OnItsWay<'_> {
    pub(super) fn ended(self, known: Known) {
        self.0.count(known);
        std::mem::forget(self);
    }
}

impl Drop for OnItsWay<'_> {
    fn drop(&mut self) {
        self.0.count(Known::Unknown);
    }
}

/// The event that an answer of the catalog's promises.
pub(super) fn event_id(answer: &Response) -> Option<Uuid> {
    answer.headers().get("Event-Id")?.to_str().ok()?.parse().ok()
}
