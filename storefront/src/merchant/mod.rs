//! Prices and products, for whoever may change them.

use actix_web::web;

/// Adds the routes.
pub fn routes(_config: &mut web::ServiceConfig) {}
