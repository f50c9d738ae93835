//! The integration events of orders. Their JSON is a contract: `contracts/<type>.json`.

use event_bus::event;
use serde::{Deserialize, Serialize};

use super::BuyerId;
use super::model::{OrderId, Quantity, Token};
use super::rules::{Reason, Step};
use crate::products::{Amount, ProductId};

/// How many pieces of which product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::FromRow)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// The product.
    pub product_id: ProductId,
    /// The pieces.
    pub quantity: Quantity,
}

/// The order that an event is about, and the version that the change gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// The order.
    pub order_id: OrderId,
    /// Its version.
    pub version: i64,
}

/// Defines an event about an order: its key is the order, its version the order's.
macro_rules! order_event {
    ($(#[$doc:meta])* $event:ident, $type:literal { $($(#[$attribute:meta])* $field:ident: $kind:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Serialize)]
        #[serde(rename_all = "camelCase")]
        pub struct $event {
            /// The order.
            pub order_id: OrderId,
            $($(#[$attribute])* pub $field: $kind,)*
            /// The order's version since.
            #[serde(skip)]
            pub version: i64,
        }

        event!($event, $type, |it| (it.order_id, it.version));
    };
}

order_event! {
    /// An order was placed.
    OrderStarted, "shop.ordering.order_started.v1" {
        /// Who placed it.
        buyer_id: BuyerId,
        /// What was ordered.
        items: Vec<Item>,
    }
}

order_event! {
    /// The catalog is asked to reserve all of this, or nothing.
    StockRequested, "shop.ordering.stock_requested.v1" {
        /// What was ordered.
        items: Vec<Item>,
    }
}

order_event! {
    /// What is or will be reserved for the order is free again.
    StockReleased, "shop.ordering.stock_released.v1" {
        /// What was ordered.
        items: Vec<Item>,
    }
}

order_event! {
    /// What is reserved for the order is sold.
    StockSold, "shop.ordering.stock_sold.v1" {
        /// What was ordered.
        items: Vec<Item>,
    }
}

order_event! {
    /// The order is to be charged.
    PaymentRequested, "shop.ordering.payment_requested.v1" {
        /// Who pays.
        buyer_id: BuyerId,
        /// How much.
        amount: Amount,
        /// The amount's currency.
        currency: String,
        /// What to charge.
        token: Token,
    }
}

order_event! {
    /// The order is not to be charged; a charge is given back.
    PaymentCancelled, "shop.ordering.payment_cancelled.v1" {
        /// Who would have paid.
        buyer_id: BuyerId,
        /// How much.
        amount: Amount,
        /// The amount's currency.
        currency: String,
        /// What was to be charged.
        token: Token,
    }
}

order_event! {
    /// The order is paid.
    OrderPaid, "shop.ordering.order_paid.v1" {
        /// Whose order it is.
        buyer_id: BuyerId,
    }
}

order_event! {
    /// The order is on its way.
    OrderShipped, "shop.ordering.order_shipped.v1" {
        /// Whose order it is.
        buyer_id: BuyerId,
    }
}

order_event! {
    /// The order came to nothing.
    OrderCancelled, "shop.ordering.order_cancelled.v1" {
        /// Whose order it was.
        buyer_id: BuyerId,
        /// Why.
        reason: Reason,
    }
}

order_event! {
    /// The buyer has had their time to think again. Scheduled.
    GracePeriodEnded, "shop.ordering.grace_period_ended.v1" {
        /// Always `grace`: beside the steps of `reply_overdue` it says which timer this was.
        step: &'static str,
    }
}

order_event! {
    /// A reply of another service has not come in time. Scheduled, and cancelled when it comes.
    ReplyOverdue, "shop.ordering.reply_overdue.v1" {
        /// The reply.
        step: Step,
    }
}

impl GracePeriodEnded {
    /// The event of this order.
    pub fn of(about: About) -> Self {
        Self { order_id: about.order_id, step: "grace", version: about.version }
    }
}
