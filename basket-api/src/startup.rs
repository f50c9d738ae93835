//! The service put together: server, subscriber and the hub of the streams, over one database.

use std::{net::SocketAddr, str::FromStr, time::Duration};

use actix_web::web;
use anyhow::{Context, ensure};
use event_bus::{Subscriber, outbox::Notifier, rabbitmq::QueueAdmin};
use secrecy::ExposeSecret;
use service_kit::{
    auth::Verifier,
    database,
    server::{About, Readiness, Server},
    settings::DatabaseSettings,
    statements::Statements,
    telemetry,
};
use sqlx::{PgPool, migrate::Migrator, postgres::PgConnectOptions};
use tokio_util::sync::CancellationToken;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    alerts::{self, hub, lookout},
    baskets, operations,
    products::{catalog::Catalog, look_up::LookUp},
    settings::Settings,
    subscriptions::{self, CONSUMER, Subscription},
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

/// Connections of the subscriber: one for its batches, one for what it does beside them. Its own, so that no
/// load of requests holds events up.
const SUBSCRIBER_CONNECTIONS: u32 = 2;

/// Connections of all streams together: one listens, the others read alerts.
const STREAM_CONNECTIONS: u32 = 4;

/// How long the database may take to close its connections.
const FAREWELL: Duration = Duration::from_secs(2);

/// The connections that streams read through: their own, so that a thousand readers who hear of the same
/// price change do not stand in the way of requests.
#[derive(Debug, Clone)]
pub struct StreamPool(pub PgPool);

/// The service, ready to run.
pub struct Application {
    server: Server,
    subscriber: Subscriber,
    hub: hub::Hub,
    pools: Pools,
    stop: CancellationToken,
}

/// Who has connections to the database.
struct Pools {
    requests: PgPool,
    streams: StreamPool,
    subscriber: PgPool,
}

/// Adds all routes of the service.
pub fn routes(config: &mut ServiceConfig<'_>) {
    baskets::handlers::routes(config);
    alerts::handlers::routes(config);
    operations::handlers::routes(config);
}

impl Application {
    /// Puts the service together and listens; nothing is connected yet, so the database and the broker
    /// may be away. `stop` ends it.
    pub fn build(settings: &Settings, stop: &CancellationToken) -> anyhow::Result<Self> {
        // First of all: what is counted before there is a recorder is lost.
        telemetry::recorder()?;
        alerts::describe_metrics();
        let pools = Pools::new(settings.database()?)?;
        let catalog = Catalog::new(&settings.catalog()?.url)?;
        let verifier = Verifier::new(&settings.auth, settings.mode)?;
        let hub = hub::Hub::new(settings.streams.max, settings.streams.max_per_buyer);

        let alerts_written = Notifier::start_on(pools.subscriber.clone(), lookout::CHANNEL, stop.clone());
        let subscriber = subscriptions::subscriber(pools.subscriber.clone(), settings.broker()?.config())?
            .after_commit(move || alerts_written.notify());

        let queue_admin = QueueAdmin::new(CONSUMER, settings.broker()?.config());
        let health = subscriber.health();
        let subscription = Subscription::new(health.clone(), pools.requests.clone());
        let readiness = readiness(&pools.requests, &subscription);
        let look_up = LookUp { pool: pools.requests.clone(), catalog, subscription };
        let shared = (
            web::Data::new(pools.requests.clone()),
            web::Data::new(pools.streams.clone()),
            web::Data::new(look_up),
            web::Data::new(hub.clone()),
            web::Data::new(health),
            web::Data::new(queue_admin),
        );
        let statements = Statements::beside(&pools.requests)?;
        let with_data = move |config: &mut ServiceConfig<'_>| {
            let (pool, stream_pool, look_up, hub, health, queue_admin) = shared.clone();
            config.app_data(web::Data::new(baskets::store::baskets(statements.clone())));
            config.app_data(pool).app_data(stream_pool).app_data(look_up).app_data(hub);
            config.app_data(health).app_data(queue_admin);
            routes(config);
        };
        let server = Server::bind(&settings.http, ABOUT, verifier, readiness, with_data, stop)?;
        Ok(Self { server, subscriber, hub, pools, stop: stop.clone() })
    }

    /// Where the service listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Serves and consumes until told to stop; what was begun is finished first.
    pub async fn run(self) -> anyhow::Result<()> {
        let Self { server, subscriber, hub, pools, stop } = self;
        let subscriber = tokio::spawn(subscriber.run(stop.clone()));
        let hub = tokio::spawn(hub.run(pools.streams.0.clone(), stop.clone()));
        // Where one of them ends by itself the others must not go on without it: a process that is gone is
        // seen and started again, one that serves and hears nothing is not.
        let (served, consumed, streamed) =
            tokio::join!(stopping(server.run(), &stop), stopping(subscriber, &stop), stopping(hub, &stop),);
        consumed.context("the subscriber failed")?;
        streamed.context("the hub of the streams failed")?;
        pools.close().await;
        served
    }
}

