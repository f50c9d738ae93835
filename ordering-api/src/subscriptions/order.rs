//! What moves an order on. Each handler says which fields it reads and what has happened;
//! [`rules`](crate::orders::rules) decide the rest.

use event_bus::{HandleError, Handler, Received};
use serde::Deserialize;
use sqlx::{Postgres, Transaction};

use crate::orders::OrderId;
use crate::orders::process::{self, Applied, Happened};
use crate::orders::rules::{Happening, Step};
use crate::products::ProductId;

/// The field that every event of an order has.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AboutOrder {
    order_id: OrderId,
}

/// A reply that has not come.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplyOverdue {
    order_id: OrderId,
    step: Step,
}

/// What there was too little of.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StockRejected {
    order_id: OrderId,
    items: Vec<Shortage>,
}

/// A product, and what there is of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shortage {
    product_id: ProductId,
    requested: i64,
    available: i64,
}

/// Why an order was not charged.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentFailed {
    order_id: OrderId,
    #[serde(default)]
    reason: Option<String>,
}

/// Defines a handler that tells an order what has happened to it.
macro_rules! order_handler {
    ($(#[$doc:meta])* $handler:ident, $type:literal, $payload:ty, $happening:expr, $detail:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $handler;

        impl Handler for $handler {
            const EVENT_TYPE: &'static str = $type;
            type Payload = $payload;

            async fn handle(
                &self,
                tx: &mut Transaction<'_, Postgres>,
                event: &Received<$payload>,
            ) -> Result<(), HandleError> {
                let happening: fn(&$payload) -> Happening = $happening;
                let detail: fn(&$payload) -> Option<String> = $detail;
                let (happening, detail) = (happening(&event.data), detail(&event.data));
                apply(tx, event, event.data.order_id, happening, detail.as_deref()).await
            }
        }
    };
}

order_handler! {
    /// Asks for the stock, when the buyer has had their time to think again.
    EndGracePeriod, "shop.ordering.grace_period_ended.v1", AboutOrder, |_| Happening::GracePeriodEnded, |_| None
}

order_handler! {
    /// Cancels an order that has heard nothing for too long.
    CancelOverdueOrder, "shop.ordering.reply_overdue.v1", ReplyOverdue,
    |overdue| Happening::ReplyOverdue(overdue.step),
    |overdue| Some(match overdue.step {
        Step::Stock => "the stock did not answer in time".to_owned(),
        Step::Payment => "the payment did not come in time".to_owned(),
    })
}

order_handler! {
    /// Asks for the payment, now that the stock is reserved.
    ConfirmStock, "shop.catalog.stock_reserved.v1", AboutOrder, |_| Happening::StockReserved, |_| None
}

order_handler! {
    /// Cancels an order that there is not enough stock for.
    CancelWithoutStock, "shop.catalog.stock_rejected.v1", StockRejected,
    |_| Happening::StockRejected,
    |rejected| Some(describe(&rejected.items))
}

order_handler! {
    /// Completes an order that was charged.
    CompleteOrder, "shop.payment.payment_succeeded.v1", AboutOrder, |_| Happening::PaymentSucceeded, |_| None
}

order_handler! {
    /// Cancels an order that cannot be charged.
    CancelUnpaidOrder, "shop.payment.payment_failed.v1", PaymentFailed,
    |_| Happening::PaymentFailed,
    |failed| failed.reason.clone()
}

order_handler! {
    /// Cancels an order whose charge was given back before it was complete.
    CancelRefundedOrder, "shop.payment.payment_refunded.v1", PaymentFailed,
    |_| Happening::PaymentRefunded,
    |failed| failed.reason.clone()
}

async fn apply<P>(
    tx: &mut Transaction<'_, Postgres>,
    event: &Received<P>,
    id: OrderId,
    happening: Happening,
    detail: Option<&str>,
) -> Result<(), HandleError> {
    event.check_key(id)?;
    // What another service says is shown to buyers: only so much of it is kept.
    let detail: Option<String> = detail.map(|text| text.chars().take(500).collect());
    let happened =
        Happened { happening, detail: detail.as_deref(), event_id: Some(event.id), trace: &event.trace };
    match process::apply(tx, id, &happened).await {
        Ok(Applied::NoSuchOrder) => Err(HandleError::reject(format!("there is no order {id}"))),
        Ok(_) if matches!(happening, Happening::GracePeriodEnded | Happening::ReplyOverdue(_)) => {
            event_bus::crash_point!("ordering.after_timer");
            Ok(())
        }
        Ok(_) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn describe(items: &[Shortage]) -> String {
    let one = |item: &Shortage| {
        format!("product {}: {} ordered, {} available", item.product_id, item.requested, item.available)
    };
    items.iter().map(one).collect::<Vec<_>>().join("; ")
}
