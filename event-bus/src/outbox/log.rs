//! The relay's side of the log: what is pending, and what became of it.

use chrono::{DateTime, Utc};
use sqlx::{PgExecutor, types::Json};
use uuid::Uuid;

use super::ownership::Lease;
use crate::TraceContext;

/// A row of the log that waits to be published.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct PendingEvent {
    /// Its place in the log: within a key it follows the order of the commits.
    pub position: i64,
    /// The event's id, the same in every message that announces it.
    pub event_id: Uuid,
    /// The event's type, and routing key.
    pub event_type: String,
    /// What it is about.
    pub key: String,
    /// The version that the change gave the key.
    pub key_version: i64,
    /// The partition that the key belongs to.
    pub partition: i16,
    /// The payload, as the producer's JSON text.
    pub payload: String,
    /// The trace that caused the event.
    #[sqlx(try_from = "String")]
    pub headers: TraceContext,
    /// When it was written.
    pub created_at: DateTime<Utc>,
}

/// What to look for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Look {
    /// The partitions.
    pub partitions: Vec<i16>,
    /// Only positions above this one. Safe only where everything up to it is known to have been seen: a
    /// transaction that took its position early may commit late. 0 looks through all that is pending.
    pub after: i64,
    /// Positions to leave out, since they are known already.
    pub known: Vec<i64>,
    /// How many events, at most.
    pub limit: i64,
    /// Bytes of payload after which no further event is wanted.
    pub bytes: i64,
}

/// What a look saw, in one snapshot.
#[derive(Debug, Clone, Default)]
pub struct Looked {
    /// The oldest events that match, in order.
    pub events: Vec<PendingEvent>,
    /// The lowest number of a transaction that was open, or of the next one; 0 where there was no event.
    pub oldest_open: u64,
    /// Events of these partitions that wait for an operator; `None` where there was no event.
    pub parked: Option<Vec<Uuid>>,
}

#[derive(sqlx::FromRow)]
struct Row {
    #[sqlx(flatten)]
    event: PendingEvent,
    oldest_open: i64,
    parked: Option<Vec<Uuid>>,
}

/// Settings under which [`look`] and [`mark_published`] find rows one by one through their indexes, whatever is
/// believed of the table: for a session (`set`) or for their transactions (`set local`). Without them, a log that was
/// never analyzed, new and flooded at once, is read and sorted whole for each look. What is off and yet cannot be
/// avoided counts as so expensive that it would be compiled first: `jit` is off as well.
pub const ROW_BY_ROW: [&str; 4] =
    ["enable_seqscan = off", "enable_bitmapscan = off", "plan_cache_mode = force_generic_plan", "jit = off"];

/// The oldest pending events of some partitions, in order, leaving out keys that wait behind an event
/// which could not be published. To be called under [`ROW_BY_ROW`].
pub async fn look(db: impl PgExecutor<'_>, look: &Look) -> Result<Looked, sqlx::Error> {
    // `partition + 0` keeps the partitions out of the index condition: with them in it, the index would give
    // no order, and a look for a thousand events would sort the whole backlog.
    let rows: Vec<Row> = sqlx::query_as(
        "with waiting as (
            select position, event_id, event_type, key, key_version, partition, payload, headers, created_at,
                   octet_length(payload::text) as size
              from integration_event_log as log
             where state in ('NotPublished', 'InProgress')
               and position > $2 and partition + 0 = any($1)
               and position not in (select unnest($3::bigint[]))
               and not exists (select from integration_event_log as blocked
                                where blocked.state = 'PublishedFailed' and blocked.skipped_at is null
                                  and blocked.key = log.key and blocked.position < log.position)
             order by position
             limit $4
        ), counted as (
            select *, sum(size) over (order by position) - size as before, row_number() over (order by position) as rank
              from waiting
        )
        select position, event_id, event_type, key, key_version, partition, payload::text as payload,
               headers::text as headers, created_at,
               pg_snapshot_xmin(pg_current_snapshot())::text::bigint as oldest_open,
               case when rank = 1 then array(select event_id from integration_event_log
                                              where state = 'PublishedFailed' and skipped_at is null
                                                and partition = any($1)) end as parked
          from counted where before < $5
         order by position",
    )
    .bind(&look.partitions)
    .bind(look.after)
    .bind(&look.known)
    .bind(look.limit)
    .bind(look.bytes)
    .fetch_all(db)
    .await?;
    let mut looked = Looked::default();
    for row in rows {
        looked.oldest_open = u64::try_from(row.oldest_open).unwrap_or_default();
        looked.parked = looked.parked.or(row.parked);
        looked.events.push(row.event);
    }
    Ok(looked)
}

/// Records that the broker has confirmed these events; returns the number of the transaction that did so.
/// Not fenced: what was confirmed is published, whoever owns its partition by now.
pub async fn mark_published(db: impl PgExecutor<'_>, event_ids: &[Uuid]) -> Result<u64, sqlx::Error> {
    let transaction: i64 = sqlx::query_scalar(
        "with marked as (
            update integration_event_log
               set state = 'Published', published_at = coalesce(published_at, clock_timestamp()),
                   times_sent = times_sent + 1, last_error = null
             where event_id = any($1))
         select pg_current_xact_id()::text::bigint",
    )
    .bind(event_ids)
    .fetch_one(db)
    .await?;
    Ok(u64::try_from(transaction).unwrap_or_default())
}

