//! The picture: the way of events, with live figures at each station.

mod chart;
mod handlers;
mod history;
mod snapshot;
mod stations;
mod view;
mod watch;

pub(super) use handlers::routes;
pub(super) use watch::Watch;
