//! Events as an operator sees them, and the operator's decisions about failed ones.

use chrono::{DateTime, Utc};
use event_bus::TraceContext;
use serde_json::value::RawValue;
use sqlx::{PgExecutor, types::Json};
use uuid::Uuid;

/// The columns of a [`LoggedEvent`].
macro_rules! columns {
    () => {
        concat!(
            "event_id, event_type, key, key_version, partition, state, times_sent, last_error, skipped_by, skip_reason,
             headers::text as headers, payload, ",
            readable!("created_at"),
            ", ",
            readable!("published_at"),
            ", ",
            readable!("skipped_at")
        )
    };
}

/// An event as an operator sees it.
#[derive(Debug, Clone, serde::Serialize, sqlx::FromRow, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LoggedEvent {
    /// The event's id.
    pub(crate) event_id: Uuid,
    /// Its type.
    pub(crate) event_type: String,
    /// What it is about.
    pub(crate) key: String,
    /// The version that the change gave the key.
    pub(crate) key_version: i64,
    /// The partition of the key.
    pub(crate) partition: i16,
    /// `NotPublished`, `Published` or `PublishedFailed`.
    pub(crate) state: String,
    /// How often the broker has confirmed it.
    pub(crate) times_sent: i32,
    /// When it was written.
    pub(crate) created_at: DateTime<Utc>,
    /// When the broker first confirmed it.
    pub(crate) published_at: Option<DateTime<Utc>>,
    /// Why it failed.
    pub(crate) last_error: Option<String>,
    /// When an operator skipped it.
    pub(crate) skipped_at: Option<DateTime<Utc>>,
    /// Who skipped it.
    pub(crate) skipped_by: Option<String>,
    /// The operator's reason.
    pub(crate) skip_reason: Option<String>,
    /// The trace that caused it.
    #[sqlx(try_from = "String")]
    pub(crate) headers: TraceContext,
    /// Its payload.
    #[schema(value_type = Object)]
    pub(crate) payload: Json<Box<RawValue>>,
}

/// The states of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Deserialize, utoipa::ToSchema)]
#[value(rename_all = "verbatim")]
pub(crate) enum State {
    /// Pending.
    NotPublished,
    /// Confirmed by the broker.
    Published,
    /// Failed, or skipped by an operator.
    PublishedFailed,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::NotPublished => "NotPublished",
            Self::Published => "Published",
            Self::PublishedFailed => "PublishedFailed",
        }
    }
}

/// Which events to list; a field that is `None` does not filter.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    pub(crate) state: Option<State>,
    pub(crate) event_type: Option<String>,
    pub(crate) key: Option<String>,
}

/// Where a page of a list begins.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Before {
    /// With the newest event.
    End,
    /// With the one before this position.
    Position(i64),
    /// With the newest that was written before this time: for a page that ended in another log.
    Time(DateTime<Utc>),
}

/// Lists the newest `limit` events that match, by their position in the log: ids need not rise with it.
pub(crate) async fn list(
    db: impl PgExecutor<'_>,
    filter: &Filter,
    before: Before,
    limit: i64,
) -> Result<Vec<LoggedEvent>, sqlx::Error> {
    let (position, time) = match before {
        Before::End => (None, None),
        Before::Position(position) => (Some(position), None),
        Before::Time(time) => (None, Some(time)),
    };
    // One part for each of the indexes that have the positions of some of the states, as far as it can have any.
    let part = |states: &str, more: &str| {
        format!(
            "(select * from integration_event_log
               where {states} {more}
                 and ($1::text is null or state = $1) and ($2::text is null or event_type = $2)
                 and ($3::text is null or key = $3) and ($4::bigint is null or position < $4)
                 and ($5::timestamptz is null or created_at < $5)
               order by position desc limit $6)"
        )
    };
    let settled = part("(state = 'Published' or skipped_at is not null)", "");
    let pending = |more| part("state = 'NotPublished'", more);
    let failed = part("state = 'PublishedFailed' and skipped_at is null", "");
    // Older events than a whole page of settled ones are not looked for: there are many entries of published events among
    // those of pending ones, until a vacuum removes them.
    let newer = "and position > coalesce((select min(position) from settled having count(*) = $6), 0)";
    let (settled, parts) = match filter.state {
        Some(State::NotPublished) => (None, vec![pending("")]),
        Some(State::Published) => (Some(settled), Vec::new()),
        Some(State::PublishedFailed) => (Some(settled), vec![failed]),
        None => (Some(settled), vec![pending(newer), failed]),
    };
    let with =
        settled.as_ref().map(|part| format!("with settled as materialized {part} ")).unwrap_or_default();
    let settled = settled.map(|_| "(select * from settled)".to_owned());
    let parts: Vec<String> = parts.into_iter().chain(settled).collect();
    let sql = format!(
        "{with}select {} from ({}) as log order by position desc limit $6",
        columns!(),
        parts.join(" union all ")
    );
    sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(filter.state.map(State::name))
        .bind(&filter.event_type)
        .bind(&filter.key)
        .bind(position)
        .bind(time)
        .bind(limit)
        .fetch_all(db)
        .await
}

