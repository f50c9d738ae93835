//! Which relays there are, what each owns, and how far they have come: for operators to see.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;
use uuid::Uuid;

/// A relay that has registered at this database.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, sqlx::FromRow)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Relay {
    /// The relay: a new id each time that a process starts.
    #[sqlx(rename = "relay_id")]
    pub id: Uuid,
    /// Its name for people.
    pub name: String,
    /// When it registered.
    #[sqlx(rename = "started_at")]
    pub since: DateTime<Utc>,
    /// When its lease ends unless it renews it.
    pub alive_until: DateTime<Utc>,
    /// Whether the lease is running and the relay's database session is there. Others take over what one
    /// owns that is not alive.
    pub alive: bool,
    /// What it owns, or owned last.
    pub partitions: Vec<i16>,
}

/// The relays of this database, the longest at work first. One that ended a moment ago is still among them,
/// until another has taken over.
pub async fn relays(db: impl PgExecutor<'_>) -> Result<Vec<Relay>, sqlx::Error> {
    sqlx::query_as(
        "select relay.relay_id, relay.name, relay.started_at, relay.alive_until,
                relay.alive_until > clock_timestamp()
                    and (relay.backend_pid = 0
                         or exists (select from pg_stat_activity as session
                                     where session.pid = relay.backend_pid
                                       and coalesce(session.backend_start = relay.backend_start, true))) as alive,
                array(select partition from outbox_partition as owned
                       where owned.relay_id = relay.relay_id order by partition) as partitions
           from outbox_relay as relay
          order by relay.started_at, relay.relay_id",
    )
    .fetch_all(db)
    .await
}

/// How far a log has come. What was rolled back took a position as well, so these are a little more than
/// the number of events, and differ from one moment to the next by about what was committed or published.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, sqlx::FromRow)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// The position of the newest event; 0 before the first.
    pub committed: i64,
    /// The position of the newest that is published or skipped.
    pub settled: i64,
}

/// Looks at the two ends of a log: two steps into an index, whatever its length.
pub async fn progress(db: impl PgExecutor<'_>) -> Result<Progress, sqlx::Error> {
    sqlx::query_as(
        "with settled as (
            select coalesce(max(position), 0) as position from integration_event_log
             where state = 'Published' or skipped_at is not null
         ), waiting as (
            select coalesce(max(position), 0) as position from integration_event_log
             where state in ('NotPublished', 'InProgress')
         )
         select greatest(settled.position, waiting.position) as committed, settled.position as settled
           from settled, waiting",
    )
    .fetch_one(db)
    .await
}
