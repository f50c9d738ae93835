//! Buyers who check out, and a merchant who ships.

use std::{collections::HashMap, ops::Range, sync::Arc, time::Duration};

use anyhow::Result;
use harness::{Environment, Name, token::token};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    PRODUCTS, client,
    clients::OnItsWay,
    counters::{Counters, known},
    price,
    shopping::{Item, Purchase, Shopping},
};

/// Products whose prices stay: there is plenty of these, and very little of those.
pub(crate) const PLENTY: Range<i64> = 20..60;
pub(crate) const SCARCE: Range<i64> = 60..64;

/// What payments are made with, the most usual first.
const TOKENS: [(&str, u8); 5] =
    [("tok_ok", 60), ("tok_declined", 72), ("tok_flaky", 86), ("tok_slow", 95), ("tok_timeout", 100)];

/// How soon a buyer who got no answer asks again, in milliseconds.
const AGAIN: Range<u64> = 100..300;

/// How often a buyer asks for a cancellation until there is an answer.
const CANCELLATIONS: u8 = 5;

/// Who shop, and where.
#[derive(Clone)]
pub(super) struct Shop {
    client: Client,
    basket: String,
    orders: String,
    /// What the products cost in cents when the buyers came in.
    prices: Arc<HashMap<i64, u64>>,
    counters: Arc<Counters>,
    shopping: Arc<Shopping>,
}

impl Shop {
    pub(super) async fn open(
        environment: &Environment,
        counters: &Arc<Counters>,
        shopping: &Arc<Shopping>,
    ) -> Result<Self> {
        let prices: Vec<(i64, i64)> = sqlx::query_as("select product_id, (price * 100)::bigint from product")
            .fetch_all(&environment.catalog)
            .await?;
        let prices = prices.into_iter().map(|(product, cents)| (product, cents.unsigned_abs()));
        Ok(Self {
            client: client()?,
            basket: format!("{}/api/v1/basket", environment.url(Name::BASKET)?),
            orders: format!("{}/api/v1/orders", environment.url(Name::ORDERING)?),
            prices: Arc::new(prices.collect()),
            counters: Arc::clone(counters),
            shopping: Arc::clone(shopping),
        })
    }

    async fn send(&self, request: RequestBuilder, token: &str) -> reqwest::Result<Response> {
        let on_its_way = OnItsWay(&self.counters);
        let answer = request.bearer_auth(token).send().await;
        on_its_way.ended(known(&answer));
        answer
    }

    /// Puts a product into a cart; whether it is certainly there.
    async fn put(&self, buyer: &str, token: &str, (product, quantity): Item) -> bool {
        let url = format!("{}/{buyer}/items/{product}", self.basket);
        let answer = self.send(self.client.put(url).json(&json!({"quantity": quantity})), token).await;
        answer.is_ok_and(|answer| answer.status() == StatusCode::OK)
    }

    /// Ships paid orders, some at a time, until it is dropped.
    pub(super) async fn ship(self, mut rng: fastrand::Rng) {
        let Ok(token) = token("chaos-dispatcher", "orders:ship") else { return };
        loop {
            tokio::time::sleep(Duration::from_millis(rng.u64(300..700))).await;
            let page = self.client.get(format!("{}?status=paid&pageSize=20", self.orders));
            let Ok(page) = self.send(page, &token).await else { continue };
            let page: Value = page.json().await.unwrap_or_default();
            let ids =
                page["data"].as_array().into_iter().flatten().filter_map(|order| order["orderId"].as_str());
            for id in ids.filter(|_| rng.u8(0..4) == 0).collect::<Vec<_>>() {
                let ship = self.client.post(format!("{}/{id}/ship", self.orders));
                let answer = self.send(ship, &token).await;
                if answer.is_ok_and(|answer| answer.status() == StatusCode::ACCEPTED)
                    && let Ok(id) = id.parse()
                {
                    self.shopping.shipped(id);
                }
            }
        }
    }
}

/// Orders again and again, each time as another buyer with a cart of their own.
pub(super) struct Shopper {
    pub(super) shop: Shop,
    /// What tells its buyers from those of others.
    pub(super) name: String,
    /// The pause after each order, in milliseconds.
    pub(super) pause: Range<u64>,
    pub(super) rng: fastrand::Rng,
}

