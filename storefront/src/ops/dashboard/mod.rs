//! The dashboard: the pipeline of events with live figures, charts of the last minutes, and the relays.

mod charts;
mod handlers;
mod pipeline;
mod poller;
mod relays;
mod samples;
mod snapshot;
mod view;

pub(super) use handlers::routes;
pub(super) use poller::Poller;
