//! What the routes of the service share.

use std::sync::Arc;

use actix_web::web;
use service_kit::app::{Data, Service};
use tokio::sync::Notify;

use crate::payments::{self, handlers::Operations, store};
use crate::provider::Provider;
use crate::settings::Settings;
use crate::worker::Worker;

/// Connections of the worker: outcomes are recorded whatever requests do.
const WORKER_CONNECTIONS: u32 = 4;

/// Makes the state, and starts the worker.
pub(crate) fn make(service: &mut Service<Settings>) -> anyhow::Result<Data> {
    payments::describe_metrics();
    let settings = service.settings.worker;
    settings.check()?;
    let provider = Provider::new(service.settings.provider()?, settings.deadline())?;
    let (work, announced) = (Arc::new(Notify::new()), service.outbox_notifier()?);
    let worker = Worker {
        pool: service.further_pool("worker", WORKER_CONNECTIONS, &[])?,
        provider,
        settings,
        work: Arc::clone(&work),
        announced: announced.clone(),
        stop: service.stop.clone(),
    };
    service.background("the worker", worker.run());
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
