//! Prices and products, for whoever may change them.

mod bulk;
mod edit;
mod form;
mod list;
mod withdraw;

pub use bulk::Batches;

use actix_web::web;

/// Adds the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(list::show).service(list::set_price).configure(bulk::routes);
    // "new" before what takes any word for an id.
    config.service(edit::show_new).service(edit::create).service(edit::show).service(edit::save);
    config.service(withdraw::withdraw);
}
