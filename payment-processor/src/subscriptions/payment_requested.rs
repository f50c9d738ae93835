//! An order is to be paid: the worker gets a row of work.

use event_bus::{HandleError, Handler, Received};
use serde::Deserialize;
use sqlx::{Postgres, Transaction};

use crate::payments::store::{self, Requested};
use crate::payments::{Amount, Currency, OrderId, Token};

/// Writes the row of work. No call is made here: it could not be rolled back.
#[derive(Debug, Clone, Copy)]
pub struct RequestPayment;

/// The fields that are read.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentRequested {
    order_id: OrderId,
    amount: Amount,
    currency: Currency,
    token: String,
}

impl Handler for RequestPayment {
    const EVENT_TYPE: &'static str = "shop.ordering.payment_requested.v1";
    type Payload = PaymentRequested;

    async fn handle(
        &self,
        tx: &mut Transaction<'_, Postgres>,
        event: &Received<PaymentRequested>,
    ) -> Result<(), HandleError> {
        let PaymentRequested { order_id, amount, currency, token } = event.data.clone();
        event.check_key(&order_id)?;
        // A text that is no token is not kept, whatever it is: the payment fails, and the buyer is told.
        let (token, trace) = (Token::parse(&token), event.trace.clone());
        store::request(tx, &Requested { order_id, amount, currency, token, trace }).await?;
        Ok(())
    }
}
