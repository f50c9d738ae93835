//! Prices and products, for merchants.

mod bulk;
mod edit;
mod form;
mod list;
mod reservations;

use actix_web::web;
use reqwest::StatusCode;

use crate::clients::ClientError;

pub(crate) use bulk::Batches;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.service(list::show).service(list::set_price).configure(bulk::routes);
    // The route of "new" comes before the route of an id.
    config.service(edit::show_new).service(edit::create).service(edit::show).service(edit::save);
    config.service(edit::withdraw).service(reservations::show);
}

/// Why a change was not made, as the merchant reads it.
fn refusal(error: &ClientError) -> String {
    if error.is(StatusCode::PRECONDITION_FAILED) {
        return "Somebody else changed this product meanwhile: open it again to see it as it is now."
            .to_owned();
    }
    error.message()
}
