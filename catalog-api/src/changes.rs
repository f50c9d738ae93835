//! How a change of the catalog begins and ends: one transaction, which also keeps the answer to a request
//! that its client may repeat.

use actix_web::HttpResponse;
use event_bus::crash_point;
use event_bus::outbox::Notifier;
use service_kit::database;
use service_kit::problem::Problem;
use service_kit::retry::retried;
use sqlx::{PgPool, Postgres, Transaction};

use crate::command::Command;
use crate::idempotency::{self, Answer};

/// Begins and ends changes.
pub struct Changes {
    pool: PgPool,
    notifier: Notifier,
}

impl Changes {
    /// Changes in this database; `notifier` wakes the relays after a commit.
    pub fn new(pool: PgPool, notifier: Notifier) -> Self {
        Self { pool, notifier }
    }

    /// Makes a change in a transaction, and commits it together with its answer, which a repetition of the request
    /// gets again; then wakes the relay. An answer that was kept before is given without a change.
    ///
    /// A refusal (4xx) is kept for a repetition too: it comes before the first write. A failure (5xx) is
    /// rolled back, and the request may be tried again; after a lost race or an outdated prepared statement that is done
    /// here, at once.
    pub async fn make(
        &self,
        command: &Command,
        change: impl AsyncFn(&mut Transaction<'static, Postgres>) -> Result<Answer, Problem>,
    ) -> Result<HttpResponse, Problem> {
        retried(|| self.try_to_make(command, &change)).await
    }

    async fn try_to_make(
        &self,
        command: &Command,
        change: &impl AsyncFn(&mut Transaction<'static, Postgres>) -> Result<Answer, Problem>,
    ) -> Result<HttpResponse, Problem> {
        crash_point!("catalog.before_transaction");
        let mut tx = database::begin(&self.pool).await?;
        if let Some(request) = &command.request
            && let Some(answer) = idempotency::find(&mut tx, request).await?
        {
            return answer.respond(true);
        }
        let (answer, refusal) = match change(&mut tx).await {
            Ok(answer) => (answer, None),
            // It came before the first write: the commit keeps its answer, and nothing else.
            Err(problem) if problem.status().is_client_error() && command.request.is_some() => {
                (Answer::refusal(&problem)?, Some(problem))
            }
            // Dropping the transaction rolls it back.
            Err(problem) => return Err(problem),
        };
        if let Some(request) = &command.request {
            idempotency::keep(&mut tx, request, &answer).await?;
        }
        crash_point!("catalog.before_commit");
        tx.commit().await?;
        crash_point!("catalog.after_commit");
        if answer.has_events() {
            self.notifier.notify();
        }
        refusal.map_or_else(|| answer.respond(false), Err)
    }
}
