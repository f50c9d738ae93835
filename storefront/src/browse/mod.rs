//! The catalogue, a product, its picture.

mod filter;
mod listing;
mod page;
mod picture;
mod product;
mod product_card;

use actix_web::web;

pub(crate) use filter::FilterForm;
pub(crate) use listing::Listing;

/// Adds the routes.
pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.service(page::show).service(product::show).service(picture::show);
}
