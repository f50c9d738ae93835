//! The parts put together and served.

use std::sync::Arc;
use std::time::Duration;

use actix_web::{HttpResponse, web};
use event_bus::outbox::Notifier;
use service_kit::auth::Verifier;
use service_kit::database;
use service_kit::loader::Loader;
use service_kit::problem::Problem;
use service_kit::server::{About, Readiness, Server};
use service_kit::settings::HttpSettings;
use service_kit::statements::Statements;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use utoipa_actix_web::scope;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::command::Command;
use crate::idempotency::{self, Answer, Known};
use crate::products::{Item, ProductId};
use crate::unit_of_work::{CommitError, Locking, UnitOfWork};
use crate::{MIGRATOR, classification, operations, pictures, products};

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

/// What the routes of one worker thread share.
pub struct Catalog {
    pool: PgPool,
    statements: Statements,
    notifier: Arc<Notifier>,
    products: Loader<ProductId, Item>,
}

impl Catalog {
    fn new(pool: PgPool, statements: Statements, notifier: Arc<Notifier>) -> Self {
        let for_reading = statements.clone();
        let products = Loader::new(move |ids| products::find_all(for_reading.clone(), ids));
        Self { pool, statements, notifier, products }
    }

    /// Products, by their ids.
    pub fn products(&self) -> &Loader<ProductId, Item> {
        &self.products
    }

    /// The database, for reading.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Does a command in one unit of work, and answers it.
    ///
    /// The effect, its announcement and, for a command that may be repeated, its answer are one
    /// transaction. A refusal (4xx) has no effect; it is kept for a repetition all the same. What
    /// failed (5xx) is not kept: it may be tried again.
    ///
    /// A command whose answer is not kept is tried without a lock first, which costs the database the
    /// least. `effect` is then called a second time if somebody else was faster.
    pub async fn run(
        &self,
        command: Command,
        effect: impl AsyncFn(&mut UnitOfWork) -> Result<Answer, Problem>,
    ) -> Result<HttpResponse, Problem> {
        let pessimistic = Locking::Pessimistic(&self.pool);
        let first =
            if command.request.is_some() { pessimistic } else { Locking::Optimistic(&self.statements) };
        for locking in [first, pessimistic] {
            if let Some(response) = self.attempt(&command, locking, &effect).await? {
                return Ok(response);
            }
        }
        Err(CommitError::Overtaken.into())
    }

    /// `None`: somebody else was faster, and nothing has happened.
    async fn attempt(
        &self,
        command: &Command,
        locking: Locking<'_>,
        effect: &impl AsyncFn(&mut UnitOfWork) -> Result<Answer, Problem>,
    ) -> Result<Option<HttpResponse>, Problem> {
        let mut work = UnitOfWork::begin(locking, command.trace.clone()).await?;
        if let Some(request) = &command.request
            && let Known::Answered(answer) = idempotency::look_up(work.connection().await?, request).await?
        {
            return answer.respond(true).map(Some);
        }
        let answer = match effect(&mut work).await {
            Ok(answer) => answer.events(work.announced()),
            Err(problem) => {
                // Rolled back before the refusal is kept, which needs a connection of its own.
                drop(work);
                if let Some(request) = &command.request
                    && problem.status().is_client_error()
                {
                    // Boxed, since it is rare, and would make every command's future three times as long.
                    Box::pin(idempotency::keep_refusal(&self.pool, request, &problem)).await?;
                }
                return Err(problem);
            }
        };
        if let Some(request) = &command.request {
            idempotency::keep(work.connection().await?, request, &answer).await?;
        }
        match work.commit().await {
            Ok(announced) if announced.is_empty() => {}
            Ok(_) => self.notifier.notify(),
            Err(CommitError::Overtaken) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        answer.respond(false).map(Some)
    }
}

/// The routes, without what they work on; for the documentation.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(scope::scope(products::BASE).configure(|config: &mut ServiceConfig<'_>| {
        products::routes(config);
        pictures::routes(config);
        classification::routes(config);
    }));
    operations::routes(config);
}

/// Listens; the server answers once it is run. Background work ends with `stop`.
pub fn bind(
    http: &HttpSettings,
    verifier: Verifier,
    pool: &PgPool,
    stop: &CancellationToken,
) -> anyhow::Result<Server> {
    let notifier = Arc::new(Notifier::start(pool.clone(), stop.clone()));
    let (shared, statements) = (pool.clone(), Statements::beside(pool)?);
    let database = pool.clone();
    let readiness = Readiness::new().check("database", move || {
        let database = database.clone();
        async move { database::is_ready(&database, &MIGRATOR).await }
    });
    tokio::spawn(stop.clone().run_until_cancelled_owned(keep_house(pool.clone())));
    let with_data = move |config: &mut ServiceConfig<'_>| {
        let catalog = Catalog::new(shared.clone(), statements.clone(), Arc::clone(&notifier));
        config.app_data(web::Data::new(catalog));
        routes(config);
    };
    Server::bind(http, ABOUT, verifier, readiness, with_data, stop)
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
