//! What becomes of orders. Their buyers get a mail, if they are users whose address is known.

use event_bus::{HandleError, Handler, Received};
use serde::Deserialize;
use sqlx::{Postgres, Transaction};

use super::check_id;
use crate::mails::{Content, store};

/// The fields that are read.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderNews {
    order_id: String,
    buyer_id: String,
    reason: Option<String>,
}

async fn write(
    tx: &mut Transaction<'_, Postgres>,
    event: &Received<OrderNews>,
    content: impl FnOnce(OrderNews) -> Content,
) -> Result<(), HandleError> {
    let order = event.data.clone();
    check_id(&order.order_id)?;
    event.check_key(&order.order_id)?;
    check_id(&order.buyer_id)?;
    let buyer_id = order.buyer_id.clone();
    store::write_to(tx, event.id, &buyer_id, &content(order)).await?;
    Ok(())
}

/// A handler that writes a mail about an order.
macro_rules! order_mail {
    ($(#[$doc:meta])* $handler:ident, $type:literal, $content:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $handler;

        impl Handler for $handler {
            const EVENT_TYPE: &'static str = $type;
            type Payload = OrderNews;

            async fn handle(
                &self,
                tx: &mut Transaction<'_, Postgres>,
                event: &Received<OrderNews>,
            ) -> Result<(), HandleError> {
                write(tx, event, $content).await
            }
        }
    };
}

order_mail!(
    /// Says that an order is paid.
    ConfirmOrder,
    "shop.ordering.order_paid.v1",
    |order| Content::OrderPaid { order_id: order.order_id }
);
order_mail!(
    /// Says that an order came to nothing, and why.
    SayCancelled,
    "shop.ordering.order_cancelled.v1",
    |order| Content::OrderCancelled {
        order_id: order.order_id,
        reason: order.reason.map(|reason| reason.chars().filter(|c| !c.is_control()).take(200).collect()),
    }
);
order_mail!(
    /// Says that an order is on its way.
    SayShipped,
    "shop.ordering.order_shipped.v1",
    |order| Content::OrderShipped { order_id: order.order_id }
);
