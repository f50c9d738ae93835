//! The service put together: server, subscriber and the hub of the streams, over one database.

use std::{net::SocketAddr, str::FromStr};

use actix_web::web;
use anyhow::Context;
use event_bus::{Subscriber, outbox::WakeUp};
use secrecy::ExposeSecret;
use service_kit::{
    auth::Verifier,
    database,
    server::{About, Readiness, Server},
    settings::DatabaseSettings,
};
use sqlx::{PgPool, migrate::Migrator, postgres::PgConnectOptions};
use tokio_util::sync::CancellationToken;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    alerts::{self, hub},
    baskets,
    products::catalog::Catalog,
    settings::Settings,
    subscriptions,
};

/// The migrations that this build needs.
pub static MIGRATIONS: Migrator = sqlx::migrate!();

/// What this service says about itself.
pub const ABOUT: About = About {
    name: "basket-api",
    title: "Basket",
    description: "Carts, and alerts about the prices of what is in them. Prices come from the catalog, never \
                  from the client; a buyer sees only their own.",
    version: env!("CARGO_PKG_VERSION"),
    default_port: 5102,
};

/// Connections of the subscriber: one for its batches, one for what it does beside them.
const SUBSCRIBER_CONNECTIONS: u32 = 2;

/// Connections of all streams together: one listens, the others read alerts.
const STREAM_CONNECTIONS: u32 = 4;

/// The connections that streams read through: their own, so that a thousand readers who hear of the same
/// price change do not stand in the way of requests.
#[derive(Debug, Clone)]
pub struct StreamPool(pub PgPool);

/// The service, ready to run.
pub struct Application {
    server: Server,
    subscriber: Subscriber,
    hub: hub::Hub,
    stream_pool: PgPool,
    stop: CancellationToken,
}

/// Adds all routes of the service.
pub fn routes(config: &mut ServiceConfig<'_>) {
    baskets::handlers::routes(config);
    alerts::handlers::routes(config);
}

impl Application {
    /// Puts the service together and listens; nothing is connected yet, so the database and the broker
    /// may be away. `stop` ends it.
    pub fn build(settings: &Settings, stop: &CancellationToken) -> anyhow::Result<Self> {
        let pool = database::connect(settings.database()?, ABOUT.name)?;
        let stream_pool = StreamPool(stream_pool(settings.database()?)?);
        let subscriber_pool = subscriber_pool(settings.database()?)?;
        let catalog = Catalog::new(&settings.catalog()?.url)?;
        let verifier = Verifier::new(&settings.auth, settings.mode)?;
        let hub = hub::Hub::new(settings.streams.max, settings.streams.max_per_buyer);

        let alerts_written = WakeUp::start_on(subscriber_pool.clone(), hub::CHANNEL, stop.clone());
        let subscriber = subscriptions::subscriber(subscriber_pool, settings.broker()?.clone())
            .after_commit(move || alerts_written.ring());

        let asked = pool.clone();
        let readiness = Readiness::new().check("database", move || {
            let pool = asked.clone();
            async move {
                database::observe(&pool);
                database::is_ready(&pool, &MIGRATIONS).await
            }
        });
        let shared = (
            web::Data::new(pool),
            web::Data::new(stream_pool.clone()),
            web::Data::new(catalog),
            web::Data::new(hub.clone()),
        );
        let with_data = move |config: &mut ServiceConfig<'_>| {
            let (pool, stream_pool, catalog, hub) = shared.clone();
            config.app_data(pool).app_data(stream_pool).app_data(catalog).app_data(hub);
            routes(config);
        };
        let server = Server::bind(&settings.http, ABOUT, verifier, readiness, with_data, stop)?;
        Ok(Self { server, subscriber, hub, stream_pool: stream_pool.0, stop: stop.clone() })
    }

    /// Where the service listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Serves and consumes until told to stop; what was begun is finished first.
    pub async fn run(self) -> anyhow::Result<()> {
        let Self { server, subscriber, hub, stream_pool, stop } = self;
        let subscriber = tokio::spawn(subscriber.run(stop.clone()));
        let hub = tokio::spawn(hub.run(stream_pool, stop.clone()));
        let served = server.run().await;
        // Also where the server failed by itself: the others must not go on without it.
        stop.cancel();
        subscriber.await.context("the subscriber failed")?;
        hub.await.context("the hub of the streams failed")?;
        served
    }
}

fn stream_pool(settings: &DatabaseSettings) -> anyhow::Result<PgPool> {
    let options = options(settings)?.application_name("basket-api streams");
    Ok(database::connect_with(options, STREAM_CONNECTIONS))
}

/// The subscriber has connections of its own, so that no load of requests holds events up, and with
/// settings of their own.
fn subscriber_pool(settings: &DatabaseSettings) -> anyhow::Result<PgPool> {
    let options = options(settings)?.application_name("basket-api subscriber").options([
        // A price change of a product in very many carts takes longer than any request may.
        ("statement_timeout", "25s"),
        // Which products a batch is about is not known when its statements are planned. Usually they are
        // in few carts of many: the planner must not bet on reading a whole table instead.
        ("enable_seqscan", "off"),
    ]);
    Ok(database::connect_with(options, SUBSCRIBER_CONNECTIONS))
}

fn options(settings: &DatabaseSettings) -> anyhow::Result<PgConnectOptions> {
    PgConnectOptions::from_str(settings.url.expose_secret())
        .context("setting database.url (APP__DATABASE__URL): not a postgres:// URL")
}
