//! A product got another name or picture.

use event_bus::{BatchHandler, HandleError, Received, consumer::Order};
use serde::Deserialize;
use sqlx::{Postgres, Transaction};

use super::{by_source, check};
use crate::{
    baskets,
    products::{
        PictureUrl, ProductId, ProductName,
        store::{self, DetailsChange},
    },
};

/// Updates products in the projection, and so the baskets that show them.
#[derive(Debug, Clone, Copy)]
pub struct UpdateProduct;

/// The fields that are read.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProductChanged {
    product_id: ProductId,
    name: ProductName,
    picture_url: PictureUrl,
}

impl BatchHandler for UpdateProduct {
    const EVENT_TYPE: &'static str = "shop.catalog.product_changed.v1";
    const ORDER: Order = Order::LatestWins;
    type Payload = ProductChanged;

    async fn handle_batch(
        &self,
        tx: &mut Transaction<'_, Postgres>,
        events: &[Received<ProductChanged>],
    ) -> Result<(), HandleError> {
        for (source, of_source) in by_source(events) {
            let mut changes = Vec::with_capacity(of_source.len());
            for event in of_source {
                check(event, event.data.product_id)?;
                changes.push(DetailsChange {
                    product_id: event.data.product_id,
                    name: event.data.name.clone(),
                    picture_url: event.data.picture_url.clone(),
                    generation: event.generation,
                    version: event.version,
                });
            }
            let touched = store::change_details(tx, source, &changes).await?;
            baskets::store::raise_versions(tx, &touched).await?;
        }
        Ok(())
    }
}
