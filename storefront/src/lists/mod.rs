//! Lists of products: the buyer's own, and those that everybody may see.

mod actions;
mod own;
mod public;
mod shown;

use actix_web::web;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.service(public::show).service(own::show_all).service(own::show);
    // The routes with a word come before the route of an id.
    config.service(actions::make).service(actions::put_on).service(actions::change);
    config.service(actions::delete).service(actions::take_off);
}
