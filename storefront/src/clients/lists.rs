//! The routes of basket-api about lists.

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::{BasketClient, Result};
use crate::session::User;

/// The most lists of a buyer, and of a page.
const LISTS: usize = 50;

/// A list of products.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProductList {
    #[serde(rename = "listId")]
    pub(crate) id: String,
    pub(crate) name: String,
    #[serde(rename = "public")]
    pub(crate) is_public: bool,
    #[serde(rename = "productIds")]
    pub(crate) products: Vec<i64>,
    pub(crate) version: i64,
}

/// A page of lists.
#[derive(Debug, Deserialize)]
pub(crate) struct Lists {
    /// Lists on all pages.
    pub(crate) count: u64,
    pub(crate) data: Vec<ProductList>,
}

impl BasketClient {
    /// All lists of the buyer.
    pub(crate) async fn lists(&self, user: &User) -> Result<Vec<ProductList>> {
        let query = [("pageSize", LISTS.to_string())];
        Ok(self.call(Method::GET, user, &["lists"], &query).json::<Lists>().await?.data)
    }

    /// A list of the buyer.
    pub(crate) async fn list(&self, user: &User, id: &str) -> Result<ProductList> {
        self.call(Method::GET, user, &["lists", id], &[]).json().await
    }

    /// Makes a list.
    pub(crate) async fn make_list(&self, user: &User, name: &str, is_public: bool) -> Result<ProductList> {
        let body = json!({"name": name, "public": is_public});
        self.call(Method::POST, user, &["lists"], &[]).body(&body).json().await
    }

    /// Replaces a list. The error is 412 if it has changed since `list.version`.
    pub(crate) async fn change_list(&self, user: &User, list: &ProductList) -> Result<()> {
        let body = json!({"name": list.name, "public": list.is_public, "productIds": list.products});
        let request = self.call(Method::PUT, user, &["lists", &list.id], &[]);
        request.if_version(list.version).body(&body).send().await.map(drop)
    }

    /// Deletes a list.
    pub(crate) async fn delete_list(&self, user: &User, id: &str) -> Result<()> {
        self.call(Method::DELETE, user, &["lists", id], &[]).send().await.map(drop)
    }

    /// A page of the lists that everybody may see.
    pub(crate) async fn public_lists(&self, page: u32, size: u8) -> Result<Lists> {
        let query = [("pageIndex", page.to_string()), ("pageSize", size.to_string())];
        self.get(&["api", "v1", "lists"], &query).json().await
    }
}
