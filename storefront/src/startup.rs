//! The service put together.

use actix_web::web;
use anyhow::Result;
use service_kit::auth::Verifier;
use service_kit::server::{About, Readiness, Server};
use tokio_util::sync::CancellationToken;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::live::Hub;
use crate::pages::{PROBLEM_PAGE, Shop};
use crate::settings::Settings;
use crate::{browse, cart, live, merchant, ops, pages, sign_in};

/// What this service says about itself.
pub const ABOUT: About = About {
    name: "storefront",
    title: "Storefront",
    description: "The shop's pages. What is documented here is only what every service has.",
    version: env!("CARGO_PKG_VERSION"),
    default_port: 5100,
};

/// Puts the service together and listens. Nothing is connected: the other services may be away, then and
/// later. `stop` ends it.
pub fn build(settings: &Settings, stop: &CancellationToken) -> Result<Server> {
    let verifier = Verifier::new(&settings.auth, settings.mode)?;
    let parts = web::Data::new(Shop::new(settings, verifier.clone())?);
    let hub = web::Data::new(Hub::new(parts.basket.clone(), stop.clone()));
    let control_room = web::Data::new(ops::ControlRoom::new(settings)?);
    let batches = web::Data::new(merchant::Batches::new(stop.clone()));
    let routes = move |config: &mut ServiceConfig<'_>| {
        config.app_data(parts.clone()).app_data(hub.clone()).app_data(control_room.clone());
        config.app_data(batches.clone()).app_data(PROBLEM_PAGE);
        config.map(|config| {
            config
                .configure(pages::routes)
                .configure(sign_in::routes)
                .configure(browse::routes)
                .configure(cart::routes)
                .configure(live::routes)
                .configure(merchant::routes)
                .configure(ops::routes)
        });
    };
    // Ready as soon as it serves: pages are there, and say so, while other services are away.
    Server::bind(&settings.http, ABOUT, verifier, Readiness::new(), routes, stop)
}
