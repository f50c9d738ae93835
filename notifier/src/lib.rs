//! Sends the shop's mails.
//!
//! | module | job |
//! |---|---|
//! | [`addressees`] | who has which address |
//! | [`mails`] | a mail: what it says, its row, the operator's routes |
//! | [`smtp`] | the mail server, and what its answers mean |
//! | [`subscriptions`] | the events that lead to mails |
//! | [`delivery`] | takes mails that are due, sends them, records the outcome |
//! | [`settings`] | the settings that only this service has |
//!
//! Sending and a commit can never be one step. So an event only writes a row, and the worker sends it with a `Message-ID`
//! that is the event's: what is sent again after a crash is seen to be the same mail.

use std::sync::LazyLock;

use event_bus::inbox;
use service_kit::app::{About, ServiceApp};
use sqlx::migrate::Migrator;

pub mod addressees;
pub mod delivery;
pub mod mails;
pub mod settings;
pub mod smtp;
mod state;
pub mod subscriptions;

/// The name under which this service subscribes: its queue is `notifier.events`, and its inbox rows bear it.
pub const CONSUMER: &str = "notifier";

/// The migrations of this service, with those of its inbox.
pub static MIGRATIONS: LazyLock<Migrator> =
    LazyLock::new(|| service_kit::database::migrations(sqlx::migrate!(), &[inbox::MIGRATIONS]));

/// The service.
pub fn app() -> ServiceApp<settings::Settings> {
    let about = About {
        name: "notifier",
        title: "Mail",
        description: "Sends the shop's mails. For operators only: what is sent follows from events.",
        version: env!("CARGO_PKG_VERSION"),
        default_port: 5106,
    };
    ServiceApp::new(about)
        .database(&MIGRATIONS)
        .consumer(CONSUMER, subscriptions::handlers)
        .routes(mails::handlers::routes)
        .state(state::make)
}
