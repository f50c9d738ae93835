//! It is time for a buyer's digest: this service's own scheduled event.

use event_bus::{HandleError, Handler, Received};
use serde::Deserialize;
use sqlx::{Postgres, Transaction};

use crate::baskets::{BuyerId, BuyerIdError};
use crate::digests;

/// Makes the digest of a buyer's alerts.
#[derive(Debug, Clone, Copy)]
pub struct MakeDigest;

/// The field that is read.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DigestDue {
    buyer_id: String,
}

impl Handler for MakeDigest {
    const EVENT_TYPE: &'static str = "shop.basket.price_digest_due.v1";
    type Payload = DigestDue;

    async fn handle(
        &self,
        tx: &mut Transaction<'_, Postgres>,
        event: &Received<DigestDue>,
    ) -> Result<(), HandleError> {
        let id = &event.data.buyer_id;
        event.check_key(id)?;
        let buyer: BuyerId = id.parse().map_err(|error: BuyerIdError| HandleError::reject(error))?;
        Ok(digests::make(tx, &buyer, event.id, &event.trace).await?)
    }
}
