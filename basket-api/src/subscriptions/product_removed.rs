//! A product left the catalog: carts show it as no longer available, and their buyers are told.

use std::collections::HashSet;

use event_bus::{BatchHandler, HandleError, Received};
use serde::Deserialize;
use sqlx::{Postgres, Transaction};

use super::{by_source, check};
use crate::{
    alerts::raise,
    products::{
        ProductId,
        store::{self, Removal},
    },
};

/// Takes products off sale, and raises one alert for each event and cart.
#[derive(Debug, Clone, Copy)]
pub struct RemoveProduct;

/// The field that is read.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProductRemoved {
    product_id: ProductId,
}

impl BatchHandler for RemoveProduct {
    const EVENT_TYPE: &'static str = "shop.catalog.product_removed.v1";
    type Payload = ProductRemoved;

    async fn handle_batch(
        &self,
        tx: &mut Transaction<'_, Postgres>,
        events: &[Received<ProductRemoved>],
    ) -> Result<(), HandleError> {
        for (source, of_source) in by_source(events) {
            let mut removals = Vec::with_capacity(of_source.len());
            for event in of_source {
                check(event, event.data.product_id)?;
                removals.push(Removal { product_id: event.data.product_id, generation: event.generation });
            }
            let mut removed: HashSet<ProductId> =
                store::remove(tx, source, &removals).await?.into_iter().collect();
            // A product goes once: a second removal of it in the same run is no news.
            let removals: Vec<_> = of_source
                .iter()
                .filter(|event| removed.remove(&event.data.product_id))
                .map(|event| (event.id, event.data.product_id))
                .collect();
            let alerts = raise::products_removed(tx, &removals).await?;
            raise::count("product_removed", alerts);
        }
        Ok(())
    }
}
