//! What the routes share: how a change begins and ends.

use std::sync::Arc;
use std::time::Duration;

use actix_web::{HttpResponse, web};
use event_bus::{crash_point, outbox::Notifier};
use service_kit::app::{Data, NoSettings, Service};
use service_kit::database;
use service_kit::loader::Loader;
use service_kit::problem::Problem;
use sqlx::{PgPool, Postgres, Transaction};

use crate::command::Command;
use crate::idempotency::{self, Answer};
use crate::products::{Product, ProductId, store};

/// How often kept answers that are too old are removed.
const REMOVAL: Duration = Duration::from_mins(10);

/// What the routes of one worker thread share.
pub struct Catalog {
    pool: PgPool,
    notifier: Arc<Notifier>,
    products: Loader<ProductId, Product>,
}

/// How a change begins.
pub enum Begin {
    /// The transaction to make the change in; [`Catalog::finish`] ends it.
    New(Transaction<'static, Postgres>),
    /// The answer of an earlier request with the same `Idempotency-Key`: there is nothing to change.
    Repeated(HttpResponse),
}

impl Catalog {
    fn new(pool: PgPool, notifier: Arc<Notifier>) -> Self {
        let for_reading = pool.clone();
        let products = Loader::new(move |ids| store::find_all(for_reading.clone(), ids));
        Self { pool, notifier, products }
    }

    /// Finds a product.
    pub async fn product(&self, id: ProductId) -> Result<Option<Product>, Problem> {
        self.products.load(id).await
    }

    /// The database, for reading.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Begins the transaction of a change.
    pub async fn begin(&self, command: &Command) -> Result<Begin, Problem> {
        crash_point!("catalog.before_transaction");
        let mut tx = database::begin(&self.pool).await?;
        if let Some(request) = &command.request
            && let Some(answer) = idempotency::find(&mut tx, request).await?
        {
            return answer.respond(true).map(Begin::Repeated);
        }
        Ok(Begin::New(tx))
    }

    /// Commits a change together with its answer, which a repetition of the request gets again; then
    /// wakes the relay.
    ///
    /// A refusal (4xx) is kept for a repetition too: it comes before the first write. A failure (5xx) is
    /// rolled back, and the request may be tried again.
    pub async fn finish(
        &self,
        mut tx: Transaction<'static, Postgres>,
        command: &Command,
        outcome: Result<Answer, Problem>,
    ) -> Result<HttpResponse, Problem> {
        let answer = match &outcome {
            Ok(answer) => answer,
            Err(problem) if problem.status().is_client_error() && command.request.is_some() => {
                &Answer::refusal(problem)?
            }
            Err(_) => return outcome.and_then(|answer| answer.respond(false)),
        };
        if let Some(request) = &command.request {
            idempotency::keep(&mut tx, request, answer).await?;
        }
        crash_point!("catalog.before_commit");
        tx.commit().await?;
        crash_point!("catalog.after_commit");
        if answer.has_events() {
            self.notifier.notify();
        }
        outcome?.respond(false)
    }
}

/// Makes the state, and starts what removes kept answers that are too old.
pub(crate) fn make(service: &mut Service<NoSettings>) -> anyhow::Result<Data> {
    let pool = service.pool()?;
    let notifier = Arc::new(service.outbox_notifier()?);
    let removal = service.stop.clone().run_until_cancelled_owned(remove_old_answers(pool.clone()));
    service.background("the removal of old answers", async { removal.await.unwrap_or_default() });
    Ok(Data::new(move |config| {
        config.app_data(web::Data::new(Catalog::new(pool.clone(), Arc::clone(&notifier))));
    }))
}

/// Removes kept answers that are too old, without end.
async fn remove_old_answers(pool: PgPool) {
    let mut ticks = tokio::time::interval(REMOVAL);
    loop {
        ticks.tick().await;
        match idempotency::remove_old(&pool).await {
            Ok(0) => {}
            Ok(removed) => tracing::debug!(removed, "removed kept answers that were too old"),
            Err(error) => tracing::warn!(%error, "kept answers could not be removed"),
        }
    }
}
