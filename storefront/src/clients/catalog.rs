//! The routes of catalog-api that pages need.

use chrono::{DateTime, Utc};
use reqwest::Method;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::http::Reply;
use super::{Client, Request, Result};
use crate::session::User;
use crate::settings::{Settings, service_variable};

/// A client of catalog-api. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct CatalogClient(Client);

/// A product.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Item {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) price: Decimal,
    pub(crate) currency: String,
    pub(crate) type_id: i64,
    pub(crate) brand_id: i64,
    pub(crate) available_stock: i64,
    /// Pieces that open orders have reserved.
    #[serde(default)]
    pub(crate) reserved: i64,
    pub(crate) restock_threshold: i64,
    pub(crate) max_stock_threshold: i64,
    pub(crate) version: i64,
}

/// A page of products, and how many products all pages have.
#[derive(Debug, Deserialize)]
pub(crate) struct ItemPage {
    pub(crate) count: u64,
    pub(crate) data: Vec<Item>,
}

/// A page of reservations, and how many all pages have.
#[derive(Debug, Deserialize)]
pub(crate) struct ReservationPage {
    pub(crate) count: u64,
    pub(crate) data: Vec<Reservation>,
}

/// The stock of one order.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Reservation {
    pub(crate) order_id: Uuid,
    /// `reserved`, `rejected`, `released` or `sold`.
    pub(crate) state: String,
    pub(crate) items: Vec<ReservedItem>,
    pub(crate) created_at: DateTime<Utc>,
}

/// How many pieces of which product.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReservedItem {
    pub(crate) product_id: i64,
    pub(crate) quantity: i64,
}

/// A type or a brand.
#[derive(Debug, Deserialize)]
pub(crate) struct Named {
    pub(crate) id: i64,
    pub(crate) name: String,
}

/// Which products: by the beginning of the name (empty for any), the type and the brand.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ItemFilter {
    pub(crate) name: String,
    pub(crate) type_id: Option<i64>,
    pub(crate) brand_id: Option<i64>,
}

/// What a merchant decides about a product.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Details {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) price: String,
    pub(crate) type_id: i64,
    pub(crate) brand_id: i64,
    pub(crate) available_stock: i64,
    pub(crate) restock_threshold: i64,
    pub(crate) max_stock_threshold: i64,
}

impl CatalogClient {
    /// A client of the configured catalog. Does not connect.
    pub(crate) fn new(settings: &Settings) -> anyhow::Result<Self> {
        let url = settings.service_url("catalog")?;
        Client::new("catalogue", &service_variable("catalog"), url).map(Self)
    }

    /// One page (from 0) of the products that match the filter.
    pub(crate) async fn list(&self, filter: &ItemFilter, page: u32, size: u8) -> Result<ItemPage> {
        let mut query = vec![("pageIndex", page.to_string()), ("pageSize", size.to_string())];
        if !filter.name.is_empty() {
            query.push(("name", filter.name.clone()));
        }
        query.extend(filter.type_id.map(|id| ("typeId", id.to_string())));
        query.extend(filter.brand_id.map(|id| ("brandId", id.to_string())));
        self.0.get(&["api", "v1", "catalog", "items"], &query).json().await
    }

    /// The names of those of these products that are sold: at most 100.
    pub(crate) async fn names(&self, ids: &[i64]) -> Result<Vec<(i64, String)>> {
        let ids = ids.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
        let query = [("ids", ids), ("pageSize", "100".to_owned())];
        let page: ItemPage = self.0.get(&["api", "v1", "catalog", "items"], &query).json().await?;
        Ok(page.data.into_iter().map(|item| (item.id, item.name)).collect())
    }

    pub(crate) async fn item(&self, id: i64) -> Result<Item> {
        self.call(Method::GET, id, &[]).json().await
    }

    pub(crate) async fn types(&self) -> Result<Vec<Named>> {
        self.0.get(&["api", "v1", "catalog", "catalogtypes"], &[]).json().await
    }

    pub(crate) async fn brands(&self) -> Result<Vec<Named>> {
        self.0.get(&["api", "v1", "catalog", "catalogbrands"], &[]).json().await
    }

    /// One page (from 0) of what orders have reserved, newest first.
    pub(crate) async fn reservations(&self, user: &User, page: u32, size: u8) -> Result<ReservationPage> {
        let query = [("pageIndex", page.to_string()), ("pageSize", size.to_string())];
        self.0.get(&["api", "v1", "catalog", "reservations"], &query).by(user).json().await
    }

    /// A product's picture. The reply is 304 without a body if the visitor has the picture with the tag `known`.
    pub(crate) async fn picture(&self, id: i64, known: Option<&str>) -> Result<Reply> {
        let request = self.call(Method::GET, id, &["pic"]);
        let request = if let Some(tag) = known { request.header("if-none-match", tag) } else { request };
        request.send().await
    }

    /// Changes a price, if the product still has this version. A repeated `key` changes nothing more.
    ///
    /// Returns whether the price is another one than before.
    pub(crate) async fn change_price(
        &self,
        user: &User,
        (id, version): (i64, i64),
        price: Decimal,
        key: &str,
    ) -> Result<bool> {
        let request = self.call(Method::PUT, id, &["price"]).by(user).if_version(version);
        let request = request.header("idempotency-key", key).body(&json!({"price": price.to_string()}));
        Ok(request.send().await?.header("event-id").is_some())
    }

    /// Adds a product. A repeated `key` adds nothing more.
    pub(crate) async fn add(&self, user: &User, details: &Details, key: &str) -> Result<Item> {
        let request = self.0.request(Method::POST, &["api", "v1", "catalog", "items"], &[]).by(user);
        request.header("idempotency-key", key).body(details).json().await
    }

    /// Replaces a product's details, if it still has this version.
    pub(crate) async fn replace(
        &self,
        user: &User,
        (id, version): (i64, i64),
        details: &Details,
    ) -> Result<Item> {
        self.call(Method::PUT, id, &[]).by(user).if_version(version).body(details).json().await
    }

    /// Withdraws a product, if it still has this version.
    pub(crate) async fn remove(&self, user: &User, (id, version): (i64, i64)) -> Result<()> {
        self.call(Method::DELETE, id, &[]).by(user).if_version(version).send().await.map(drop)
    }

    fn call(&self, method: Method, id: i64, rest: &[&str]) -> Request {
        let id = id.to_string();
        self.0.request(method, &[&["api", "v1", "catalog", "items", &id], rest].concat(), &[])
    }
}
