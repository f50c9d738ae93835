//! Learning of products that no event has told of yet, because a buyer orders them.

use std::error::Error;

use event_bus::inbox;
use futures_util::future::join_all;
use service_kit::app::Subscription;
use service_kit::database;
use service_kit::problem::Problem;
use service_kit::retry::retried;
use service_kit::trace::RequestTrace;
use sqlx::PgPool;

use super::ProductId;
use super::catalog::{CATALOG, Catalog, Item};
use super::store;
use crate::CONSUMER;

/// When a buyer may try again to order an unknown product, in seconds.
const RETRY_AFTER: u32 = 2;

/// The counter of questions that the catalog did not answer.
const FAILED: &str = "product_look_ups_failed_total";

/// How this service learns of products by itself. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LookUp {
    /// Where the answers are stored.
    pub pool: PgPool,
    /// Who is asked; without it nobody is.
    pub catalog: Option<Catalog>,
    /// What keeps the answers up to date.
    pub subscription: Subscription,
}

/// Says what the metrics of this module mean.
pub fn describe_metrics() {
    metrics::describe_counter!(FAILED, "Requests to the catalog for a product that failed.");
    metrics::counter!(FAILED).increment(0);
}

impl LookUp {
    /// Asks the catalog for those of these products that are not known here, and stores the answers. Says whether
    /// anything was learned; 503 when the catalog cannot be asked now, or when a later change of a product would not
    /// reach this service yet. What was learned before a 503 stays: the next request asks for less.
    pub async fn products(&self, ids: &[ProductId], trace: &RequestTrace) -> Result<bool, Problem> {
        let Some(catalog) = &self.catalog else { return Ok(false) };
        let unknown = retried(|| store::unknown(&self.pool, ids)).await?;
        if unknown.is_empty() {
            return Ok(false);
        }
        if !self.subscription.is_established().await? {
            let detail = "this service is about to subscribe to the catalog's events";
            return Err(Problem::unavailable(detail, RETRY_AFTER));
        }
        let (mut found, mut failed) = (Vec::new(), Vec::new());
        for answer in join_all(unknown.iter().map(|id| catalog.find(*id, trace))).await {
            match answer {
                Ok(item) => found.extend(item),
                Err(error) => failed.push(error),
            }
        }
        retried(|| self.store(&found)).await?;
        let Some(error) = failed.first() else { return Ok(!found.is_empty()) };
        metrics::counter!(FAILED).increment(failed.len() as u64);
        tracing::warn!(
            error = error as &dyn Error,
            failed = failed.len(),
            "cannot ask the catalog for products"
        );
        let detail = "a product is not known here yet and the catalog cannot be asked now";
        Err(Problem::unavailable(detail, RETRY_AFTER))
    }

    /// Stores what the catalog answered. What events have told since is newer, and stays.
    async fn store(&self, items: &[Item]) -> Result<(), sqlx::Error> {
        let mut tx = database::begin(&self.pool).await?;
        let generation = inbox::newest_generation(&mut tx, CONSUMER, CATALOG).await?;
        for item in items {
            let at = item.at(generation);
            store::set_details(&mut tx, item.id, &item.name, &item.picture_url, at).await?;
            store::set_price(&mut tx, item.id, item.price, at).await?;
        }
        tx.commit().await
    }
}
