//! The route of a buyer's stream.

use actix_web::{HttpResponse, get, web};
use service_kit::problem::Problem;
use service_kit::server::Stopping;

use super::feed::Feed;
use super::respond;
use crate::pages::Visit;

/// Adds the route.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(live);
}

/// Tells an open page of the visitor what happens to their cart.
#[get("/live")]
async fn live(visit: Visit, stopping: web::Data<Stopping>) -> Result<HttpResponse, Problem> {
    let user = visit.user()?.clone();
    let stop = stopping.0.clone();
    Ok(respond(move |signals| Feed::new(visit.shop, user, signals, stop).run()))
}
