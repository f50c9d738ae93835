//! The dashboard: the pipeline of events with live figures, charts of the last minutes, and the relays.

mod charts;
mod held_back;
mod pipeline;
mod poller;
mod relays;
mod samples;
mod snapshot;
mod view;

pub(crate) use poller::Poller;
pub(crate) use view::Dashboard;
