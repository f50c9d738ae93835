//! The catalogue, a product, its picture.

mod filter;
mod handlers;
mod listing;

use actix_web::web;

pub(crate) use filter::FilterForm;
pub(crate) use listing::Listing;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.service(handlers::list).service(handlers::product).service(handlers::picture);
}
