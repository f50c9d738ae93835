//! The smallest service: it notes the prices that products change to, and lists them.
//!
//! A test adds it to the shop by its stanza in `services.toml` alone. `prices.rs` is what it is about; the rest is
//! what every service has.

mod prices;

use std::{borrow::Cow, process::ExitCode};

use actix_web::web;
use anyhow::{bail, ensure};
use event_bus::{Subscriber, consumer::ConsumerHealth, inbox};
use serde::Deserialize;
use service_kit::{
    auth::Verifier,
    database, healthcheck,
    server::{About, Readiness, Server},
    settings::{self, AuthSettings, BrokerSettings, DatabaseSettings, HttpSettings, LogSettings, Mode},
    shutdown, telemetry,
};
use sqlx::{
    PgPool, SqlSafeStr,
    migrate::{Migration, MigrationType, Migrator},
};

/// What this service says about itself.
const ABOUT: About = About {
    name: "example-api",
    title: "Example",
    description: "The prices that products changed to.",
    version: env!("CARGO_PKG_VERSION"),
    default_port: 5110,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    #[serde(default)]
    mode: Mode,
    #[serde(default)]
    http: HttpSettings,
    #[serde(default)]
    log: LogSettings,
    #[serde(default)]
    auth: AuthSettings,
    database: DatabaseSettings,
    broker: BrokerSettings,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(std::env::args().nth(1).as_deref()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Option<&str>) -> anyhow::Result<()> {
    let settings: Settings = settings::load(None)?;
    telemetry::init(&settings.log)?;
    match command.unwrap_or("run") {
        "run" => serve(&settings).await,
        "migrate" => database::migrate(&settings.database, &migrations()).await,
        "healthcheck" => healthcheck::run(&settings.http, ABOUT.default_port).await,
        other => bail!("there is no subcommand {other}: there are run, migrate and healthcheck"),
    }
}

async fn serve(settings: &Settings) -> anyhow::Result<()> {
    telemetry::recorder()?;
    let stop = shutdown::on_signal()?;
    let pool = database::connect(&settings.database, ABOUT.name)?;
    let subscriber =
        Subscriber::new("example", pool.clone(), settings.broker.config()).handle(prices::NotePrice)?;
    let readiness = readiness(&pool, &subscriber.health());
    let verifier = Verifier::new(&settings.auth, settings.mode)?;
    let data = web::Data::new(pool);
    let routes = move |config: &mut utoipa_actix_web::service_config::ServiceConfig<'_>| {
        config.app_data(data.clone()).service(prices::list_prices);
    };
    let server = Server::bind(&settings.http, ABOUT, verifier, readiness, routes, &stop)?;
    let subscriber = tokio::spawn(subscriber.run(stop.clone()));
    let outcome = server.run().await;
    stop.cancel();
    subscriber.await?;
    outcome
}

/// Ready means: the database is there, and the queue is bound, so that no event is missed.
fn readiness(pool: &PgPool, health: &ConsumerHealth) -> Readiness {
    let (pool, health) = (pool.clone(), health.clone());
    Readiness::new()
        .check("database", move || {
            let pool = pool.clone();
            async move { database::is_ready(&pool, &migrations()).await }
        })
        .check("subscription", move || {
            let has_subscribed = health.has_subscribed();
            async move {
                ensure!(has_subscribed, "the queue is not bound yet");
                Ok(())
            }
        })
}

/// The inbox's migrations and the service's own.
fn migrations() -> Migrator {
    let inbox = inbox::MIGRATIONS.iter().map(|migration| {
        let (description, sql) = (Cow::Borrowed(migration.description), migration.sql.into_sql_str());
        Migration::new(migration.version, description, MigrationType::Simple, sql, false)
    });
    let own = sqlx::migrate!();
    Migrator::with_migrations(inbox.chain(own.iter().cloned()).collect())
}
