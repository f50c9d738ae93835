//! Orders: the checkout, and the process that gets stock and payment for what was ordered.
//!
//! | module | job |
//! |---|---|
//! | [`orders`] | orders: their rules, the checkout, the process with its SQL, the routes |
//! | [`products`] | what is known of the catalog's products |
//! | [`stream`] | tells buyers of changes of their orders |
//! | [`subscriptions`] | the events that this service listens to, and what each does to the above |
//! | [`settings`] | the settings that only this service has |
//!
//! The process is driven by events alone. Its timers are events too: scheduled ones, to which this service subscribes.

use std::sync::LazyLock;

use event_bus::{inbox, outbox};
use service_kit::app::{About, ServiceApp};
use sqlx::migrate::Migrator;

pub mod orders;
pub mod products;
pub mod settings;
mod state;
pub mod stream;
pub mod subscriptions;

/// The name under which this service subscribes: its queue is `ordering.events`, and its inbox rows bear it. Another
/// name would have every event handled again.
pub const CONSUMER: &str = "ordering";

/// The migrations of this service, with those of its outbox and its inbox.
pub static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    service_kit::database::migrations(sqlx::migrate!(), &[outbox::MIGRATIONS, inbox::MIGRATIONS])
});

/// The service.
pub fn app() -> ServiceApp<settings::Settings> {
    let about = About {
        name: "ordering-api",
        title: "Ordering",
        description: "Checkout and orders. An order is paid only with its stock reserved, and gives stock and money \
                      back when it is cancelled. A buyer sees only their own.",
        version: env!("CARGO_PKG_VERSION"),
        default_port: 5103,
    };
    ServiceApp::new(about)
        .database(&MIGRATIONS)
        .outbox()
        .consumer(CONSUMER, subscriptions::handlers)
        .routes(|config| {
            // Before `/{id}`, which would take its path.
            stream::handlers::routes(config);
            orders::handlers::routes(config);
        })
        .state(state::make)
}
