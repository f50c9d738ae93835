//! The relay: one worker for each database, side by side.
//!
//! What a worker does next is decided in the crate `relay-engine`; here it is done.

mod database;
mod lanes;
mod listen;
mod observe;
mod retention;
mod source;
mod watch;
mod worker;

use std::sync::Arc;

use event_bus::BrokerSettings;
use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

pub(crate) use self::{
    database::{Trouble, within},
    lanes::{broker::outline, log::Row},
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
