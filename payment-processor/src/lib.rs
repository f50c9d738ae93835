//! Charges and refunds orders at a payment provider.
//!
//! | module | job |
//! |---|---|
//! | [`charging`] | takes payments that are due, asks the provider, records the outcome |
//! | [`payments`] | a payment: its rules, its row, its events, the operator's routes |
//! | [`provider`] | the provider's HTTP API, and what its answers mean |
//! | [`subscriptions`] | the events of ordering, and what each does to a payment |
//! | [`settings`] | the settings that only this service has |
//!
//! A call to the provider and a commit can never be one step. So an event only writes a row of work. The worker asks
//! the provider with the row's id as idempotency key, as often as it takes to know the outcome, and records the outcome
//! and its announcement in one transaction.

use std::sync::LazyLock;

use event_bus::{inbox, outbox};
use service_kit::app::{About, ServiceApp};
use sqlx::migrate::Migrator;

pub mod charging;
pub mod payments;
pub mod provider;
pub mod settings;
mod state;
pub mod subscriptions;

/// The name under which this service subscribes: its queue is `payment.events`, and its inbox rows bear it.
pub const CONSUMER: &str = "payment";

/// The migrations of this service, with those of its inbox and its outbox.
pub static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    service_kit::database::migrations(sqlx::migrate!(), &[inbox::MIGRATIONS, outbox::MIGRATIONS])
});

/// The service.
pub fn app() -> ServiceApp<settings::Settings> {
    let about = About {
        name: "payment-processor",
        title: "Payments",
        description: "Charges and refunds orders at a payment provider, each at most once. For operators only: \
                      orders and buyers talk to ordering.",
        version: env!("CARGO_PKG_VERSION"),
        default_port: 5104,
    };
    ServiceApp::new(about)
        .database(&MIGRATIONS)
        .outbox()
        .consumer(CONSUMER, subscriptions::handlers)
        .routes(payments::handlers::routes)
        .state(state::make)
}
