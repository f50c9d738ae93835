//! The pages of the control room, and the actions of operators.

mod bulk;
mod dashboard;
mod dead_letters;
mod events;
mod processes;
mod scheduled;
mod story;
mod timeline;
mod waiting;

use actix_web::web;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.service(dashboard::show).service(dashboard::refresh).service(dashboard::stream);
    config
        .service(events::show)
        .service(timeline::show)
        .service(timeline::requeue_event)
        .service(timeline::skip_event);
    config.service(dead_letters::show).service(dead_letters::replay).service(dead_letters::discard);
    config.service(waiting::show).service(waiting::requeue_key).service(waiting::skip_event);
    config.service(scheduled::show).service(scheduled::cancel);
    config.service(bulk::preview).service(bulk::start).service(bulk::show).service(bulk::stream);
    config.service(story::show).service(processes::run_action);
}
