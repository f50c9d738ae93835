//! What the routes of the service share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::web;
use service_kit::app::{Data, Service};
use service_kit::link_token::LinkKey;
use service_kit::worker::Worker;
use sqlx::PgPool;
use tokio::sync::Notify;

use crate::addressees;
use crate::delivery::Delivery;
use crate::mails::message::Letterhead;
use crate::mails::{self, handlers::Operations, read, store};
use crate::settings::{Settings, WorkerSettings};
use crate::smtp::Mailer;

/// Connections of the worker: outcomes are recorded whatever requests do.
const WORKER_CONNECTIONS: u32 = 2;

/// How often to look for mails that hang, and for those to forget.
const WATCH: Duration = Duration::from_secs(5);

/// Makes the state, and starts the worker.
pub(crate) fn make(service: &mut Service<Settings>) -> anyhow::Result<Data> {
    mails::describe_metrics();
    let settings = service.settings.worker;
    settings.check()?;
    let limits = settings.limits();
    let smtp = service.settings.smtp(service.common.mode)?;
    let letterhead = Letterhead {
        from: smtp.from()?,
        storefront: service.settings.storefront()?,
        links: LinkKey::new(&service.settings.links, service.common.mode)?,
    };
    let (mailer, letterhead) = (Mailer::new(&smtp.url()?)?, Arc::new(letterhead));
    let pool = service.further_pool("worker", WORKER_CONNECTIONS, &[])?;
    let work = Arc::new(Notify::new());
    let worker = Worker {
        job: Delivery { pool: pool.clone(), mailer, letterhead, settings },
        limits,
        work: Arc::clone(&work),
        stop: service.stop.clone(),
    };
    service.background("the worker", worker.run());
    let is_well = Arc::new(AtomicBool::new(true));
    let watch = service.stop.clone().run_until_cancelled_owned(watch(pool, settings, Arc::clone(&is_well)));
    service.background("the watch over mails", async { watch.await.unwrap_or_default() });
    service.warn("no_mails_held_back", move || is_well.load(Ordering::Relaxed));
    service.inbox_figure("addressees", |pool| Box::pin(addressees::count(pool)));

    let overdue_seconds = settings.overdue_seconds;
    let operations = web::Data::new(Operations { overdue_seconds, work: Arc::clone(&work) });
    service.after_commit(move || work.notify_one());
    Ok(Data::new(move |config| {
        config.app_data(operations.clone());
    }))
}

/// Keeps `is_well` up to date, without end: no mail has failed or is overdue. Forgets those that are old.
async fn watch(pool: PgPool, settings: WorkerSettings, is_well: Arc<AtomicBool>) {
    let mut ticks = tokio::time::interval(WATCH);
    loop {
        ticks.tick().await;
        match read::waits_for_an_operator(&pool, settings.overdue_seconds).await {
            Ok(waits) => is_well.store(!waits, Ordering::Relaxed),
            Err(error) => tracing::debug!(%error, "mails cannot be looked at"),
        }
        if let Err(error) = store::forget_old(&pool, settings.remember_days).await {
            tracing::debug!(%error, "old mails cannot be forgotten");
        }
    }
}
