//! The publisher: one worker for each database, side by side.
//!
//! The crate `relay-engine` decides what a worker does next; this module does it.

mod connections;
mod gauges;
mod listen;
mod peer_monitor;
mod retention;
mod worker;

use std::sync::Arc;

use event_bus::BrokerConfig;
use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

pub(crate) use self::connections::log::Row;
use crate::{settings::RelaySettings, source::Source};

/// Publishes the pending events of all sources until `stop`. Outages of a database or of the broker do not end
/// it. Returns when all confirmed events are marked.
pub(crate) async fn run(
    sources: &[Arc<Source>],
    broker: &BrokerConfig,
    settings: &RelaySettings,
    stop: &CancellationToken,
) {
    let workers = sources.iter().map(|source| worker::run(Arc::clone(source), broker, settings, stop));
    join_all(workers).await;
}
