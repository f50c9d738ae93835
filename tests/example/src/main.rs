//! The smallest service: it notes the prices that products change to, and lists them.
//!
//! A test adds it to the shop by its stanza in `services.toml` alone. `prices.rs` is its domain.

mod prices;

use std::process::ExitCode;
use std::sync::LazyLock;

use event_bus::inbox;
use service_kit::app::{About, NoSettings, ServiceApp};
use sqlx::migrate::Migrator;

static MIGRATIONS: LazyLock<Migrator> =
    LazyLock::new(|| service_kit::database::migrations(sqlx::migrate!(), &[inbox::MIGRATIONS]));

#[tokio::main]
async fn main() -> ExitCode {
    let about = About {
        name: "example-api",
        title: "Example",
        description: "The prices that products changed to.",
        version: env!("CARGO_PKG_VERSION"),
        default_port: 5110,
    };
    ServiceApp::<NoSettings>::new(about)
        .database(&MIGRATIONS)
        .consumer("example", |subscriber| subscriber.handle(prices::NotePrice))
        .routes(|config| {
            config.service(prices::list_prices);
        })
        .main()
        .await
}
