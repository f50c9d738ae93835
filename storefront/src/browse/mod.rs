//! The catalogue, a product, its picture.

mod filter;
mod list;
mod picture;
mod product;
mod shelf;

pub use filter::{Choice, FilterForm, Pager};
pub use shelf::{Card, Labels};

use actix_web::web;

/// Adds the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(list::show).service(product::show).service(picture::show);
}
