//! The metrics of the log.

use std::{sync::Arc, time::Duration};

use event_bus::outbox;

use crate::{
    source::Source,
    store::{scheduled, within},
};

/// How often they are read.
const INTERVAL: Duration = Duration::from_secs(10);

/// Keeps the gauges up to date while the database answers.
pub(crate) async fn update(source: Arc<Source>) {
    loop {
        let database = source.name.clone();
        #[expect(clippy::cast_precision_loss, reason = "a count beyond 2^52 is not to be expected")]
        let set = |name: &'static str, value: i64| {
            metrics::gauge!(name, "database" => database.clone()).set(value as f64);
        };
        if let Ok(overdue) = within("count overdue events", scheduled::overdue(&source.pool)).await {
            set("outbox_overdue_scheduled_events", overdue);
        }
        if let Ok(status) = within("read the log's figures", outbox::status(&source.pool)).await {
            set("outbox_pending_messages", status.pending);
            set("outbox_failed_messages", status.failed);
            set("outbox_relays", status.relays);
            let age = metrics::gauge!("outbox_oldest_pending_age_seconds", "database" => database.clone());
            age.set(status.oldest_pending_age_seconds);
        }
        tokio::time::sleep(INTERVAL).await;
    }
}
