//! How a change of the catalog begins and ends: one transaction, which also keeps the answer to a request
//! that its client may repeat.

use actix_web::HttpResponse;
use event_bus::crash_point;
use event_bus::outbox::Notifier;
use service_kit::database;
use service_kit::problem::Problem;
use sqlx::{PgPool, Postgres, Transaction};

use crate::command::Command;
use crate::idempotency::{self, Answer};

/// Begins and ends changes.
pub struct Changes {
    pool: PgPool,
    notifier: Notifier,
}

/// How a change begins.
pub enum Begin {
    /// The transaction to make the change in; [`Changes::finish`] ends it.
    New(Transaction<'static, Postgres>),
    /// The answer of an earlier request with the same `Idempotency-Key`: there is nothing to change.
    Repeated(HttpResponse),
}

impl Changes {
    /// Changes in this database; `notifier` wakes the relays after a commit.
    pub fn new(pool: PgPool, notifier: Notifier) -> Self {
        Self { pool, notifier }
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
