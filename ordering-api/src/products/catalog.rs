//! The catalog's HTTP API, as far as this service asks it: one product at a time.

use serde::Deserialize;
use service_kit::peer::{Peer, PeerError};
use service_kit::trace::RequestTrace;

use super::store::At;
use super::{Price, ProductId};

/// The source of the catalog's events.
pub const CATALOG: &str = "/catalog";

/// A client of the catalog. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Catalog(Peer);

/// Why the catalog could not be asked. Asking again later may help.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// It gave no answer that can be read.
    #[error(transparent)]
    Peer(#[from] PeerError),
    /// Another product than the one that was asked for, or one that cannot be sold here.
    #[error("its answer is not product {0} in euro")]
    Other(ProductId),
}

/// The fields that are read of the catalog's item.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// Which product.
    pub id: ProductId,
    /// What it is called.
    pub name: String,
    /// What one piece costs.
    pub price: Price,
    currency: String,
    /// Where its picture is.
    pub picture_url: String,
    version: i64,
}

impl Catalog {
    /// A client of the catalog at `url`, such as `http://127.0.0.1:5101`. Does not connect.
    pub fn new(url: &str) -> anyhow::Result<Self> {
        Peer::new("catalog", url).map(Self)
    }

    /// Asks for a product; `None` when the catalog has none of this id.
    pub async fn find(&self, id: ProductId, trace: &RequestTrace) -> Result<Option<Item>, CatalogError> {
        let item: Option<Item> = self.0.get(&format!("/api/v1/catalog/items/{id}"), trace).await?;
        let is_sold = |item: &Item| {
            let texts = [&item.name, &item.picture_url];
            item.id == id && item.currency == "EUR" && !texts.iter().any(|text| text.contains('\0'))
        };
        match item {
            Some(item) if !is_sold(&item) => Err(CatalogError::Other(id)),
            item => Ok(item),
        }
    }
}

impl Item {
    /// When the catalog had it so. An item does not say in which generation of the catalog's log.
    pub fn at(&self, generation: i64) -> At<'static> {
        At { source: CATALOG, is_change: false, generation, version: self.version }
    }
}