impl Shopper {
    /// Works until it is dropped.
    pub(super) async fn work(mut self) {
        for number in 0_u32.. {
            let buyer = format!("chaos-shopper-{}-{number}", self.name);
            if let Some(purchase) = self.buy(buyer).await {
                self.shop.shopping.bought(purchase);
            }
            let pause = self.rng.u64(self.pause.clone());
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }

    /// Fills a cart, orders what is in it, and perhaps thinks again. `None` if the order is refused.
    async fn buy(&mut self, buyer: String) -> Option<Purchase> {
        let token = token(&buyer, "").ok()?;
        let items = self.choose();
        let mut is_known = true;
        // Prices in carts that stay are not changed all the time: each change tells every cart.
        for item in items.iter().filter(|(product, _)| *product > PRODUCTS) {
            is_known &= self.shop.put(&buyer, &token, *item).await;
        }
        let (order, total) = self.check_out(&buyer, &token, &items).await?;
        let mut cart = Vec::new();
        if self.rng.u8(0..3) == 0 {
            let later = (self.rng.i64(SCARCE.end..SCARCE.end + 8), self.rng.i32(1..4));
            is_known &= self.shop.put(&buyer, &token, later).await;
            cart.push(later);
        }
        let is_cancelled = self.rng.u8(0..5) == 0 && self.cancel(order, &token).await;
        Some(Purchase { buyer, order, total, cart: is_known.then_some(cart), is_cancelled })
    }

    /// One to three products; of some there is little, of some the price changes all the time.
    fn choose(&mut self) -> Vec<Item> {
        let mut items = Vec::new();
        let mut add = |product: i64, quantity: i32| {
            if items.iter().all(|(known, _)| *known != product) {
                items.push((product, quantity));
            }
        };
        for _ in 0..self.rng.u8(1..=2) {
            add(self.rng.i64(PLENTY), self.rng.i32(1..4));
        }
        match self.rng.u8(0..10) {
            0 => add(self.rng.i64(SCARCE), self.rng.i32(1..4)),
            1 => add(self.rng.i64(1..=PRODUCTS), 1),
            _ => {}
        }
        items
    }

    /// Sends the same checkout until its outcome is known; the order, and the total that was agreed to.
    async fn check_out(&mut self, buyer: &str, token: &str, items: &[Item]) -> Option<(Uuid, String)> {
        let cost = |(product, quantity): &Item| {
            self.shop.prices.get(product).copied().unwrap_or(1) * u64::from(quantity.unsigned_abs())
        };
        let mut total = price(items.iter().map(cost).sum());
        let roll = self.rng.u8(0..100);
        let means = TOKENS.iter().find(|(_, below)| roll < *below).map_or("tok_ok", |(name, _)| name);
        loop {
            let body = checkout(items, means, &total);
            let request =
                self.shop.client.post(&self.shop.orders).header("idempotency-key", buyer).json(&body);
            match self.shop.send(request, token).await {
                Ok(answer) if answer.status() == StatusCode::ACCEPTED => {
                    let body: Value = answer.json().await.unwrap_or_default();
                    if let Some(id) = body["orderId"].as_str().and_then(|id| id.parse().ok()) {
                        return Some((id, total));
                    }
                }
                Ok(answer) if answer.status() == StatusCode::CONFLICT => {
                    let body: Value = answer.json().await.unwrap_or_default();
                    // The buyer agrees to the new prices.
                    body["total"].as_str()?.clone_into(&mut total);
                }
                Ok(answer) if answer.status().is_client_error() => return None,
                _ => tokio::time::sleep(Duration::from_millis(self.rng.u64(AGAIN))).await,
            }
        }
    }

    /// Cancels an order, soon or late; whether that was promised.
    async fn cancel(&mut self, order: Uuid, token: &str) -> bool {
        let pause = self.rng.u64(0..2_000);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        for _ in 0..CANCELLATIONS {
            if !self.shop.shopping.may_cancel() {
                return false;
            }
            let cancel = self.shop.client.post(format!("{}/{order}/cancel", self.shop.orders));
            match self.shop.send(cancel, token).await {
                Ok(answer) if answer.status() == StatusCode::ACCEPTED => return true,
                Ok(answer) if answer.status().is_client_error() => return false,
                _ => tokio::time::sleep(Duration::from_millis(self.rng.u64(AGAIN))).await,
            }
        }
        false
    }
}

/// The body of a checkout.
pub(super) fn checkout(items: &[Item], means: &str, total: &str) -> Value {
    let line = |(product, quantity): &Item| json!({"productId": product, "quantity": quantity});
    json!({
        "items": items.iter().map(line).collect::<Vec<_>>(), "payment": {"token": means}, "expectedTotal": total,
        "address": {"name": "Kim", "street": "Mill Road 1", "postcode": "12345", "city": "Moor", "country": "IE"},
    })
}
