//! The relay: one worker for each database, side by side.

mod back_off;
mod database;
mod ownership;
mod publish;
mod retention;
mod schedule;
mod source;
mod wake_up;
mod worker;

use std::sync::Arc;

use event_bus::BrokerSettings;
use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

pub(crate) use self::{
    database::{Trouble, within},
    publish::outline,
    schedule::Schedule,
    source::{Source, Standing},
};
use crate::settings::RelaySettings;

/// Publishes what is pending in all the sources, until `stop`: survives every one of them, and the
/// broker, being away. Returns when what was confirmed is marked.
pub(crate) async fn run(
    sources: &[Arc<Source>],
    broker: &BrokerSettings,
    settings: &RelaySettings,
    stop: &CancellationToken,
) {
    let workers = sources.iter().map(|source| worker::run(Arc::clone(source), broker, settings, stop));
    join_all(workers).await;
}
