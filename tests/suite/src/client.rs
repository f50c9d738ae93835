//! Merchants and buyers as HTTP clients.

use std::time::Duration;

use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use test_kit::{Process, eventually};

/// How long an effect may take to arrive on a busy machine, recovery included.
const LONG: Duration = Duration::from_secs(30);

/// A client that sets prices.
pub struct Merchant {
    client: Client,
    url: String,
}

/// A client with a cart.
pub struct Buyer {
    client: Client,
    url: String,
    name: String,
}

impl Merchant {
    /// The merchant of this catalog.
    pub fn of(catalog: &Process) -> Self {
        Self { client: Client::new(), url: format!("{}/api/v1/catalog", catalog.url) }
    }

    /// Changes a price.
    ///
    /// # Panics
    /// When the catalog does not do it.
    pub async fn price(&self, product: i64, price: &str) {
        let url = format!("{}/items/{product}/price", self.url);
        let request = self.client.put(url).json(&json!({"price": price}));
        let token = test_kit::token("merchant", "catalog:write");
        let answer = request.bearer_auth(token).timeout(LONG).send().await.unwrap();
        assert_eq!(answer.status(), 200, "a new price for {product}");
    }

    /// What the catalog says the price is.
    ///
    /// # Panics
    /// When it does not say.
    pub async fn price_of(&self, product: i64) -> String {
        let item: Value = self
            .client
            .get(format!("{}/items/{product}", self.url))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        item["price"].as_str().expect("a price").to_owned()
    }
}

impl Buyer {
    /// A buyer who uses this basket.
    pub fn of(basket: &Process, name: &str) -> Self {
        let url = format!("{}/api/v1/basket/{name}", basket.url);
        Self { client: Client::new(), url, name: name.to_owned() }
    }

    /// A request of this buyer's.
    pub fn request(&self, method: reqwest::Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.url));
        request.bearer_auth(test_kit::token(&self.name, ""))
    }

    /// Puts a product into the cart; a basket that has just started may say "not yet".
    ///
    /// # Panics
    /// When the basket does not do it.
    pub async fn takes(&self, product: i64, quantity: i64) {
        let answer = eventually("the basket takes the product", LONG, async || {
            let request = self.request(reqwest::Method::PUT, &format!("/items/{product}"));
            let answer = request.json(&json!({"quantity": quantity})).send().await.ok()?;
            (answer.status() != 503).then_some(answer)
        })
        .await;
        assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
    }

    /// The cart.
    ///
    /// # Panics
    /// When it cannot be read.
    pub async fn cart(&self) -> Value {
        self.read("").await
    }

    /// The alerts, newest first, as (old price, new price).
    ///
    /// # Panics
    /// When they cannot be read.
    pub async fn alerts(&self) -> Vec<(String, String)> {
        let alerts = self.read("/alerts?pageSize=100").await;
        let text = |alert: &Value, name: &str| alert[name].as_str().unwrap_or_default().to_owned();
        let all = alerts["data"].as_array().expect("a list");
        all.iter().map(|alert| (text(alert, "oldPrice"), text(alert, "newPrice"))).collect()
    }

    /// Waits until the first line of the cart has this price.
    ///
    /// # Panics
    /// When it does not get it.
    pub async fn until_price(&self, price: &str) -> Value {
        eventually(&format!("the cart shows {price}"), LONG, async || {
            let cart = self.cart().await;
            (cart["items"][0]["unitPrice"] == price).then_some(cart)
        })
        .await
    }

    /// Waits until there are so many alerts.
    ///
    /// # Panics
    /// When there are not.
    pub async fn until_alerts(&self, count: usize) -> Vec<(String, String)> {
        eventually(&format!("{count} alerts"), LONG, async || {
            let alerts = self.alerts().await;
            (alerts.len() >= count).then_some(alerts)
        })
        .await
    }

    async fn read(&self, path: &str) -> Value {
        self.request(reqwest::Method::GET, path).send().await.unwrap().json().await.unwrap()
    }
}
