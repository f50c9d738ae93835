//! What the buyer has put in, and the alerts about it.

mod actions;
mod news;
mod page;

pub use news::{News, NewsItem};
pub use page::mark;

use actix_web::web;

/// Adds the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(page::show).service(page::show_mark);
    config
        .service(actions::add)
        .service(actions::set)
        .service(actions::take_out)
        .service(actions::acknowledge);
}
