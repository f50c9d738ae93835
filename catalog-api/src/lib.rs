//! The catalog: products, prices and stock. Every change that matters outside is announced through
//! the outbox, in the transaction of the change.
//!
//! | module | job |
//! |---|---|
//! | [`products`] | the items: what they are, how they change, how they are found |
//! | [`classification`] | types and brands |
//! | [`pictures`] | a picture for every product, drawn when asked for |
//! | [`idempotency`] | the same request twice has one effect and one answer |
//! | [`seed`] | the products that a new shop starts with |
//! | [`change`] | how a change begins and ends: one transaction |

use std::sync::LazyLock;

use event_bus::outbox;
use service_kit::app::{About, ServiceApp};
use sqlx::migrate::Migrator;
use utoipa_actix_web::scope;
use utoipa_actix_web::service_config::ServiceConfig;

pub mod change;
pub mod classification;
pub mod command;
pub mod idempotency;
pub mod pictures;
pub mod products;
pub mod seed;
mod state;

/// The migrations of this service, with those of its outbox.
pub static MIGRATIONS: LazyLock<Migrator> =
    LazyLock::new(|| service_kit::database::migrations(sqlx::migrate!(), &[outbox::MIGRATIONS]));

/// The service.
pub fn app() -> ServiceApp {
    let about = About {
        name: "catalog-api",
        title: "Catalog",
        description: "Products, prices and stock. Every change is announced to the other services, reliably.",
        version: env!("CARGO_PKG_VERSION"),
        default_port: 5101,
    };
    ServiceApp::new(about)
        .database(&MIGRATIONS)
        .outbox()
        .seed(|pool| Box::pin(async move { seed::run(&pool).await }))
        .routes(|config| {
            config.service(scope::scope(products::BASE).configure(|config: &mut ServiceConfig<'_>| {
                products::routes(config);
                pictures::routes(config);
                classification::routes(config);
            }));
        })
        .state(state::make)
}
