//! An order is cancelled: it is not charged, or what was charged is refunded.

use event_bus::{HandleError, Handler, Received};
use serde::Deserialize;
use sqlx::{Postgres, Transaction};

use crate::payments::store::{self, Requested};
use crate::payments::{Amount, Currency, OrderId};

/// Cancels the payment, also one that is asked for later.
#[derive(Debug, Clone, Copy)]
pub struct CancelPayment;

/// The fields that are read.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentCancelled {
    order_id: OrderId,
    amount: Amount,
    currency: Currency,
}

impl Handler for CancelPayment {
    const EVENT_TYPE: &'static str = "shop.ordering.payment_cancelled.v1";
    type Payload = PaymentCancelled;

    async fn handle(
        &self,
        tx: &mut Transaction<'_, Postgres>,
        event: &Received<PaymentCancelled>,
    ) -> Result<(), HandleError> {
        let PaymentCancelled { order_id, amount, currency } = event.data.clone();
        event.check_key(&order_id)?;
        let trace = event.trace.clone();
        let cancelled = Requested { order_id, amount, currency, token: None, trace };
        let cancellation = store::cancel(tx, &cancelled).await?;
        tracing::debug!(order = %cancelled.order_id, ?cancellation, "a payment is cancelled");
        Ok(())
    }
}
