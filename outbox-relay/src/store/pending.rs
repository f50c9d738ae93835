//! Pending events: reading them, and marking them published or failed.

use std::time::Duration;

use chrono::{DateTime, Utc};
use event_bus::relay::RowHeaders;
use relay_engine::{Failed, Poll};
use sqlx::{FromRow, Row, postgres::PgRow};
use uuid::Uuid;

use super::Session;

/// A row of the log that waits to be published.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct PendingEvent {
    /// Its position in the log: within a key, positions are in the order of the commits.
    pub(crate) position: i64,
    pub(crate) event_id: Uuid,
    pub(crate) event_type: String,
    pub(crate) key: String,
    pub(crate) key_version: i64,
    /// The generation of the log.
    pub(crate) generation: i64,
    pub(crate) partition: i16,
    /// The payload, as the producer's JSON text.
    pub(crate) payload: String,
    #[sqlx(try_from = "String")]
    pub(crate) headers: RowHeaders,
    /// A time of the years 1 to 9999: another one is replaced, and is the `problem`.
    pub(crate) created_at: DateTime<Utc>,
    /// Why the row can never become a message.
    #[sqlx(default)]
    pub(crate) problem: Option<String>,
}

/// The result of a poll, in one snapshot.
#[derive(Debug, Default)]
pub(crate) struct Polled {
    /// The oldest events that match, in order; none if the log was restored since its generation began.
    pub(crate) events: Vec<PendingEvent>,
    /// Whether the log was restored since its generation began, and has pending events.
    pub(crate) is_restored: bool,
    /// The lowest number of an open transaction, or else of the next one.
    pub(crate) oldest_open: u64,
    /// The position of the newest published or skipped event; 0 before the first.
    pub(crate) head: i64,
    /// The failed events of these partitions. They come with the first row alone: there may be a great many.
    pub(crate) failed: Vec<Uuid>,
    /// How long it is until the next scheduled event, zero if it is due; `None` if there is none.
    pub(crate) next_due: Option<Duration>,
}

/// Reads the oldest pending events of some partitions, in order, without those of blocked keys.
///
/// A position above `poll.after` proves nothing about the ones below: a transaction that took its position early
/// may commit late. The engine starts above 0 only where everything below is known to be decided.
pub(crate) async fn poll(session: &mut Session, poll: &Poll) -> Result<Polled, sqlx::Error> {
    let is_prepared = session.keeps_statements();
    // `partition + 0` keeps the partitions out of the index condition. With them in it the index would give no
    // order, and a poll for a thousand events would sort the whole backlog. `min` has the index of blocked keys looked
    // up by key: as `not exists` that is a join, and a plan that was made before anything had failed reads all of the
    // index for each event.
    let rows: Vec<PgRow> = sqlx::query(concat!(
        "with waiting as (
            select position, event_id, event_type, key, key_version, partition, payload, headers, created_at,
                   octet_length(payload::text) as size
              from integration_event_log as log
             where state = 'NotPublished'
               and position > $2 and position <= $6 and partition + 0 = any($1)
               and position not in (select unnest($3::bigint[]))
               and not coalesce(position > (select min(blocking.position) from integration_event_log as blocking
                                             where blocking.state = 'PublishedFailed'
                                               and blocking.skipped_at is null and blocking.key = log.key), false)
             order by position
             limit $4
        ), counted as (
            select *, sum(size) over (order by position) - size as before from waiting
        ), snapshot as (
            select pg_snapshot_xmin(pg_current_snapshot())::text::bigint as oldest_open,
                   (select coalesce(max(position), 0) from integration_event_log
                     where state = 'Published' or skipped_at is not null) as head,
                   array(select event_id from integration_event_log
                          where state = 'PublishedFailed' and skipped_at is null
                            and partition = any($1)) as failed,
                   (select generation from outbox_log where identity = outbox_log_identity()) as generation,
                   (select extract(epoch from due - clock_timestamp())::float8 from outbox_scheduled
                     order by due limit 1) as next_due_in
        )
        -- With the first row, or without any, `before` is 0 or null.
        select oldest_open, head, case when coalesce(before, 0) = 0 then failed end as failed, generation, next_due_in,
               position, event_id, event_type, key, key_version, partition, payload::text as payload,
               headers::text as headers, ",
        readable!("created_at"),
        ", case when not (created_at >= '0001-01-01 00:00:00+00' and created_at < '10000-01-01 00:00:00+00')
                    then format('created_at is %s: not a time of the years 1 to 9999', created_at) end as problem
          from snapshot left join counted on before < $5
         order by position"
    ))
    .bind(&poll.partitions)
    .bind(poll.after)
    .bind(&poll.known)
    .bind(i64::try_from(poll.limit).unwrap_or(i64::MAX))
    .bind(i64::try_from(poll.max_bytes).unwrap_or(i64::MAX))
    .bind(poll.up_to)
    .persistent(is_prepared)
    .fetch_all(session.begin().await?)
    .await?;
    session.end().await?;
    let Some(first) = rows.first() else { return Ok(Polled::default()) };
    let mut polled = Polled {
        events: Vec::new(),
        is_restored: false,
        oldest_open: u64::try_from(first.try_get::<i64, _>("oldest_open")?).unwrap_or_default(),
        head: first.try_get("head")?,
        failed: first.try_get("failed")?,
        next_due: first.try_get::<Option<f64>, _>("next_due_in")?.map(duration),
    };
    // Without an event there is one row, which has the snapshot alone.
    if first.try_get::<Option<i64>, _>("position")?.is_some() {
        polled.is_restored = first.try_get::<Option<i64>, _>("generation")?.is_none();
        let rows = rows.iter().filter(|_| !polled.is_restored);
        polled.events = rows.map(PendingEvent::from_row).collect::<Result<_, _>>()?;
    }
    Ok(polled)
}

