//! The buyer's cart, and the alerts about its products.

mod actions;
mod news;
mod page;

use actix_web::web;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(page::show)
        .service(page::show_mark)
        .service(actions::add)
        .service(actions::set)
        .service(actions::remove)
        .service(actions::acknowledge);
}
