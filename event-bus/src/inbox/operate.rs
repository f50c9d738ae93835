//! What an operator sees of the events that wait, and can do about them.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

/// The first event of a key that waits.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, sqlx::FromRow)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct WaitingKey {
    /// The service that published the event.
    pub source: String,
    /// What the event is about.
    pub key: String,
    /// The event's id.
    pub event_id: Uuid,
    /// The event's type.
    pub event_type: String,
    /// The version that the change gave the key.
    pub version: i64,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
    /// When it was received.
    pub entered_at: DateTime<Utc>,
    /// How often handling it has failed.
    pub failures: i32,
    /// Why it failed the last time.
    pub reason: Option<String>,
    /// When it is tried again; absent for a blocked key.
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// Since when the key waits for an operator; absent while it is tried again by itself.
    pub blocked_at: Option<DateTime<Utc>>,
    /// Later events of the key that wait behind it.
    pub behind: i64,
}

/// Selects the waiting keys that fit all fields that are set. If none is set it selects none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WaitingSelection {
    /// All of them.
    pub all: bool,
    /// Those of this service.
    pub source: Option<String>,
    /// This key.
    pub key: Option<String>,
    /// Those whose first event is of this type.
    pub event_type: Option<String>,
    /// The key whose first event is this one.
    pub event_id: Option<Uuid>,
    /// Those that wait for an operator.
    pub blocked_only: bool,
}

impl WaitingSelection {
    /// All keys that wait.
    pub fn all() -> Self {
        Self { all: true, ..Self::default() }
    }

    /// Whether no field is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The condition of a selection, on `$1` to `$7`. The first event of a key has a time for its next try, or is blocked.
macro_rules! selected {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            " select head.* from inbox_waiting as head
               where consumer = $1 and (next_attempt_at is not null or blocked_at is not null)
                 and ($2::text is null or source = $2) and ($3::text is null or key = $3)
                 and ($4::text is null or event_type = $4) and ($5::uuid is null or event_id = $5)
                 and (blocked_at is not null or not $6) and not $7 ",
            $after
        )
    };
}

macro_rules! bound {
    ($query:expr, $consumer:expr, $selection:expr) => {
        $query
            .bind($consumer)
            .bind($selection.source.as_deref())
            .bind($selection.key.as_deref())
            .bind($selection.event_type.as_deref())
            .bind($selection.event_id)
            .bind($selection.blocked_only)
            .bind($selection.is_empty())
    };
}

/// Lists the keys that wait, the blocked ones first, each with its first event.
pub async fn list(
    pool: &PgPool,
    consumer: &str,
    selection: &WaitingSelection,
    offset: i64,
    limit: i64,
) -> Result<Vec<WaitingKey>, sqlx::Error> {
    let query = sqlx::query_as(selected!(
        "with head as (",
        " order by blocked_at is null, position offset $8 limit $9)
         select source, key, event_id, event_type, key_version as version, failures, reason,
                -- An operator may have written a time that no calendar has, such as infinity.
                least(greatest(occurred_at, '0001-01-01 00:00:00+00'), '9999-12-31 23:59:59+00') as occurred_at,
                least(greatest(entered_at, '0001-01-01 00:00:00+00'), '9999-12-31 23:59:59+00') as entered_at,
                case when next_attempt_at is not null
                     then least(greatest(next_attempt_at, '0001-01-01 00:00:00+00'), '9999-12-31 23:59:59+00') end as next_attempt_at,
                case when blocked_at is not null
                     then least(greatest(blocked_at, '0001-01-01 00:00:00+00'), '9999-12-31 23:59:59+00') end as blocked_at,
                (select count(*) from inbox_waiting as later
                  where head.holds_key and later.consumer = $1 and later.source = head.source
                    and later.key = head.key and later.holds_key and later.position > head.position) as behind
           from head order by blocked_at is null, position"
    ));
    bound!(query, consumer, selection).bind(offset).bind(limit).fetch_all(pool).await
}

/// Counts the keys that wait.
pub async fn count(pool: &PgPool, consumer: &str, selection: &WaitingSelection) -> Result<i64, sqlx::Error> {
    let query = sqlx::query_scalar(selected!("select count(*) from (", ") as head"));
    bound!(query, consumer, selection).fetch_one(pool).await
}

/// Has the first events of the selected keys tried again at once; their failures are counted from zero again. Returns
/// the number of keys.
pub async fn requeue(
    pool: &PgPool,
    consumer: &str,
    selection: &WaitingSelection,
) -> Result<u64, sqlx::Error> {
    let query = sqlx::query(selected!(
        "with head as (",
        " for update)
         update inbox_waiting as waiting
            set failures = 0, blocked_at = null, next_attempt_at = clock_timestamp()
           from head where waiting.consumer = $1 and waiting.event_id = head.event_id"
    ));
    Ok(bound!(query, consumer, selection).execute(pool).await?.rows_affected())
}

/// Gives up the first event of each selected key: it has no effect, ever, and the next one of its key is tried at once.
/// The inbox keeps who decided that, and why. Returns the events' ids.
pub async fn skip(
    tx: &mut PgConnection,
    consumer: &str,
    selection: &WaitingSelection,
    by: &str,
    reason: &str,
) -> Result<Vec<Uuid>, sqlx::Error> {
    let query = sqlx::query_scalar(selected!(
        "with head as (",
        " for update), gone as (
             delete from inbox_waiting where consumer = $1 and event_id in (select event_id from head)
         ), entered as (
             update inbox set skipped_at = clock_timestamp(), skipped_by = $8, skip_reason = $9
              where consumer = $1 and event_id in (select event_id from head)
         ), started as (
             update inbox_waiting set next_attempt_at = clock_timestamp()
              where consumer = $1 and event_id in (
                    select (select event_id from inbox_waiting as later
                             where later.consumer = $1 and later.source = head.source and later.key = head.key
                               and later.holds_key and later.position > head.position
                             order by position limit 1)
                      from head where holds_key)
         )
         select event_id from head"
    ));
    bound!(query, consumer, selection).bind(by).bind(reason).fetch_all(tx).await
}
