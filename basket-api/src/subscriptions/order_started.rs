//! An order was placed: what was ordered leaves the cart.

use chrono::{DateTime, Utc};
use event_bus::{HandleError, Handler, Received};
use serde::Deserialize;
use sqlx::{Postgres, Transaction};

use crate::baskets::{BuyerId, BuyerIdError, Quantity, store};
use crate::products::ProductId;

/// Takes what was ordered out of the buyer's cart, at most what is there. What was put in after the order stays.
#[derive(Debug, Clone, Copy)]
pub struct TakeOutOrdered;

/// The fields that are read.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderStarted {
    buyer_id: String,
    items: Vec<Item>,
}

/// How many pieces of which product.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    product_id: ProductId,
    quantity: Quantity,
}

impl Handler for TakeOutOrdered {
    const EVENT_TYPE: &'static str = "shop.ordering.order_started.v1";
    type Payload = OrderStarted;

    async fn handle(
        &self,
        tx: &mut Transaction<'_, Postgres>,
        event: &Received<OrderStarted>,
    ) -> Result<(), HandleError> {
        let buyer: BuyerId =
            event.data.buyer_id.parse().map_err(|error: BuyerIdError| HandleError::reject(error))?;
        let ordered: Vec<(ProductId, Quantity)> =
            event.data.items.iter().map(|item| (item.product_id, item.quantity)).collect();
        let placed_at: DateTime<Utc> = event.occurred_at;
        Ok(store::take_out(tx, &buyer, &ordered, placed_at).await?)
    }
}