/// Records that an event can never be published as it is: its key waits until an operator decides.
///
/// Fenced: returns `false`, and changes nothing, if `lease` is no longer the partition's.
pub async fn mark_failed(
    db: impl PgExecutor<'_>,
    event_id: Uuid,
    error: &str,
    lease: &Lease,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "update integration_event_log as log
            set state = 'PublishedFailed', last_error = $2
           from outbox_partition as owned
          where log.event_id = $1 and log.state in ('NotPublished', 'InProgress')
            and owned.partition = log.partition and owned.relay_id = $3 and owned.epoch = $4
            and owned.owned_until > clock_timestamp()",
    )
    .bind(event_id)
    .bind(error)
    .bind(lease.relay_id)
    .bind(lease.epoch)
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// What an operator asks first.
#[derive(Debug, Clone, PartialEq, serde::Serialize, sqlx::FromRow)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LogStatus {
    /// Events that wait to be published.
    pub pending: i64,
    /// The age of the oldest of them, in seconds; 0 when there is none.
    pub oldest_pending_age_seconds: f64,
    /// Events that could not be published and wait for an operator.
    pub failed: i64,
    /// Relays at work on this database, on its own clock.
    pub relays: i64,
}

/// Counts what is pending and what is stuck: through the partial indexes, so its cost follows the
/// backlog and not the history.
pub async fn status(db: impl PgExecutor<'_>) -> Result<LogStatus, sqlx::Error> {
    sqlx::query_as(
        "select waiting.pending, waiting.oldest_pending_age_seconds,
                (select count(*) from integration_event_log
                  where state = 'PublishedFailed' and skipped_at is null) as failed,
                (select count(*) from outbox_relay where alive_until > clock_timestamp()) as relays
           from (select count(*) as pending,
                        coalesce(greatest(extract(epoch from clock_timestamp() - min(created_at)), 0), 0)::float8
                            as oldest_pending_age_seconds
                   from integration_event_log where state in ('NotPublished', 'InProgress')) as waiting",
    )
    .fetch_one(db)
    .await
}

/// An event as an operator sees it.
#[derive(Debug, Clone, serde::Serialize, sqlx::FromRow)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LoggedEvent {
    /// The event's id.
    pub event_id: Uuid,
    /// Its type.
    pub event_type: String,
    /// What it is about.
    pub key: String,
    /// The version that the change gave the key.
    pub key_version: i64,
    /// The partition of the key.
    pub partition: i16,
    /// `NotPublished`, `Published` or `PublishedFailed`.
    pub state: String,
    /// How often the broker has confirmed it.
    pub times_sent: i32,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// When the broker first confirmed it.
    pub published_at: Option<DateTime<Utc>>,
    /// Why it could not be published.
    pub last_error: Option<String>,
    /// When an operator skipped it.
    pub skipped_at: Option<DateTime<Utc>>,
    /// Who skipped it.
    pub skipped_by: Option<String>,
    /// Why they did.
    pub skip_reason: Option<String>,
    /// The trace that caused it.
    #[sqlx(try_from = "String")]
    pub headers: TraceContext,
    /// What it announces.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub payload: Json<Box<serde_json::value::RawValue>>,
}

/// Which events to list; what is `None` does not filter.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
pub struct Filter {
    /// The state.
    pub state: Option<String>,
    /// The event's type.
    pub event_type: Option<String>,
    /// What it is about.
    pub key: Option<String>,
    /// Those older than this one, by id: where the page before ended.
    pub before: Option<Uuid>,
}

/// The newest `limit` events that match: by id, since one of version 7 begins with its time.
pub async fn list(
    db: impl PgExecutor<'_>,
    filter: &Filter,
    limit: i64,
) -> Result<Vec<LoggedEvent>, sqlx::Error> {
    sqlx::query_as(
        "select event_id, event_type, key, key_version, partition, state, times_sent, created_at, published_at,
                last_error, skipped_at, skipped_by, skip_reason, headers::text as headers, payload
           from integration_event_log
          where ($1::text is null or state = $1) and ($2::text is null or event_type = $2)
            and ($3::text is null or key = $3) and ($4::uuid is null or event_id < $4)
          order by event_id desc limit $5",
    )
    .bind(&filter.state)
    .bind(&filter.event_type)
    .bind(&filter.key)
    .bind(filter.before)
    .bind(limit)
    .fetch_all(db)
    .await
}

/// One event, or `None` if the log does not have it.
pub async fn find(db: impl PgExecutor<'_>, event_id: Uuid) -> Result<Option<LoggedEvent>, sqlx::Error> {
    sqlx::query_as(
        "select event_id, event_type, key, key_version, partition, state, times_sent, created_at, published_at,
                last_error, skipped_at, skipped_by, skip_reason, headers::text as headers, payload
           from integration_event_log where event_id = $1",
    )
    .bind(event_id)
    .fetch_optional(db)
    .await
}

/// Puts an event that could not be published back in line. `false` if it is not in that state.
pub async fn requeue(db: impl PgExecutor<'_>, event_id: Uuid) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "update integration_event_log set state = 'NotPublished'
          where event_id = $1 and state = 'PublishedFailed' and skipped_at is null",
    )
    .bind(event_id)
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Lets the later events of a key pass one that could not be published, and records who decided so and
/// why. `false` if the event is not in that state.
pub async fn skip(
    db: impl PgExecutor<'_>,
    event_id: Uuid,
    by: &str,
    reason: &str,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "update integration_event_log
            set skipped_at = clock_timestamp(), skipped_by = $2, skip_reason = $3
          where event_id = $1 and state = 'PublishedFailed' and skipped_at is null",
    )
    .bind(event_id)
    .bind(by)
    .bind(reason)
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}
