//! Carts and price alerts.
//!
//! | module | job |
//! |---|---|
//! | [`baskets`] | what a buyer has in their cart |
//! | [`alerts`] | what a buyer is told about the products in it: list, acknowledge, stream |
//! | [`digests`] | the same in one mail a day, for those who want that |
//! | [`lists`] | the lists of products that a buyer keeps |
//! | [`public_lists`] | those that everybody may see; it hears of them by domain events |
//! | [`products`] | what is known of the catalog's products |
//! | [`subscriptions`] | the events of other services, and what each does to the above |
//! | [`settings`] | the settings that only this service has |
//!
//! Requests are answered from this service's own database; only a product that no event has told of
//! yet is asked for at the catalog. Only an operator's requests talk to the broker.

use std::sync::LazyLock;

use event_bus::{inbox, outbox};
use service_kit::app::{About, ServiceApp};
use sqlx::migrate::Migrator;

pub mod alerts;
pub mod baskets;
pub mod digests;
pub mod lists;
mod page;
pub mod products;
pub mod public_lists;
pub mod settings;
mod state;
pub mod subscriptions;

/// The name under which this service subscribes: its queue is `basket.events`, and its inbox rows bear
/// it. Another name would have every event handled again.
pub const CONSUMER: &str = "basket";

/// The source of the catalog's events.
pub const CATALOG: &str = "/catalog";

/// The migrations of this service, with those of its outbox and its inbox.
pub static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    service_kit::database::migrations(sqlx::migrate!(), &[outbox::MIGRATIONS, inbox::MIGRATIONS])
});

/// The service.
pub fn app() -> ServiceApp<settings::Settings> {
    let about = About {
        name: "basket-api",
        title: "Basket",
        description: "Carts, and alerts about the prices of what is in them. Prices come from the catalog, never \
                      from the client; a buyer sees only their own.",
        version: env!("CARGO_PKG_VERSION"),
        default_port: 5102,
    };
    ServiceApp::new(about)
        .database(&MIGRATIONS)
        .outbox()
        .consumer(CONSUMER, subscriptions::handlers)
        .consumer_session(&subscriptions::SESSION)
        .routes(|config| {
            baskets::handlers::routes(config);
            alerts::handlers::routes(config);
            digests::handlers::routes(config);
            lists::handlers::routes(config);
            public_lists::routes(config);
        })
        .state(state::make)
}
