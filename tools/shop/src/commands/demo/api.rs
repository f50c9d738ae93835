//! The calls of the story.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use ureq::http::Response;
use ureq::{Agent, Body};

use crate::http;
use crate::registry::Name;
use crate::suite::Suite;
use crate::token::{self, Lifetime};

/// How long a call may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// A product, as far as the story needs it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Item {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) price: Decimal,
    pub(super) currency: String,
    pub(super) available_stock: i64,
    pub(super) reserved: i64,
}

/// A line of the cart.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Line {
    pub(super) unit_price: Decimal,
    pub(super) old_unit_price: Option<String>,
}

/// A price alert.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Alert {
    pub(super) event_id: String,
    pub(super) old_price: Option<String>,
    pub(super) new_price: Option<String>,
}

#[derive(Deserialize)]
struct Page<T> {
    data: Vec<T>,
}

#[derive(Deserialize)]
struct Basket {
    items: Vec<Line>,
}

/// Calls the services as one buyer and one operator.
pub(super) struct Api {
    pub(super) agent: Agent,
    pub(super) catalog: String,
    basket: String,
    pub(super) orders: String,
    /// The address of the provider's ledger.
    pub(super) ledger: String,
    /// The buyer's credentials.
    pub(super) buyer: String,
    /// The operator's.
    pub(super) operator: String,
}

impl Api {
    /// Signs in.
    pub(super) fn sign_in(suite: &Suite, buyer: &str) -> Result<Self> {
        Ok(Self {
            agent: http::agent(DEADLINE),
            catalog: format!("{}/api/v1/catalog", suite.url(Name::CATALOG)?),
            basket: format!("{}/api/v1/basket/{buyer}", suite.url(Name::BASKET)?),
            orders: format!("{}/api/v1/orders", suite.url(Name::ORDERING)?),
            ledger: format!("{}/ledger", suite.url(Name::SANDBOX)?),
            buyer: format!("Bearer {}", token::issue(buyer, &[], Lifetime::DAY)?),
            operator: format!("Bearer {}", token::operator()?),
        })
    }

    /// The first product of the catalog.
    pub(super) fn first_item(&self) -> Result<Item> {
        let answer = self.agent.get(format!("{}/items?pageSize=1", self.catalog)).call();
        let page: Page<Item> = read(answer, "the catalog's list")?;
        page.data.into_iter().next().context("the catalog is empty")
    }

    /// One product.
    pub(super) fn item(&self, id: i64) -> Result<Item> {
        read(self.agent.get(format!("{}/items/{id}", self.catalog)).call(), "the product")
    }

    /// Sets a product's price; returns the id of the event that announces it.
    pub(super) fn set_price(&self, item: &Item, price: Decimal) -> Result<String> {
        let answer = self
            .agent
            .put(format!("{}/items/{}/price", self.catalog, item.id))
            .header("Authorization", &self.operator)
            .send_json(json!({ "price": format!("{price:.2}") }));
        let answer = check(answer, "the price change")?;
        let event = answer.headers().get("Event-Id").and_then(|id| id.to_str().ok());
        event.map(str::to_owned).context("the price change announced nothing")
    }

    /// Puts a product into the cart.
    pub(super) fn put_into_cart(&self, item: &Item, quantity: u32) -> Result<()> {
        let answer = self
            .agent
            .put(format!("{}/items/{}", self.basket, item.id))
            .header("Authorization", &self.buyer)
            .send_json(json!({ "quantity": quantity }));
        check(answer, "filling the cart").map(|_| ())
    }

    /// The only line of the cart.
    pub(super) fn line(&self) -> Result<Line> {
        let answer = self.agent.get(&self.basket).header("Authorization", &self.buyer).call();
        let basket: Basket = read(answer, "the cart")?;
        basket.items.into_iter().next().context("the cart is empty")
    }

    /// The buyer's alerts, newest first.
    pub(super) fn alerts(&self) -> Result<Vec<Alert>> {
        let answer =
            self.agent.get(format!("{}/alerts", self.basket)).header("Authorization", &self.buyer).call();
        read::<Page<Alert>>(answer, "the alerts").map(|page| page.data)
    }

    /// Empties the cart.
    pub(super) fn empty_cart(&self) -> Result<()> {
        let answer = self.agent.delete(&self.basket).header("Authorization", &self.buyer).call();
        check(answer, "emptying the cart").map(|_| ())
    }
}

/// The answer, if it is a success.
pub(super) fn check(answer: Result<Response<Body>, ureq::Error>, what: &str) -> Result<Response<Body>> {
    let mut answer = answer.with_context(|| format!("{what} was not answered"))?;
    if !answer.status().is_success() {
        let problem: Value = answer.body_mut().read_json().unwrap_or_default();
        let detail = problem["detail"].as_str().or(problem["title"].as_str()).unwrap_or("no reason given");
        bail!("{what} was refused: {} {detail}", answer.status());
    }
    Ok(answer)
}

/// What the answer says, if it is a success.
pub(super) fn read<T: DeserializeOwned>(
    answer: Result<Response<Body>, ureq::Error>,
    what: &str,
) -> Result<T> {
    let mut answer = check(answer, what)?;
    answer.body_mut().read_json().with_context(|| format!("{what} is not what was expected"))
}
