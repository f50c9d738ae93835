//! Deletes old events from the log.

use std::{sync::Arc, time::Duration};

use crate::{
    source::Source,
    store::{StoreError, retention::purge, within},
};

/// The time between two passes.
const INTERVAL: Duration = Duration::from_mins(10);

/// Events that one statement reads: a few milliseconds of locks.
const BATCH_SIZE: i32 = 1_000;

/// The pause between two statements, so that publishing hardly notices.
const PAUSE: Duration = Duration::from_millis(200);

/// Deletes settled events that are older than `days`, in one pass every ten minutes. All relays do so at once
/// without waiting for each other.
pub(crate) async fn run(source: Arc<Source>, days: u32) {
    if days == 0 {
        return std::future::pending().await;
    }
    let kept = Duration::from_hours(24 * u64::from(days));
    loop {
        let database = source.name.as_str();
        match pass(&source, kept).await {
            Ok(0) => {}
            Ok(events) => tracing::info!(database, events, "deleted old events"),
            Err(error) => tracing::warn!(database, %error, "could not delete old events; will try again"),
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

async fn pass(source: &Source, kept: Duration) -> Result<i64, StoreError> {
    let mut total = 0;
    let mut position = Some(0);
    while let Some(after) = position {
        let purged = within("delete old events", purge(&source.pool, kept, after, BATCH_SIZE)).await?;
        if purged.deleted > 0 {
            total += purged.deleted;
            let deleted = u64::try_from(purged.deleted).unwrap_or_default();
            metrics::counter!("outbox_purged_total", "database" => source.name.clone()).increment(deleted);
        }
        position = purged.last_position;
        tokio::time::sleep(PAUSE).await;
    }
    Ok(total)
}
