//! What the routes of the service share.

use std::time::Duration;

use actix_web::web;
use service_kit::app::{Data, NoSettings, Service};
use service_kit::loader::Loader;
use sqlx::PgPool;

use crate::changes::Changes;
use crate::idempotency;
use crate::products::store;

/// How often kept answers that are too old are removed.
const REMOVAL: Duration = Duration::from_mins(10);

/// Makes the state, and starts what removes kept answers that are too old.
pub(crate) fn make(service: &mut Service<NoSettings>) -> anyhow::Result<Data> {
    let pool = service.pool()?;
    let relays = service.outbox_notifier()?;
    let changes = web::Data::new(Changes::new(pool.clone(), relays.clone()));
    // Answers to orders are published as soon as they are committed.
    service.after_commit(move || relays.notify());
    let removal = service.stop.clone().run_until_cancelled_owned(remove_old_answers(pool.clone()));
    service.background("the removal of old answers", async { removal.await.unwrap_or_default() });
    Ok(Data::new(move |config| {
        let pool = pool.clone();
        config.app_data(web::Data::new(Loader::new(move |ids| store::find_all(pool.clone(), ids))));
        config.app_data(changes.clone());
    }))
}

/// Removes kept answers that are too old, without end.
async fn remove_old_answers(pool: PgPool) {
    let mut ticks = tokio::time::interval(REMOVAL);
    loop {
        ticks.tick().await;
        match idempotency::remove_old(&pool).await {
            Ok(0) => {}
            Ok(removed) => tracing::debug!(removed, "removed kept answers that were too old"),
            Err(error) => tracing::warn!(%error, "kept answers could not be removed"),
        }
    }
}