/// Moves due scheduled events into the log. Returns how many, and how long it is until the next scheduled event.
pub(crate) async fn move_due(
    session: &mut Session,
    limit: usize,
) -> Result<(usize, Option<Duration>), sqlx::Error> {
    let is_prepared = session.keeps_statements();
    // A move waits for the disk, as a mark does not: what was cancelled after a crash must not have been announced before.
    let move_due = sqlx::query_as(
        "select released, next_due_in, set_config('synchronous_commit', 'on', true) from outbox_release_due($1)",
    );
    let (moved, next_due_in, _): (i64, Option<f64>, String) = move_due
        .bind(i32::try_from(limit).unwrap_or(i32::MAX))
        .persistent(is_prepared)
        .fetch_one(session.begin().await?)
        .await?;
    session.end().await?;
    Ok((usize::try_from(moved).unwrap_or_default(), next_due_in.map(duration)))
}

/// The seconds until a moment that may have passed.
fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)
}

/// Marks confirmed events published. Returns the number of the transaction that did so.
///
/// Not fenced: a confirmed event is published, whoever owns its partition by now.
pub(crate) async fn mark_published(session: &mut Session, event_ids: &[Uuid]) -> Result<u64, sqlx::Error> {
    let is_prepared = session.keeps_statements();
    let transaction: i64 = sqlx::query_scalar(
        "with marked as (
            update integration_event_log
               set state = 'Published', published_at = coalesce(published_at, clock_timestamp()),
                   times_sent = times_sent + 1, last_error = null
             where event_id = any($1))
         select pg_current_xact_id()::text::bigint",
    )
    .bind(event_ids)
    .persistent(is_prepared)
    .fetch_one(session.begin().await?)
    .await?;
    session.end().await?;
    Ok(u64::try_from(transaction).unwrap_or_default())
}

/// Marks events that can never be published as they are. Their keys are blocked until an operator decides. Returns
/// those that were marked.
///
/// Fenced: an event is left alone if the lease of `relay_id` on its partition has ended.
pub(crate) async fn mark_failed(
    session: &mut Session,
    failed: &[Failed],
    relay_id: Uuid,
) -> Result<Vec<Uuid>, sqlx::Error> {
    let is_prepared = session.keeps_statements();
    let ids: Vec<Uuid> = failed.iter().map(|one| one.id).collect();
    let reasons: Vec<&str> = failed.iter().map(|one| one.reason.as_str()).collect();
    let epochs: Vec<i64> = failed.iter().map(|one| one.lease.epoch).collect();
    let done = sqlx::query_scalar(
        "update integration_event_log as log
            set state = 'PublishedFailed', last_error = failed.reason
           from unnest($1::uuid[], $2::text[], $3::bigint[]) as failed (event_id, reason, epoch), outbox_partition as owned
          where log.event_id = failed.event_id and log.state = 'NotPublished'
            and owned.partition = log.partition and owned.relay_id = $4 and owned.epoch = failed.epoch
            and owned.owned_until > clock_timestamp()
         returning log.event_id",
    )
    .bind(ids)
    .bind(reasons)
    .bind(epochs)
    .bind(relay_id)
    .persistent(is_prepared)
    .fetch_all(session.begin().await?)
    .await?;
    session.end().await?;
    Ok(done)
}

