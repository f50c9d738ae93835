//! catalog-api, as far as pages need it.

use anyhow::Result;
use reqwest::Method;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{Backend, Reply, Trouble};
use crate::session::User;
use crate::settings::{Settings, service_variable};

/// A client of catalog-api. Cheap to clone.
#[derive(Debug, Clone)]
pub struct CatalogApi(Backend);

/// A product.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// Which one.
    pub id: i64,
    /// What it is called.
    pub name: String,
    /// What there is to say about it.
    pub description: String,
    /// What one piece costs.
    pub price: Decimal,
    /// The currency of the price.
    pub currency: String,
    /// Its type.
    pub type_id: i64,
    /// Its brand.
    pub brand_id: i64,
    /// Pieces that can be sold.
    pub available_stock: i64,
    /// Pieces at which more are ordered.
    pub restock_threshold: i64,
    /// Pieces that the warehouse can hold.
    pub max_stock_threshold: i64,
    /// Rises with every change.
    pub version: i64,
}

/// A page of products.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ItemPage {
    /// Products that the filters let through, on all pages.
    pub count: u64,
    /// The products of this page.
    pub data: Vec<Item>,
}

/// A type or a brand.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Named {
    /// Which one.
    pub id: i64,
    /// What it is called.
    pub name: String,
}

/// Which products.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ItemFilter {
    /// What the name begins with; empty for any.
    pub name: String,
    /// Only of this type.
    pub type_id: Option<i64>,
    /// Only of this brand.
    pub brand_id: Option<i64>,
}

/// Everything of a product that a merchant decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Details {
    /// What it is called.
    pub name: String,
    /// What there is to say about it.
    pub description: String,
    /// What one piece costs.
    pub price: String,
    /// Its type.
    pub type_id: i64,
    /// Its brand.
    pub brand_id: i64,
    /// Pieces that can be sold.
    pub available_stock: i64,
    /// Pieces at which more are ordered.
    pub restock_threshold: i64,
    /// Pieces that the warehouse can hold.
    pub max_stock_threshold: i64,
}

/// A product's picture, or word that the visitor has it already.
#[derive(Debug, Clone)]
pub struct Picture(pub Reply);

const BASE: [&str; 3] = ["api", "v1", "catalog"];

impl CatalogApi {
    /// A client of the catalog at the configured address. Does not connect.
    pub fn new(settings: &Settings) -> Result<Self> {
        Backend::new("catalogue", &service_variable("catalog"), settings.service_url("catalog")?).map(Self)
    }

    /// One page (from 0) of the products that the filter lets through.
    pub async fn list(&self, filter: &ItemFilter, page: u32, size: u8) -> Result<ItemPage, Trouble> {
        let mut query = vec![("pageIndex", page.to_string()), ("pageSize", size.to_string())];
        if !filter.name.is_empty() {
            query.push(("name", filter.name.clone()));
        }
        query.extend(filter.type_id.map(|id| ("typeId", id.to_string())));
        query.extend(filter.brand_id.map(|id| ("brandId", id.to_string())));
        self.call(Method::GET, &["items"], &query).json_reply().await
    }

    /// One product.
    pub async fn item(&self, id: i64) -> Result<Item, Trouble> {
        self.call(Method::GET, &["items", &id.to_string()], &[]).json_reply().await
    }

    /// All types of products.
    pub async fn types(&self) -> Result<Vec<Named>, Trouble> {
        self.call(Method::GET, &["catalogtypes"], &[]).json_reply().await
    }

    /// All brands.
    pub async fn brands(&self) -> Result<Vec<Named>, Trouble> {
        self.call(Method::GET, &["catalogbrands"], &[]).json_reply().await
    }

    /// A product's picture; `known` is the tag of the one that the visitor has.
    pub async fn picture(&self, id: i64, known: Option<&str>) -> Result<Picture, Trouble> {
        let request = self.call(Method::GET, &["items", &id.to_string(), "pic"], &[]);
        let request = match known {
            Some(tag) => request.header("if-none-match", tag),
            None => request,
        };
        request.send().await.map(Picture)
    }

    /// Changes a price, if the product is still at this version. The same `key` again changes nothing more.
    ///
    /// Says whether there was anything to change, and so to announce.
    pub async fn change_price(
        &self,
        user: &User,
        (id, version): (i64, i64),
        price: Decimal,
        key: &str,
    ) -> Result<bool, Trouble> {
        let request = self.call(Method::PUT, &["items", &id.to_string(), "price"], &[]).by(user);
        let reply = request
            .header("if-match", &format!("\"{version}\""))
            .header("idempotency-key", key)
            .json(&serde_json::json!({"price": price.to_string()}))
            .send()
            .await?;
        Ok(reply.header("event-id").is_some())
    }

    /// Adds a product. The same `key` again adds nothing more.
    pub async fn add(&self, user: &User, details: &Details, key: &str) -> Result<Item, Trouble> {
        let request = self.call(Method::POST, &["items"], &[]).by(user);
        request.header("idempotency-key", key).json(details).json_reply().await
    }

    /// Replaces a product's details, if it is still at this version.
    pub async fn replace(
        &self,
        user: &User,
        (id, version): (i64, i64),
        details: &Details,
    ) -> Result<Item, Trouble> {
        self.call(Method::PUT, &["items", &id.to_string()], &[])
            .by(user)
            .header("if-match", &format!("\"{version}\""))
            .json(details)
            .json_reply()
            .await
    }

    /// Withdraws a product, if it is still at this version.
    pub async fn remove(&self, user: &User, (id, version): (i64, i64)) -> Result<(), Trouble> {
        let request = self.call(Method::DELETE, &["items", &id.to_string()], &[]).by(user);
        request.header("if-match", &format!("\"{version}\"")).send().await.map(drop)
    }

    fn call(&self, method: Method, path: &[&str], query: &[(&str, String)]) -> super::Request {
        self.0.request(method, &[&BASE, path].concat(), query)
    }
}
