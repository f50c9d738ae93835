//! Learning of a product that no event has told of yet, because a buyer wants it.

use event_bus::inbox;
use service_kit::app::Subscription;
use service_kit::database;
use service_kit::{problem::Problem, retry::retried, trace::RequestTrace};
use sqlx::PgPool;

use super::{
    ProductId,
    catalog::Catalog,
    store::{self, ProductFacts},
};
use crate::{CATALOG, CONSUMER};

/// When a buyer may try again to put an unknown product into their basket, in seconds.
const RETRY_AFTER: u32 = 2;

/// The events that say nothing which a catalog's item does not: after an item was read at some version, they are no
/// news up to that version.
pub const TOLD_BY_AN_ITEM: [&str; 3] = [
    "shop.catalog.product_added.v1",
    "shop.catalog.product_price_changed.v1",
    "shop.catalog.product_changed.v1",
];

/// What asking the catalog has brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookedUp {
    /// The product is known here now.
    Known,
    /// The catalog does not know it either.
    NoSuchProduct,
}

/// How this service learns of a product by itself. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LookUp {
    /// Where the answer is stored.
    pub pool: PgPool,
    /// Who is asked.
    pub catalog: Catalog,
    /// What keeps the answer up to date.
    pub subscription: Subscription,
}

impl LookUp {
    /// Asks the catalog for a product and stores the answer; 503 when it cannot be asked now, or when a
    /// later change of the product would not reach this service yet.
    pub async fn product(&self, id: ProductId, trace: &RequestTrace) -> Result<LookedUp, Problem> {
        if !self.subscription.is_established().await? {
            let detail = "this service is about to subscribe to the catalog's events";
            return Err(Problem::unavailable(detail, RETRY_AFTER));
        }
        match self.catalog.find(id, trace).await {
            Ok(Some(product)) => {
                store_answer(&self.pool, &product).await?;
                Ok(LookedUp::Known)
            }
            Ok(None) => Ok(LookedUp::NoSuchProduct),
            Err(error) => {
                metrics::counter!("product_look_ups_failed_total").increment(1);
                tracing::warn!(
                    product.id = i64::from(id),
                    error = &error as &dyn std::error::Error,
                    "cannot ask the catalog for a product"
                );
                Err(cannot_ask())
            }
        }
    }
}

/// 503: the product is not known here, and the catalog cannot be asked.
pub fn cannot_ask() -> Problem {
    Problem::unavailable("the product is not known here yet and the catalog cannot be asked now", RETRY_AFTER)
}

/// Stores the catalog's answer as if events had told it: those up to its version are then old news, and
/// one that is newer wins, whether it came meanwhile or comes later.
pub async fn store_answer(pool: &PgPool, product: &ProductFacts) -> Result<(), sqlx::Error> {
    retried(|| async {
        let mut tx = database::begin(pool).await?;
        // First the inbox, then the product: the order in which the consumer takes its locks.
        let key = product.id.to_string();
        inbox::advance(&mut tx, CONSUMER, CATALOG, &key, &TOLD_BY_AN_ITEM, product.version).await?;
        // An item does not say in which generation of the catalog's log it was read. In an earlier one than is known, events
        // that are older than the answer would count as newer.
        let generation = inbox::newest_generation(&mut tx, CONSUMER, CATALOG).await?;
        if store::complete(&mut tx, &ProductFacts { generation, ..product.clone() }).await? {
            tx.commit().await?;
        }
        Ok(())
    })
    .await
}
