//! The events of orders that the catalog listens to.

use event_bus::consumer::SubscribeError;
use event_bus::{HandleError, Handler, Received, Subscriber};
use serde::Deserialize;
use sqlx::{Postgres, Transaction};

use super::model::{Item, OrderId};
use super::store;

/// Adds the handlers of this service.
pub fn handlers(subscriber: Subscriber) -> Result<Subscriber, SubscribeError> {
    subscriber.handle(ReserveStock)?.handle(ReleaseStock)?.handle(SellStock)
}

/// Reserves all that an order wants, or nothing, and answers.
#[derive(Debug, Clone, Copy)]
pub struct ReserveStock;

/// Makes available again what was reserved for an order.
#[derive(Debug, Clone, Copy)]
pub struct ReleaseStock;

/// Takes what was reserved for an order out of the stock.
#[derive(Debug, Clone, Copy)]
pub struct SellStock;

/// What an order wants.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StockRequested {
    order_id: OrderId,
    items: Vec<Item>,
}

/// The order: what is reserved for it is known here.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AboutOrder {
    order_id: OrderId,
}

impl Handler for ReserveStock {
    const EVENT_TYPE: &'static str = "shop.ordering.stock_requested.v1";
    type Payload = StockRequested;

    async fn handle(
        &self,
        tx: &mut Transaction<'_, Postgres>,
        event: &Received<StockRequested>,
    ) -> Result<(), HandleError> {
        let StockRequested { order_id, items } = &event.data;
        event.check_key(order_id)?;
        if items.is_empty() {
            return Err(HandleError::reject("an order without items"));
        }
        Ok(store::reserve(tx, *order_id, items, &event.trace).await?)
    }
}

impl Handler for ReleaseStock {
    const EVENT_TYPE: &'static str = "shop.ordering.stock_released.v1";
    type Payload = AboutOrder;

    async fn handle(
        &self,
        tx: &mut Transaction<'_, Postgres>,
        event: &Received<AboutOrder>,
    ) -> Result<(), HandleError> {
        event.check_key(event.data.order_id)?;
        Ok(store::release(tx, event.data.order_id).await?)
    }
}

impl Handler for SellStock {
    const EVENT_TYPE: &'static str = "shop.ordering.stock_sold.v1";
    type Payload = AboutOrder;

    async fn handle(
        &self,
        tx: &mut Transaction<'_, Postgres>,
        event: &Received<AboutOrder>,
    ) -> Result<(), HandleError> {
        let order = event.data.order_id;
        event.check_key(order)?;
        if store::sell(tx, order).await? {
            return Ok(());
        }
        Err(HandleError::reject(format!("nothing is reserved for order {order}")))
    }
}
