//! The integration events of payments. Their JSON is a contract: `contracts/<type>.json`.

use event_bus::outbox::{self, AppendError};
use event_bus::{TraceContext, event};
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

/// An order is paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct PaymentSucceeded(pub Payment);

/// An order is not paid, and never will be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct PaymentFailed(pub Payment);

/// What was paid for an order is given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct PaymentRefunded(pub Payment);

event!(PaymentSucceeded, "shop.payment.payment_succeeded.v1", |it| (it.0.order_id, it.0.version));
event!(PaymentFailed, "shop.payment.payment_failed.v1", |it| (it.0.order_id, it.0.version));
event!(PaymentRefunded, "shop.payment.payment_refunded.v1", |it| (it.0.order_id, it.0.version));
