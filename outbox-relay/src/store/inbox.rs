//! A subscriber's inbox, read for `show`, `audit`, `restore` and `replay --missing`.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgExecutor;
use uuid::Uuid;

/// An entry of an inbox.
#[derive(Debug, Serialize, sqlx::FromRow, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Receipt {
    /// When it was entered.
    pub(crate) received_at: DateTime<Utc>,
    /// The broker's flag at the delivery that was entered.
    pub(crate) redelivered: bool,
    /// Whether it has had its effect.
    pub(crate) applied: bool,
    /// That, or why it has not, in words.
    pub(crate) effect: String,
}

/// Which of these events a subscriber has received.
pub(crate) async fn received(
    db: impl PgExecutor<'_>,
    consumer: &str,
    ids: &[Uuid],
) -> Result<HashSet<Uuid>, sqlx::Error> {
    let received =
        sqlx::query_scalar("select event_id from inbox where consumer = $1 and event_id = any($2)")
            .bind(consumer)
            .bind(ids)
            .fetch_all(db)
            .await?;
    Ok(received.into_iter().collect())
}

/// An event that a subscriber has received.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct ReceivedEvent {
    pub(crate) event_id: Uuid,
    pub(crate) event_type: String,
    pub(crate) key: String,
    pub(crate) key_version: i64,
}

/// Reads the next `limit` events of a source that a subscriber received at `from` or later, by id.
pub(crate) async fn received_after(
    db: impl PgExecutor<'_>,
    consumer: &str,
    source: &str,
    from: DateTime<Utc>,
    after: Uuid,
    limit: i64,
) -> Result<Vec<ReceivedEvent>, sqlx::Error> {
    sqlx::query_as(
        "select event_id, event_type, key, key_version from inbox
          where consumer = $1 and source = $2 and received_at >= $3 and event_id > $4
          order by event_id limit $5",
    )
    .bind(consumer)
    .bind(source)
    .bind(from)
    .bind(after)
    .bind(limit)
    .fetch_all(db)
    .await
}

/// Whether a subscriber ever received an event of this type: the version guard outlives the inbox's rows.
pub(crate) async fn ever_received(
    db: impl PgExecutor<'_>,
    consumer: &str,
    event_type: &str,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("select exists (select from inbox_version where consumer = $1 and event_type = $2)")
        .bind(consumer)
        .bind(event_type)
        .fetch_one(db)
        .await
}

/// The entry of one event; `None` if the inbox does not have it.
pub(crate) async fn find(
    db: impl PgExecutor<'_>,
    consumer: &str,
    id: Uuid,
) -> Result<Option<Receipt>, sqlx::Error> {
    sqlx::query_as(
        "select received_at, inbox.redelivered, applied,
                case when applied then 'applied'
                     when skipped_by is not null then concat('skipped by ', skipped_by, ': ', skip_reason)
                     when blocked_at is not null then concat('blocks its key after ', failures, ' failures: ', reason)
                     when reason is not null then concat('waits for another try after ', failures, ' failures: ', reason)
                     when waiting.event_id is not null then 'waits behind an earlier event of its key'
                     else 'no effect: a newer event of its key was known' end as effect
           from inbox left join inbox_waiting as waiting using (consumer, event_id)
          where consumer = $1 and event_id = $2",
    )
    .bind(consumer)
    .bind(id)
    .fetch_optional(db)
    .await
}
