//! The steady workload that goes on while something is broken: merchants change prices, buyers their carts; some buyers
//! check out.

mod clients;
mod counters;
mod registrations;
mod shoppers;
mod shopping;

use std::{future::Future, ops::Range, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use reqwest::{Client, Method};
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::{
    clients::{Buyer, Merchant},
    registrations::Registrant,
    shoppers::{Shop, Shopper},
};
pub(crate) use self::{
    counters::Counters,
    registrations::{DOMAIN, Registrations, SECRET},
    shoppers::{PLENTY, SCARCE},
    shopping::{Item, Purchase, Shopping},
};
use harness::{Environment, Name, token::token, until};

/// Whose prices change: products 1 to this.
pub(crate) const PRODUCTS: i64 = 12;

/// Buyers with a cart that they do not touch: each of them must hear of each change exactly once.
pub(crate) const IDLE_CARTS: [(&str, [i64; 6]); 3] = [
    ("chaos-anna", [1, 2, 3, 4, 5, 6]),
    ("chaos-ben", [4, 5, 6, 7, 8, 9]),
    ("chaos-cleo", [7, 8, 9, 10, 11, 12]),
];

const MERCHANTS: u64 = 4;
const BUYERS: u64 = 4;
const SHOPPERS: u64 = 4;
const REGISTRANTS: u64 = 3;

/// The pause of a buyer after an order, in milliseconds.
const SHOPPERS_PAUSE: Range<u64> = 100..400;

/// How long a client waits. After that it does not know.
const TIMEOUT: Duration = Duration::from_secs(4);

/// Clients that work until they are stopped.
pub(crate) struct Workload {
    pub(crate) counters: Arc<Counters>,
    /// What was ordered.
    pub(crate) shopping: Arc<Shopping>,
    /// Who has registered.
    pub(crate) registrations: Arc<Registrations>,
    shop: Option<Shop>,
    seed: u64,
    stop: CancellationToken,
    clients: JoinSet<Option<()>>,
}

impl Workload {
    /// Puts clients to work. The same seed has them do the same things, though not at the same moments.
    pub(crate) fn start(environment: &Environment, seed: u64) -> Result<Self> {
        let (counters, stop, mut clients) =
            (Arc::new(Counters::default()), CancellationToken::new(), JoinSet::new());
        let shopping = Arc::new(Shopping::default());
        for n in 0..MERCHANTS {
            let merchant = Merchant {
                client: client()?,
                url: format!("{}/api/v1/catalog/items", environment.url(Name::CATALOG)?),
                token: token("chaos-merchant", "catalog:write")?,
                rng: fastrand::Rng::with_seed(seed ^ (n + 1)),
                counters: Arc::clone(&counters),
            };
            clients.spawn(stop.clone().run_until_cancelled_owned(merchant.work()));
        }
        for n in 0..BUYERS {
            let name = format!("chaos-buyer-{n}");
            let buyer = Buyer {
                client: client()?,
                url: format!("{}/api/v1/basket/{name}", environment.url(Name::BASKET)?),
                token: token(&name, "")?,
                rng: fastrand::Rng::with_seed(seed ^ (n + 101)),
                counters: Arc::clone(&counters),
            };
            clients.spawn(stop.clone().run_until_cancelled_owned(buyer.work()));
        }
        let registrations = Arc::default();
        Ok(Self { counters, shopping, registrations, shop: None, seed, stop, clients })
    }

    /// Has people order as well, and somebody ship.
    pub(crate) async fn open_shop(&mut self, environment: &Environment) -> Result<()> {
        let shop = Shop::open(environment, &self.counters, &self.shopping).await?;
        self.shop = Some(shop.clone());
        for n in 0..SHOPPERS {
            if let Some(shopper) = self.shopper(n, SHOPPERS_PAUSE) {
                self.clients.spawn(self.stop.clone().run_until_cancelled_owned(shopper));
            }
        }
        let dispatcher = shop.ship(fastrand::Rng::with_seed(self.seed ^ 0x12d));
        self.clients.spawn(self.stop.clone().run_until_cancelled_owned(dispatcher));
        Ok(())
    }

    /// Has people register as well.
    pub(crate) fn open_doors(&mut self, environment: &Environment) -> Result<()> {
        for n in 0..REGISTRANTS {
            let registrant = Registrant {
                client: client()?,
                url: format!("{}/api/v1/users", environment.url(Name::ACCOUNTS)?),
                name: format!("{:x}-{n}", self.seed),
                rng: fastrand::Rng::with_seed(self.seed ^ (n + 301)),
                counters: Arc::clone(&self.counters),
                registrations: Arc::clone(&self.registrations),
            };
            self.clients.spawn(self.stop.clone().run_until_cancelled_owned(registrant.work()));
        }
        Ok(())
    }

    /// A further buyer who places orders until it is dropped; `None` in a workload without orders.
    pub(crate) fn shopper(
        &self,
        number: u64,
        pause: Range<u64>,
    ) -> Option<impl Future<Output = ()> + Send + 'static> {
        let shop = self.shop.clone()?;
        let name = format!("{:x}-{number}", self.seed);
        let rng = fastrand::Rng::with_seed(self.seed ^ (number + 201));
        Some(Shopper { shop, name, pause, rng }.work())
    }

    /// Sends everybody home. What was on its way then counts as unknown.
    pub(crate) async fn stop(mut self) -> (Arc<Counters>, Arc<Shopping>) {
        self.stop.cancel();
        while self.clients.join_next().await.is_some() {}
        (Arc::clone(&self.counters), Arc::clone(&self.shopping))
    }

    /// Waits until so many orders were placed; `false` if they were not in time.
    pub(crate) async fn until_ordered(&self, orders: usize, limit: Duration) -> Result<bool> {
        let enough = async || Ok((self.shopping.count() >= orders).then_some(()));
        Ok(until(limit, Duration::from_millis(20), enough).await?.is_some())
    }

    /// Waits until so many people have registered; `false` if they have not in time.
    pub(crate) async fn until_registered(&self, users: usize, limit: Duration) -> Result<bool> {
        let enough = async || Ok((self.registrations.promised().len() >= users).then_some(()));
        Ok(until(limit, Duration::from_millis(20), enough).await?.is_some())
    }

    /// Waits until so many more operations were done; `false` if they were not in time.
    pub(crate) async fn until_done(&self, more: u64, limit: Duration) -> Result<bool> {
        let goal = self.counters.counts().0 + more;
        let enough = async || Ok((self.counters.counts().0 >= goal).then_some(()));
        Ok(until(limit, Duration::from_millis(10), enough).await?.is_some())
    }
}

