//! A product came into the catalog: it may be put into carts.

use event_bus::{BatchHandler, HandleError, Received, TraceContext, consumer::Order};
use serde::Deserialize;
use sqlx::{Postgres, Transaction};

use super::{by_source, check};
use crate::{
    alerts::raise,
    baskets,
    products::{
        Currency, PictureUrl, Price, ProductId, ProductName,
        store::{self, PriceChange, ProductFacts, Replaced},
    },
};

/// Enters products in the projection. A restored catalog uses ids again: carts that hold the product that had the id before
/// get the new one's price, and an alert.
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
                check(event, event.data.product_id)?;
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
            let replaced = store::add(tx, source, &products).await?;
            reprice_carts(tx, source, of_source, &replaced).await?;
        }
        Ok(())
    }
}

/// Tells the carts that hold products which were replaced.
async fn reprice_carts(
    tx: &mut Transaction<'_, Postgres>,
    source: &str,
    events: &[Received<ProductAdded>],
    replaced: &[Replaced],
) -> Result<(), HandleError> {
    let change = |product: &Replaced| {
        let events = events.iter().filter(|event| event.data.product_id == product.product_id);
        let event = events.max_by_key(|event| (event.generation, event.version))?;
        Some(PriceChange {
            event_id: event.id,
            product_id: product.product_id,
            product_name: event.data.name.clone(),
            old_price: product.old_price?,
            new_price: event.data.price,
            currency: event.data.currency,
            generation: event.generation,
            version: event.version,
            traceparent: event.trace.sampled().and_then(TraceContext::traceparent).map(str::to_owned),
        })
    };
    let changes: Vec<PriceChange> = replaced.iter().filter_map(change).collect();
    let touched: Vec<ProductId> = replaced.iter().map(|product| product.product_id).collect();
    let alerts = raise::reprice_carts(tx, source, &changes).await?;
    raise::count("price_changed", alerts);
    Ok(baskets::store::raise_versions(tx, &touched).await?)
}