#[cfg(test)]
mod tests {
    use event_bus::outbox;
    use sqlx::PgPool;

    use super::*;

    #[sqlx::test(migrations = false)]
    async fn a_poll_looks_a_blocked_key_up_once_for_each_event_that_waits(pool: PgPool) {
        sqlx::raw_sql(outbox::SCHEMA).execute(&pool).await.unwrap();
        sqlx::raw_sql("alter table integration_event_log set (autovacuum_enabled = off)")
            .execute(&pool)
            .await
            .unwrap();
        let mut session = Session::open(&pool.connect_options(), true).await.unwrap();
        let all =
            Poll { partitions: (0..64).collect(), limit: 10_000, max_bytes: 1_000_000, ..Poll::default() };
        // The plan of this poll is kept: nothing has failed yet.
        assert!(poll(&mut session, &all).await.unwrap().events.is_empty());
        // A thousand failed events, two behind each of them, and a hundred of other keys.
        let fill = "insert into integration_event_log (event_type, key, payload)
                    select 'shop.test.noted.v1', key::text, '{}' from generate_series(1, 3) n, generate_series(1, 1000) key;
                    update integration_event_log set state = 'PublishedFailed', last_error = 'refused' where position <= 1000;
                    insert into integration_event_log (event_type, key, payload)
                    select 'shop.test.noted.v1', 'free-' || key, '{}' from generate_series(1, 100) key";
        sqlx::raw_sql(fill).execute(&pool).await.unwrap();
        let polled = poll(&mut session, &all).await.unwrap();
        assert_eq!((polled.events.len(), polled.failed.len()), (100, 1_000));
        sqlx::raw_sql("select pg_stat_force_next_flush()").execute(session.connection()).await.unwrap();
        let read = "select idx_tup_read from pg_stat_user_indexes
                     where indexrelname = 'integration_event_log_blocked' and pg_stat_force_next_flush() is not null";
        let entries: i64 = sqlx::query_scalar(read).fetch_one(session.connection()).await.unwrap();
        assert!((3_000..=4_000).contains(&entries), "{entries} entries read");
    }

    #[sqlx::test(migrations = false)]
    async fn a_poll_reads_no_more_index_entries_of_a_long_backlog_than_it_returns_events(pool: PgPool) {
        sqlx::raw_sql(outbox::SCHEMA).execute(&pool).await.unwrap();
        let fill = "alter table integration_event_log set (autovacuum_enabled = off);
                    insert into integration_event_log (event_id, event_type, key, key_version, partition, payload)
                    select gen_random_uuid(), 'shop.test.noted.v1', i::text, 1, i % 64, '{}'
                      from generate_series(1, 20000) i";
        sqlx::raw_sql(fill).execute(&pool).await.unwrap();
        let mut session = Session::open(&pool.connect_options(), true).await.unwrap();
        // As many partitions as a relay owns that shares them with another. A plan that picks them out of the
        // index would have to sort the whole backlog.
        let partitions = (0..32).collect();
        let ten = Poll { partitions, limit: 10, max_bytes: 1_000_000, ..Poll::default() };
        let read = "select idx_tup_read from pg_stat_user_indexes
                     where indexrelname = 'integration_event_log_pending' and pg_stat_force_next_flush() is not null";
        let mut before = 0;
        // The first poll runs with the statistics of an empty table.
        for statistics in ["select", "vacuum analyze integration_event_log"] {
            sqlx::raw_sql(statistics).execute(session.connection()).await.unwrap();
            assert_eq!(poll(&mut session, &ten).await.unwrap().events.len(), 10);
            let flush = sqlx::raw_sql("select pg_stat_force_next_flush()");
            flush.execute(session.connection()).await.unwrap();
            let after: i64 = sqlx::query_scalar(read).fetch_one(session.connection()).await.unwrap();
            let entries = after - before;
            assert!((10..=100).contains(&entries), "{entries} entries read after {statistics}");
            before = after;
        }
    }
}
