//! The publisher: one worker for each database, side by side.
//!
//! The crate `relay-engine` decides what a worker does next; this module does it.

mod connections;
mod gauges;
mod listen;
mod peer_monitor;
mod retention;
mod telemetry;
mod unrouted;
mod worker;

use std::{sync::Arc, time::Duration};

use event_bus::BrokerConfig;
use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

pub(crate) use self::connections::log::Row;
use crate::{settings::RelaySettings, source::Source};

/// The pause before a worker that has panicked starts again.
const RESTART: Duration = Duration::from_secs(1);

/// Publishes the pending events of all sources until `stop`. Outages of a database or of the broker do not end
/// it, and a mistake that makes one worker panic ends no other. Returns when all confirmed events are marked.
pub(crate) async fn run(
    sources: &[Arc<Source>],
    broker: &BrokerConfig,
    settings: &RelaySettings,
    stop: &CancellationToken,
) {
    telemetry::describe();
    let workers = join_all(sources.iter().map(|source| keep_running(source, broker, settings, stop)));
    tokio::select! {
        _ = workers => {}
        () = unrouted::watch(sources, broker) => {}
    }
}

async fn keep_running(
    source: &Arc<Source>,
    broker: &BrokerConfig,
    settings: &RelaySettings,
    stop: &CancellationToken,
) {
    loop {
        let (owned, broker, settings, stop) =
            (Arc::clone(source), broker.clone(), settings.clone(), stop.clone());
        let worker =
            tokio::spawn(async move { Box::pin(worker::run(owned, &broker, &settings, &stop)).await });
        let Err(error) = worker.await else { return };
        tracing::error!(database = source.name, %error, "a worker has failed; it starts again: please report this");
        source.set_database_problem(Some("its worker has failed, and starts again"));
        source.set_partitions(&[]);
        tokio::time::sleep(RESTART).await;
    }
}
