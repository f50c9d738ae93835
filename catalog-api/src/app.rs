//! The parts put together and served.

use std::sync::Arc;
use std::time::Duration;

use actix_web::{HttpResponse, web};
use event_bus::outbox::WakeUp;
use service_kit::auth::Verifier;
use service_kit::database;
use service_kit::problem::Problem;
use service_kit::server::{About, Readiness, Server};
use service_kit::settings::HttpSettings;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use utoipa_actix_web::scope;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::command::Command;
use crate::idempotency::{self, Answer, Known};
use crate::unit_of_work::UnitOfWork;
use crate::{MIGRATOR, classification, pictures, products};

/// What the service says about itself.
pub const ABOUT: About = About {
    name: "catalog-api",
    title: "Catalog",
    description: "Products, prices and stock. Every change is announced to the other services, reliably.",
    version: env!("CARGO_PKG_VERSION"),
    default_port: 5101,
};

/// How often the service looks after itself.
const HOUSEKEEPING: Duration = Duration::from_secs(15);
/// Answers are removed every so many rounds of housekeeping: every 10 minutes.
const ROUNDS_PER_REMOVAL: u32 = 40;

/// What the routes share. Cheap to clone.
#[derive(Clone)]
pub struct Catalog {
    pool: PgPool,
    wake_up: WakeUp,
}

impl Catalog {
    /// The database, for reading.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Does a command in one unit of work, and answers it.
    ///
    /// The effect, its announcement and, for a command that may be repeated, its answer are one
    /// transaction. A refusal (4xx) has no effect; it is kept for a repetition all the same. What
    /// failed (5xx) is not kept: it may be tried again.
    pub async fn run(
        &self,
        command: Command,
        effect: impl AsyncFnOnce(&mut UnitOfWork) -> Result<Answer, Problem>,
    ) -> Result<HttpResponse, Problem> {
        let mut work = UnitOfWork::begin(&self.pool, command.trace).await?;
        if let Some(request) = &command.request
            && let Known::Answered(answer) = idempotency::look_up(work.connection(), request).await?
        {
            return answer.respond(true);
        }
        let answer = match effect(&mut work).await {
            Ok(answer) => answer.events(work.announced()),
            Err(problem) => {
                // Rolled back before the refusal is kept, which needs a connection of its own.
                drop(work);
                if let Some(request) = &command.request
                    && problem.status().is_client_error()
                {
                    idempotency::keep_refusal(&self.pool, request, &problem).await?;
                }
                return Err(problem);
            }
        };
        if let Some(request) = &command.request {
            idempotency::keep(work.connection(), request, &answer).await?;
        }
        if !work.commit().await?.is_empty() {
            self.wake_up.ring();
        }
        answer.respond(false)
    }
}

/// The routes, without what they work on; for the documentation.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(scope::scope(products::BASE).configure(|config: &mut ServiceConfig<'_>| {
        products::routes(config);
        pictures::routes(config);
        classification::routes(config);
    }));
}

/// Listens; the server answers once it is run. Background work ends with `stop`.
pub fn bind(
    http: &HttpSettings,
    verifier: Verifier,
    pool: &PgPool,
    stop: &CancellationToken,
) -> anyhow::Result<Server> {
    let wake_up = WakeUp::start(pool.clone(), stop.clone());
    let catalog = Arc::new(Catalog { pool: pool.clone(), wake_up });
    let database = pool.clone();
    let readiness = Readiness::new().check("database", move || {
        let database = database.clone();
        async move { database::is_ready(&database, &MIGRATOR).await }
    });
    tokio::spawn(stop.clone().run_until_cancelled_owned(keep_house(pool.clone())));
    let shared = move |config: &mut ServiceConfig<'_>| {
        config.app_data(web::Data::from(catalog.clone()));
        routes(config);
    };
    Server::bind(http, ABOUT, verifier, readiness, shared, stop)
}

/// Publishes figures of the pool, and removes kept answers that are too old.
async fn keep_house(pool: PgPool) {
    let mut ticks = tokio::time::interval(HOUSEKEEPING);
    for round in 0_u32.. {
        ticks.tick().await;
        database::observe(&pool);
        if round % ROUNDS_PER_REMOVAL == 0 {
            match idempotency::remove_old(&pool).await {
                Ok(0) => {}
                Ok(removed) => tracing::debug!(removed, "removed kept answers that were too old"),
                Err(error) => tracing::warn!(%error, "kept answers could not be removed"),
            }
        }
    }
}
