//! The control room: how events flow, and what an operator does about them.
//!
//! | module | job |
//! |---|---|
//! | `api` | the operator routes of services and relays |
//! | `dashboard` | the pipeline with its figures, the charts, the relays |
//! | `events` | the event log, one event's timeline, requeue and skip |
//! | `dead_letters` | list, replay, discard |
//! | `processes` | in development mode: kill, freeze, thaw and start relays |

mod api;
mod dashboard;
mod dead_letters;
mod events;
mod operator;
mod processes;

use actix_web::web;

pub(crate) use operator::ControlRoom;

/// Adds the routes.
pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .configure(dashboard::routes)
        .configure(events::routes)
        .configure(dead_letters::routes)
        .configure(processes::routes);
}
