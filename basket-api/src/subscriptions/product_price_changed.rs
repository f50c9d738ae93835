//! A product got another price: the carts that hold it show it, and their buyers are told.

use event_bus::{BatchHandler, HandleError, Received, TraceContext};
use serde::Deserialize;
use sqlx::{Postgres, Transaction};

use super::{by_source, check};
use crate::{
    alerts::raise,
    products::{
        Currency, Price, ProductId, ProductName,
        store::{self, PriceChange},
    },
};

/// Puts new prices into the projection and into the carts, and raises one alert for each event and cart: every change
/// counts, in order.
#[derive(Debug, Clone, Copy)]
pub struct RepriceBaskets;

/// The fields that are read.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProductPriceChanged {
    product_id: ProductId,
    name: ProductName,
    old_price: Price,
    new_price: Price,
    currency: Currency,
}

impl BatchHandler for RepriceBaskets {
    const EVENT_TYPE: &'static str = "shop.catalog.product_price_changed.v1";
    type Payload = ProductPriceChanged;

    async fn handle_batch(
        &self,
        tx: &mut Transaction<'_, Postgres>,
        events: &[Received<ProductPriceChanged>],
    ) -> Result<(), HandleError> {
        for (source, of_source) in by_source(events) {
            let mut changes = Vec::with_capacity(of_source.len());
            for event in of_source {
                check(event, event.data.product_id)?;
                changes.push(PriceChange {
                    event_id: event.id,
                    product_id: event.data.product_id,
                    product_name: event.data.name.clone(),
                    old_price: event.data.old_price,
                    new_price: event.data.new_price,
                    currency: event.data.currency,
                    generation: event.generation,
                    version: event.version,
                    traceparent: event.trace.sampled().and_then(TraceContext::traceparent).map(str::to_owned),
                });
            }
            store::change_prices(tx, source, &changes).await?;
            // The cart lines, and an alert for each cart.
            let alerts = raise::reprice_carts(tx, source, &changes).await?;
            raise::count("price_changed", alerts);
        }
        Ok(())
    }
}