/// Runs a part of the service, and stops the others when it ends.
async fn stopping<T>(part: impl Future<Output = T>, stop: &CancellationToken) -> T {
    let outcome = part.await;
    stop.cancel();
    outcome
}

/// Ready means: the database is there, and no event can be missed any more. A broker that goes away later
/// makes nothing unready: carts are served without it, as new as the last event.
fn readiness(pool: &PgPool, subscription: &Subscription) -> Readiness {
    let (pool, asked, shown) = (pool.clone(), subscription.clone(), subscription.clone());
    Readiness::new()
        .check("database", move || {
            let pool = pool.clone();
            async move {
                database::observe(&pool);
                database::is_ready(&pool, &MIGRATIONS).await
            }
        })
        .check("subscription", move || {
            let subscription = asked.clone();
            async move {
                ensure!(subscription.is_established().await?, "the queue has never been bound yet");
                Ok(())
            }
        })
        .show("consumer", move || shown.is_connected())
}

impl Pools {
    fn new(settings: &DatabaseSettings) -> anyhow::Result<Self> {
        let options = PgConnectOptions::from_str(settings.url.expose_secret())
            .context("setting database.url (APP__DATABASE__URL): not a postgres:// URL")?;
        let streams = options.clone().application_name("basket-api streams");
        let subscriber = options.application_name("basket-api subscriber").options([
            // A price change of a product in a million carts takes longer than any request may. Where the
            // subscriber has given a statement up, the server is to notice.
            ("statement_timeout", "5min"),
            ("client_connection_check_interval", "5s"),
            // Statements are planned once, not for each batch: planning is most of what a small one costs. Which
            // products a batch is about is not known then. Usually they are in few carts of many, and then all
            // that must not happen is that a whole table is read; where they are in very many, looking each
            // cart up costs little more. So: rows are looked up by index, one after another. A plan that was made while
            // the tables were empty is kept until they are analyzed for the first time.
            ("plan_cache_mode", "force_generic_plan"),
            ("enable_seqscan", "off"),
            ("enable_hashjoin", "off"),
            ("enable_mergejoin", "off"),
            // Would make room for all groups that there might be before it has seen one.
            ("enable_hashagg", "off"),
            ("jit", "off"),
        ]);
        Ok(Self {
            requests: database::connect(settings, ABOUT.name)?,
            streams: StreamPool(database::connect_with(streams, STREAM_CONNECTIONS)),
            subscriber: database::connect_with(subscriber, SUBSCRIBER_CONNECTIONS),
        })
    }

    /// Takes leave of the database; one that does not answer is left without.
    async fn close(self) {
        let closed = async {
            tokio::join!(self.requests.close(), self.streams.0.close(), self.subscriber.close());
        };
        if tokio::time::timeout(FAREWELL, closed).await.is_err() {
            tracing::debug!("the database did not take leave in time");
        }
    }
}
