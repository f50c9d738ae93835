//! The catalog's HTTP API, as far as this service asks it: one product at a time.

use serde::Deserialize;
use service_kit::peer::{Peer, PeerError};
use service_kit::trace::RequestTrace;

use super::{Currency, PictureUrl, Price, ProductId, ProductName, store::ProductFacts};

/// A client of the catalog. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Catalog(Peer);

/// Why the catalog could not be asked. Asking again later may help.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// It gave no answer that can be read.
    #[error(transparent)]
    Peer(#[from] PeerError),
    /// Another product than the one that was asked for.
    #[error("the catalog answered with product {0}")]
    OtherProduct(ProductId),
}

/// The fields that are read of the catalog's item.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    id: ProductId,
    name: ProductName,
    price: Price,
    currency: Currency,
    picture_url: PictureUrl,
    version: i64,
}

impl Catalog {
    /// A client of the catalog at `url`, such as `http://127.0.0.1:5101`. Does not connect.
    pub fn new(url: &str) -> anyhow::Result<Self> {
        Peer::new("catalog", url).map(Self)
    }

    /// Asks for a product; `None` when the catalog has none of this id.
    pub async fn find(
        &self,
        id: ProductId,
        trace: &RequestTrace,
    ) -> Result<Option<ProductFacts>, CatalogError> {
        let item: Option<Item> = self.0.get(&format!("/api/v1/catalog/items/{id}"), trace).await?;
        let Some(item) = item else { return Ok(None) };
        if item.id != id {
            return Err(CatalogError::OtherProduct(item.id));
        }
        Ok(Some(ProductFacts {
            id,
            name: item.name,
            picture_url: item.picture_url,
            price: item.price,
            currency: item.currency,
            // An item does not say: `store_answer` asks what is known.
            generation: 1,
            version: item.version,
        }))
    }
}
