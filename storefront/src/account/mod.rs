//! The visitor's account: registering, the link from the mail, the profile and its end.

mod profile;
mod register;
mod validate;

use actix_web::web;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.service(register::show).service(register::register);
    config.service(validate::show).service(validate::validate);
    config.service(profile::show).service(profile::choose).service(profile::erase);
}
