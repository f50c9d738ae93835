//! What has happened to products in a buyer's cart.

use event_bus::{HandleError, Handler, Received};
use serde::Deserialize;
use sqlx::{Postgres, Transaction};

use super::check_id;
use crate::mails::content::name;
use crate::mails::{Change, Content, store};

/// The most changes that a mail names; the rest is counted.
const CHANGES: usize = 100;

/// Sends a buyer who wants it the changes of a day.
#[derive(Debug, Clone, Copy)]
pub struct SendDigest;

/// The fields that are read.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DigestMade {
    buyer_id: String,
    changes: Vec<Change>,
    #[serde(default)]
    more: u64,
    currency: String,
}

impl Handler for SendDigest {
    const EVENT_TYPE: &'static str = "shop.basket.price_digest_made.v1";
    type Payload = DigestMade;

    async fn handle(
        &self,
        tx: &mut Transaction<'_, Postgres>,
        event: &Received<DigestMade>,
    ) -> Result<(), HandleError> {
        let DigestMade { buyer_id, changes, more, currency } = &event.data;
        check_id(buyer_id)?;
        event.check_key(buyer_id)?;
        let beyond = u64::try_from(changes.len().saturating_sub(CHANGES)).unwrap_or_default();
        let shown = |change: &Change| Change {
            product_name: name(&change.product_name),
            old_price: change.old_price.as_deref().map(name),
            new_price: change.new_price.as_deref().map(name),
        };
        let content = Content::PriceDigest {
            changes: changes.iter().take(CHANGES).map(shown).collect(),
            more: more.saturating_add(beyond),
            currency: name(currency),
        };
        store::write_to(tx, event.id, buyer_id, &content).await?;
        event_bus::crash_point!("notifier.row_written");
        Ok(())
    }
}
