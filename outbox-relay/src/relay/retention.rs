//! Published events leave the log after the configured age.

use std::{sync::Arc, time::Duration};

use event_bus::outbox::retention;

use super::{Source, Trouble, within};

/// How often old events are looked for.
const EVERY: Duration = Duration::from_mins(10);

/// Events looked at in one statement: a few milliseconds of locks.
const BATCH: i32 = 1_000;

/// The pause between two statements, so that publishing hardly notices.
const PAUSE: Duration = Duration::from_millis(200);

/// Deletes what is too old, now and then. Every relay does so; they do not get in each other's way. Ends
/// when it is dropped.
pub(crate) async fn keep_tidy(source: Arc<Source>, days: u32) {
    if days == 0 {
        return std::future::pending().await;
    }
    let kept = Duration::from_hours(24 * u64::from(days));
    loop {
        let database = source.name.as_str();
        match pass(&source, kept).await {
            Ok(0) => {}
            Ok(events) => tracing::info!(database, events, "deleted published events that were old enough"),
            Err(trouble) => {
                tracing::warn!(database, %trouble, "old events stay for now; will try again");
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}

async fn pass(source: &Source, kept: Duration) -> Result<i64, Trouble> {
    let mut total = 0;
    let mut position = Some(0);
    while let Some(after) = position {
        let purge = retention::purge(&source.pool, kept, after, BATCH);
        let purged = within("delete old events", purge).await?;
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
