//! What operators see of mails: no address, and not what they say.

use chrono::{DateTime, Utc};
use serde::Serialize;
use service_kit::page::Window;
use service_kit::retry::retried;
use sqlx::PgPool;
use utoipa::ToSchema;
use uuid::Uuid;

use super::State;

/// A mail.
#[derive(Debug, Serialize, sqlx::FromRow, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Mail)]
pub struct MailBody {
    /// The event that led to it; its `Message-ID` begins with this.
    mail_id: Uuid,
    /// `welcome`, `address_taken`, `order_paid`, `order_cancelled`, `order_shipped` or
    /// `price_digest`.
    kind: String,
    /// Whose it is.
    user_id: String,
    state: State,
    /// Why the last try came to nothing.
    problem: Option<String>,
    /// How often it was tried.
    tries: i32,
    /// When it is tried next.
    due: Option<DateTime<Utc>>,
    /// Who has discarded it.
    discarded_by: Option<String>,
    /// Why it was discarded.
    discard_reason: Option<String>,
    created_at: DateTime<Utc>,
    changed_at: DateTime<Utc>,
}

/// Lists mails, the newest first, and counts all that fit.
pub async fn list(
    pool: &PgPool,
    state: Option<State>,
    window: Window,
) -> Result<(i64, Vec<MailBody>), sqlx::Error> {
    let count = retried(|| async {
        sqlx::query_scalar("select count(*) from mail where $1::text is null or state = $1")
            .bind(state)
            .fetch_one(pool)
            .await
    });
    let page = retried(|| async {
        sqlx::query_as(
            "select mail_id, kind, user_id, state, problem, tries, due, discarded_by, discard_reason, created_at,
                    changed_at
               from mail
              where $1::text is null or state = $1 order by created_at desc, mail_id desc offset $2 limit $3",
        )
        .bind(state)
        .bind(window.offset())
        .bind(window.limit())
        .fetch_all(pool)
        .await
    });
    Ok((count.await?, page.await?))
}

/// Whether there is such a mail.
pub async fn exists(pool: &PgPool, mail_id: Uuid) -> Result<bool, sqlx::Error> {
    retried(|| async {
        sqlx::query_scalar("select exists (select from mail where mail_id = $1)")
            .bind(mail_id)
            .fetch_one(pool)
            .await
    })
    .await
}

/// How many mails are in a state.
#[derive(Debug, sqlx::FromRow)]
pub struct Count {
    /// The state.
    pub state: State,
    /// How many.
    pub count: i64,
    /// How many of them should have been sent by now.
    pub overdue: i64,
    /// Why the last try of the oldest came to nothing.
    pub problem: Option<String>,
}

/// Counts mails by state.
pub async fn counts(pool: &PgPool, overdue_seconds: u32) -> Result<Vec<Count>, sqlx::Error> {
    retried(|| async {
        sqlx::query_as(
            "select state, count(*),
                    count(*) filter (where due is not null and created_at < now() - $1 * interval '1 second') as overdue,
                    (array_agg(problem order by created_at) filter (where problem is not null))[1] as problem
               from mail group by state order by state",
        )
        .bind(i64::from(overdue_seconds))
        .fetch_all(pool)
        .await
    })
    .await
}

/// Whether a mail has failed, or should have been sent by now.
pub async fn waits_for_an_operator(pool: &PgPool, overdue_seconds: u32) -> Result<bool, sqlx::Error> {
    retried(|| async {
        sqlx::query_scalar(
            "select exists (select from mail where state = 'failed')
                 or exists (select from mail
                             where due is not null and created_at < now() - $1 * interval '1 second')",
        )
        .bind(i64::from(overdue_seconds))
        .fetch_one(pool)
        .await
    })
    .await
}