/// The position of an event in the log, and when it was written; `None` if the log does not have it.
pub(crate) async fn place(
    db: impl PgExecutor<'_>,
    event_id: Uuid,
) -> Result<Option<(i64, DateTime<Utc>)>, sqlx::Error> {
    let sql = concat!(
        "select position, ",
        readable!("created_at"),
        " from integration_event_log where event_id = $1"
    );
    sqlx::query_as(sql).bind(event_id).fetch_optional(db).await
}

/// Finds one event; `None` if the log does not have it.
pub(crate) async fn find(
    db: impl PgExecutor<'_>,
    event_id: Uuid,
) -> Result<Option<LoggedEvent>, sqlx::Error> {
    sqlx::query_as(concat!(
        "select ",
        columns!(),
        "
           from integration_event_log where event_id = $1",
    ))
    .bind(event_id)
    .fetch_optional(db)
    .await
}

/// Which failed events to decide about; a field that is `None` does not filter.
#[derive(Debug, Clone, Default)]
pub(crate) struct Failed {
    pub(crate) id: Option<Uuid>,
    pub(crate) event_type: Option<String>,
    pub(crate) key: Option<String>,
}

/// Finds the ids of the next `limit` failed events that match, after a position, in the order of the log. With them
/// the position of the last.
pub(crate) async fn failed_after(
    db: impl PgExecutor<'_>,
    failed: &Failed,
    after: i64,
    limit: i64,
) -> Result<Vec<(Uuid, i64)>, sqlx::Error> {
    sqlx::query_as(
        "select event_id, position from integration_event_log
          where state = 'PublishedFailed' and skipped_at is null and position > $1
            and ($2::uuid is null or event_id = $2) and ($3::text is null or event_type = $3)
            and ($4::text is null or key = $4)
          order by position limit $5",
    )
    .bind(after)
    .bind(failed.id)
    .bind(&failed.event_type)
    .bind(&failed.key)
    .bind(limit)
    .fetch_all(db)
    .await
}

/// Counts the failed events that match.
pub(crate) async fn count_failed(db: impl PgExecutor<'_>, failed: &Failed) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(
        "select count(*) from integration_event_log
          where state = 'PublishedFailed' and skipped_at is null
            and ($1::uuid is null or event_id = $1) and ($2::text is null or event_type = $2)
            and ($3::text is null or key = $3)",
    )
    .bind(failed.id)
    .bind(&failed.event_type)
    .bind(&failed.key)
    .fetch_one(db)
    .await
}

/// Makes failed events pending again. Returns how many were in that state.
pub(crate) async fn requeue(db: impl PgExecutor<'_>, ids: &[Uuid]) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(
        "update integration_event_log set state = 'NotPublished'
          where event_id = any($1) and state = 'PublishedFailed' and skipped_at is null",
    );
    Ok(done.bind(ids).execute(db).await?.rows_affected())
}

/// Skips failed events. Returns how many were in that state.
pub(crate) async fn skip(
    db: impl PgExecutor<'_>,
    ids: &[Uuid],
    by: &str,
    reason: &str,
) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(
        "update integration_event_log
            set skipped_at = clock_timestamp(), skipped_by = $2, skip_reason = $3
          where event_id = any($1) and state = 'PublishedFailed' and skipped_at is null",
    );
    Ok(done.bind(ids).bind(by).bind(reason).execute(db).await?.rows_affected())
}
