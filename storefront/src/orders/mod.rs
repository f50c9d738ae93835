//! Ordering what is in the cart, and the buyer's orders.

mod checkout;
mod list;
mod live;
mod page;
mod shipping;
mod view;

use actix_web::web;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.service(checkout::show).service(checkout::place);
    // The route of the stream comes before the route of an id.
    config.service(list::show).service(live::follow).service(page::show).service(page::cancel);
    config.service(shipping::show).service(shipping::ship);
}