/// Fills the carts that stay as they are.
pub(crate) async fn fill_idle_carts(environment: &Environment) -> Result<()> {
    let client = client()?;
    for (name, products) in IDLE_CARTS {
        for product in products {
            let url = format!("{}/api/v1/basket/{name}/items/{product}", environment.url(Name::BASKET)?);
            let token = token(name, "")?;
            let put = async || {
                let request = client.request(Method::PUT, &url).json(&json!({"quantity": 1}));
                let answer = request.bearer_auth(&token).send().await;
                Ok(answer.is_ok_and(|answer| answer.status() == 200).then_some(()))
            };
            let done = until(Duration::from_secs(20), Duration::from_millis(100), put).await?;
            done.with_context(|| format!("{name} cannot put product {product} into the cart"))?;
        }
    }
    Ok(())
}

/// Requests a new price for a product once; returns the id of its event.
pub(crate) async fn change_price(environment: &Environment, product: i64, cents: u64) -> Result<uuid::Uuid> {
    let url = format!("{}/api/v1/catalog/items/{product}/price", environment.url(Name::CATALOG)?);
    let request = client()?.put(url).bearer_auth(token("chaos-merchant", "catalog:write")?);
    let answer = request.json(&json!({"price": price(cents)})).send().await?.error_for_status()?;
    clients::event_id(&answer).context("the price was the same already")
}

/// Orders a piece of a product once, and pays at once; returns the order. The key has it placed once.
pub(crate) async fn order(environment: &Environment, key: &str) -> Result<uuid::Uuid> {
    let product = PLENTY.start;
    let cost = "select price::text from product where product_id = $1";
    let total: String = sqlx::query_scalar(cost).bind(product).fetch_one(&environment.catalog).await?;
    let url = format!("{}/api/v1/orders", environment.url(Name::ORDERING)?);
    let request = client()?.post(url).bearer_auth(token(key, "")?).header("idempotency-key", key);
    let body = shoppers::checkout(&[(product, 1)], "tok_ok", &total);
    let answer: serde_json::Value = request.json(&body).send().await?.error_for_status()?.json().await?;
    Ok(answer["orderId"].as_str().context("an answer without an order")?.parse()?)
}

fn price(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

fn client() -> Result<Client> {
    Ok(Client::builder().timeout(TIMEOUT).no_proxy().build()?)
}
