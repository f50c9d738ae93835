//! One way to be a service: what it declares, and the program that this makes of it.
//!
//! ```no_run
//! use event_bus::{HandleError, Handler, Received, inbox};
//! use service_kit::app::{About, NoSettings, ServiceApp};
//! use sqlx::migrate::Migrator;
//! use sqlx::{Postgres, Transaction};
//! use std::{process::ExitCode, sync::LazyLock};
//!
//! #[derive(serde::Deserialize)]
//! #[serde(rename_all = "camelCase")]
//! struct PriceChanged { product_id: i64 }
//!
//! struct CountChanges;
//!
//! impl Handler for CountChanges {
//!     const EVENT_TYPE: &'static str = "shop.catalog.product_price_changed.v1";
//!     type Payload = PriceChanged;
//!
//!     async fn handle(
//!         &self, tx: &mut Transaction<'_, Postgres>, event: &Received<PriceChanged>,
//!     ) -> Result<(), HandleError> {
//!         let insert = sqlx::query("insert into price_change (product_id) values ($1)");
//!         insert.bind(event.data.product_id).execute(&mut **tx).await?;
//!         Ok(())
//!     }
//! }
//!
//! static MIGRATIONS: LazyLock<Migrator> =
//!     LazyLock::new(|| service_kit::database::migrations(Migrator::DEFAULT, &[inbox::MIGRATIONS]));
//!
//! #[tokio::main]
//! async fn main() -> ExitCode {
//!     let about = About {
//!         name: "trends-api",
//!         title: "Trends",
//!         description: "Counts price changes.",
//!         version: env!("CARGO_PKG_VERSION"),
//!         default_port: 5110,
//!     };
//!     ServiceApp::<NoSettings>::new(about)
//!         .database(&MIGRATIONS)
//!         .consumer("trends", |subscriber| subscriber.handle(CountChanges))
//!         .main()
//!         .await
//! }
//! ```

mod applied;
mod commands;
mod dead_letters;
mod inbox;
mod outbox;
mod running;
mod service;
mod subscription;
mod waiting;
mod waiting_command;

use std::ops::Deref;
use std::pin::Pin;
use std::process::ExitCode;

use event_bus::Subscriber;
use event_bus::consumer::SubscribeError;
use serde::de::DeserializeOwned;
use sqlx::PgPool;
use sqlx::migrate::Migrator;
use utoipa::ToSchema;
use utoipa::openapi::OpenApi;
use utoipa_actix_web::service_config::ServiceConfig;

pub use crate::server::About;
pub use applied::Applied;
pub use inbox::ReadFigure;
pub use running::Running;
pub use service::{Data, Service};
pub use subscription::Subscription;

use crate::{output, server};

/// Adds routes, and describes them for the OpenAPI document.
type Routes = fn(&mut ServiceConfig<'_>);

/// Adds the handlers of a consumer.
type Handlers = fn(Subscriber) -> Result<Subscriber, SubscribeError>;

/// Fills an empty database; returns how many things were added.
type Seed = fn(PgPool) -> Pin<Box<dyn Future<Output = anyhow::Result<usize>>>>;

/// Does one thing to the database with what the command line says, and says what it did in a line.
type Operation = fn(PgPool, Vec<String>) -> Pin<Box<dyn Future<Output = anyhow::Result<String>>>>;

/// Makes what the routes share.
type State<S> = fn(&mut Service<S>) -> anyhow::Result<Data>;

/// A service, declared: each part that is named here brings its settings, commands, routes, readiness
/// check and clean end with it.
///
/// `S` has the settings that only this service has. [`main`](Self::main) makes the program of it:
/// `run` (the default), `migrate`, `seed`, `waiting`, `openapi`, `config`, `healthcheck` and the service's own commands.
pub struct ServiceApp<S = NoSettings> {
    about: About,
    routes: Routes,
    migrations: Option<&'static Migrator>,
    has_outbox: bool,
    consumer: Option<Consumer>,
    seed: Option<Seed>,
    commands: Vec<OwnCommand>,
    state: State<S>,
}

/// A command that only this service has.
struct OwnCommand {
    name: &'static str,
    about: &'static str,
    arguments: &'static [&'static str],
    run: Operation,
}

/// A subscription to events.
struct Consumer {
    name: &'static str,
    handlers: Handlers,
    session: &'static [(&'static str, &'static str)],
}

/// For a service with the common settings only.
#[derive(Debug, Clone, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NoSettings {}

impl<S: DeserializeOwned + ToSchema + 'static> ServiceApp<S> {
    /// A service that has the operations of every service, and nothing else yet.
    pub fn new(about: About) -> Self {
        Self {
            about,
            routes: |_| {},
            migrations: None,
            has_outbox: false,
            consumer: None,
            seed: None,
            commands: Vec::new(),
            state: |_| Ok(Data::new(|_| {})),
        }
    }

    /// Adds the service's own routes.
    #[must_use]
    pub fn routes(mut self, routes: Routes) -> Self {
        self.routes = routes;
        self
    }

    /// Gives the service a database with these migrations: see [`database::migrations`](crate::database::migrations).
    #[must_use]
    pub fn database<M: Deref<Target = Migrator>>(mut self, migrations: &'static M) -> Self {
        self.migrations = Some(migrations);
        self
    }

    /// Says that the service has an outbox in its database: operators can ask for its figures.
    #[must_use]
    pub fn outbox(mut self) -> Self {
        self.has_outbox = true;
        self
    }

    /// Subscribes to events under `name`, the name of the inbox and of the queue `<name>.events`. Another
    /// name would have the whole history handled again.
    #[must_use]
    pub fn consumer(mut self, name: &'static str, handlers: Handlers) -> Self {
        self.consumer = Some(Consumer { name, handlers, session: &[] });
        self
    }

    /// Sets these settings of PostgreSQL for the sessions of the consumer.
    #[must_use]
    pub fn consumer_session(mut self, settings: &'static [(&'static str, &'static str)]) -> Self {
        if let Some(consumer) = &mut self.consumer {
            consumer.session = settings;
        }
        self
    }

    /// Adds the command `seed`, which fills an empty database.
    #[must_use]
    pub fn seed(mut self, seed: Seed) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Adds a command of the service's own, which does one thing to the database with the rights of the service.
    /// `arguments` are their names, for its help.
    #[must_use]
    pub fn command(
        mut self,
        name: &'static str,
        about: &'static str,
        arguments: &'static [&'static str],
        run: Operation,
    ) -> Self {
        self.commands.push(OwnCommand { name, about, arguments, run });
        self
    }

    /// Says how to make what the routes share.
    #[must_use]
    pub fn state(mut self, state: State<S>) -> Self {
        self.state = state;
        self
    }

    /// The program: does what the command line says. An error is one line on standard error, and exit code 1.
    pub async fn main(self) -> ExitCode {
        let name = self.about.name;
        match commands::run(self).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                output::complain(&format!("{name}: {error:#}"));
                ExitCode::FAILURE
            }
        }
    }

    /// The OpenAPI document of all routes.
    pub fn document(&self) -> OpenApi {
        server::document(&self.about, |config| self.add_routes(config))
    }

    fn add_routes(&self, config: &mut ServiceConfig<'_>) {
        (self.routes)(config);
        if self.has_outbox {
            outbox::routes(config);
        }
        if self.consumer.is_some() {
            inbox::routes(config);
        }
    }
}
