//! Users: registration, sign-in, and the keys that tokens are signed with.
//!
//! | module | job |
//! |---|---|
//! | [`users`] | a user: the commands and queries, a subject a file, their events and routes |
//! | [`sessions`] | sign-in: password for token, slowed down for those who guess |
//! | [`keys`] | the keys that sign tokens, their rotation, and what is published of them |
//! | [`limits`] | how often a client may try |
//! | [`passwords`] | which passwords are taken, and their hashes |
//! | [`subscriptions`] | the events of this service's own that it handles |
//! | [`settings`] | the settings that only this service has |
//!
//! To register is a command that travels over the outbox and the broker, and comes back to this service: whoever asks
//! gets 202, whether the address is taken or not. The command has the user's id alone. Name, address and the hash of the
//! password wait in a table.

use std::sync::LazyLock;

use event_bus::{inbox, outbox};
use service_kit::app::{About, ServiceApp};
use sqlx::migrate::Migrator;

pub mod keys;
pub mod limits;
pub mod passwords;
pub mod sessions;
pub mod settings;
mod state;
pub mod subscriptions;
pub mod users;

/// The name under which this service subscribes: its queue is `accounts.events`, and its inbox rows bear it.
pub const CONSUMER: &str = "accounts";

/// The migrations of this service, with those of its inbox and its outbox.
pub static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    service_kit::database::migrations(sqlx::migrate!(), &[inbox::MIGRATIONS, outbox::MIGRATIONS])
});

/// The service.
pub fn app() -> ServiceApp<settings::Settings> {
    let about = About {
        name: "accounts-api",
        title: "Accounts",
        description: "Users: registration, the proof of an address, sign-in, erasure. Publishes the keys that all \
                      services check tokens with.",
        version: env!("CARGO_PKG_VERSION"),
        default_port: 5105,
    };
    ServiceApp::new(about)
        .database(&MIGRATIONS)
        .outbox()
        .consumer(CONSUMER, subscriptions::handlers)
        .routes(|config| {
            users::handlers::routes(config);
            sessions::handlers::routes(config);
            keys::handlers::routes(config);
        })
        .command(
            "rotate-key",
            "Sign with a new key; the one before it counts until its tokens have expired",
            &[],
            |pool, _| Box::pin(keys::store::rotate_key(pool)),
        )
        .command(
            "withdraw-keys",
            "Publish only the present key: what others have signed counts no more",
            &[],
            |pool, _| Box::pin(keys::store::withdraw_keys(pool)),
        )
        .command(
            "grant",
            "Say what the tokens of a validated user allow, as in: grant olga@example.org 'ops orders:ship'",
            &["EMAIL", "SCOPES"],
            |pool, arguments| Box::pin(users::grant::from_command_line(pool, arguments)),
        )
        .state(state::make)
}
