//! What the routes of the service share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::web;
use service_kit::app::{Data, Service};
use service_kit::worker::Worker;
use sqlx::PgPool;
use tokio::sync::Notify;

use crate::charging::Charging;
use crate::payments::{self, handlers::Operations, read, store};
use crate::provider::Provider;
use crate::settings::Settings;

/// Connections of the worker: outcomes are recorded whatever requests do.
const WORKER_CONNECTIONS: u32 = 4;

/// How often to look for payments that are held or overdue.
const WATCH: Duration = Duration::from_secs(5);

/// Makes the state, and starts the worker.
pub(crate) fn make(service: &mut Service<Settings>) -> anyhow::Result<Data> {
    payments::describe_metrics();
    let settings = service.settings.worker;
    settings.check()?;
    let limits = settings.limits();
    let provider = Provider::new(service.settings.provider()?, limits.deadline())?;
    let (work, announced) = (Arc::new(Notify::new()), service.outbox_notifier()?);
    let job = Charging {
        pool: service.further_pool("worker", WORKER_CONNECTIONS, &[])?,
        provider,
        settings,
        announced: announced.clone(),
    };
    let worker = Worker { job, limits, work: Arc::clone(&work), stop: service.stop.clone() };
    service.background("the worker", worker.run());
    let is_well = Arc::new(AtomicBool::new(true));
    let watch = watch(service.pool()?, settings.overdue_seconds, Arc::clone(&is_well));
    let watch = service.stop.clone().run_until_cancelled_owned(watch);
    service.background("the watch over payments", async { watch.await.unwrap_or_default() });
    service.warn("no_payments_without_an_outcome", move || is_well.load(Ordering::Relaxed));
    service.inbox_figure("paymentsHeld", |pool| Box::pin(store::held(pool)));

    let operations = web::Data::new(Operations { settings, work: Arc::clone(&work) });
    service.after_commit(move || {
        work.notify_one();
        announced.notify();
    });
    Ok(Data::new(move |config| {
        config.app_data(operations.clone());
    }))
}

/// Keeps `is_well` up to date, without end: no payment is held or overdue.
async fn watch(pool: PgPool, overdue_seconds: u32, is_well: Arc<AtomicBool>) {
    let mut ticks = tokio::time::interval(WATCH);
    loop {
        ticks.tick().await;
        match read::waits_for_an_operator(&pool, overdue_seconds).await {
            Ok(waits) => is_well.store(!waits, Ordering::Relaxed),
            Err(error) => tracing::debug!(%error, "payments cannot be looked at"),
        }
    }
}
