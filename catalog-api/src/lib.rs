//! The catalog: products, prices and stock. A change and its event are one transaction, through the outbox.
//!
//! | module | job |
//! |---|---|
//! | [`products`] | products: the model, the changes with their SQL, the routes |
//! | [`reservations`] | stock for orders, by events |
//! | [`classification`] | types and brands |
//! | [`pictures`] | a picture of every product, drawn on request |
//! | [`idempotency`] | a repeated request has one effect and one answer |
//! | [`seed`] | the first products of a new shop |
//! | [`changes`] | how a change begins and ends: one transaction |

use std::sync::LazyLock;

use event_bus::{inbox, outbox};
use service_kit::app::{About, ServiceApp};
use sqlx::migrate::Migrator;
use utoipa_actix_web::scope;
use utoipa_actix_web::service_config::ServiceConfig;

pub mod changes;
pub mod classification;
pub mod command;
pub mod idempotency;
pub mod pictures;
pub mod products;
pub mod reservations;
pub mod seed;
mod state;

/// The name under which this service subscribes: its queue is `catalog.events`, and its inbox rows bear it.
pub const CONSUMER: &str = "catalog";

/// The migrations of this service, with those of its outbox and its inbox.
pub static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    service_kit::database::migrations(sqlx::migrate!(), &[outbox::MIGRATIONS, inbox::MIGRATIONS])
});

/// The service.
pub fn app() -> ServiceApp {
    let about = About {
        name: "catalog-api",
        title: "Catalog",
        description: "Products, prices and stock. Every change that buyers see is published as an event; figures of the stock are not.",
        version: env!("CARGO_PKG_VERSION"),
        default_port: 5101,
    };
    ServiceApp::new(about)
        .database(&MIGRATIONS)
        .outbox()
        .consumer(CONSUMER, reservations::handlers)
        .seed(|pool| Box::pin(async move { seed::run(&pool).await }))
        .routes(|config| {
            config.service(scope::scope(products::BASE).configure(|config: &mut ServiceConfig<'_>| {
                products::routes(config);
                reservations::routes(config);
                pictures::routes(config);
                classification::routes(config);
            }));
        })
        .state(state::make)
}
