//! The integration events of payments. Their JSON is a contract: `contracts/<type>.json`.

use event_bus::outbox::{self, AppendError};
use event_bus::{Event, TraceContext};
use serde::Serialize;
use sqlx::{Postgres, Transaction};
use uuid::Uuid;

use super::rules::Announcement;
use super::{Amount, Currency, OrderId};

/// What each event says of a payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Payment {
    /// The order that is paid.
    pub order_id: OrderId,
    /// The payment.
    pub payment_id: Uuid,
    /// What was to be paid.
    pub amount: Amount,
    /// In which currency.
    pub currency: Currency,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The number of this event among those of the payment.
    #[serde(skip)]
    pub version: i64,
}

/// Appends the event of an announcement to the outbox.
pub(super) async fn append(
    tx: &mut Transaction<'_, Postgres>,
    announcement: Announcement,
    payment: Payment,
    trace: &TraceContext,
) -> Result<(), AppendError> {
    match announcement {
        Announcement::Succeeded => outbox::append_traced(tx, &PaymentSucceeded(payment), trace).await?,
        Announcement::Failed => outbox::append_traced(tx, &PaymentFailed(payment), trace).await?,
        Announcement::Refunded => outbox::append_traced(tx, &PaymentRefunded(payment), trace).await?,
    };
    Ok(())
}

/// An event about the payment of one order: its key is the order.
macro_rules! payment_event {
    ($(#[$doc:meta])* $event:ident, $type:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize)]
        #[serde(transparent)]
        pub struct $event(pub Payment);

        impl Event for $event {
            const TYPE: &'static str = $type;

            fn key(&self) -> String {
                self.0.order_id.to_string()
            }

            fn version(&self) -> i64 {
                self.0.version
            }
        }
    };
}

payment_event!(
    /// An order is paid.
    PaymentSucceeded,
    "shop.payment.payment_succeeded.v1"
);
payment_event!(
    /// An order is not paid, and never will be.
    PaymentFailed,
    "shop.payment.payment_failed.v1"
);
payment_event!(
    /// What was paid for an order is given back.
    PaymentRefunded,
    "shop.payment.payment_refunded.v1"
);
