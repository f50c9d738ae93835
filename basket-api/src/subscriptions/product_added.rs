//! A product came into the catalog: it may be put into carts.

use event_bus::{BatchHandler, HandleError, Received, consumer::Order};
use serde::Deserialize;
use sqlx::{Postgres, Transaction};

use super::{by_source, check_key};
use crate::products::{
    Currency, PictureUrl, Price, ProductId, ProductName,
    store::{self, ProductFacts},
};

/// Enters products in the projection.
#[derive(Debug, Clone, Copy)]
pub struct AddProduct;

/// The fields that are read.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProductAdded {
    product_id: ProductId,
    name: ProductName,
    price: Price,
    currency: Currency,
    picture_url: PictureUrl,
}

impl BatchHandler for AddProduct {
    const EVENT_TYPE: &'static str = "shop.catalog.product_added.v1";
    const ORDER: Order = Order::LatestWins;
    type Payload = ProductAdded;

    async fn handle_batch(
        &self,
        tx: &mut Transaction<'_, Postgres>,
        events: &[Received<ProductAdded>],
    ) -> Result<(), HandleError> {
        for (source, of_source) in by_source(events) {
            let mut products = Vec::with_capacity(of_source.len());
            for event in of_source {
                check_key(event, event.data.product_id)?;
                products.push(ProductFacts {
                    id: event.data.product_id,
                    name: event.data.name.clone(),
                    picture_url: event.data.picture_url.clone(),
                    price: event.data.price,
                    currency: event.data.currency,
                    generation: event.generation,
                    version: event.version,
                });
            }
            store::add(tx, source, &products).await?;
        }
        Ok(())
    }
}
