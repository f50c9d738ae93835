//! Counts of the log, and its settled events from the newest end.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;
use uuid::Uuid;

/// The most events, settled ones or pending ones, that one step of a count passes. An event that was just published may
/// have left an entry in the index of pending events, which the step passes too.
const STEP: i64 = 10_000;

/// The end of the last step.
const END: i64 = i64::MAX;

/// The unpublished events of a type, or a part of them.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct Unpublished {
    pub(crate) event_type: String,
    pub(crate) pending: i64,
    /// Those that failed and wait for an operator.
    pub(crate) failed: i64,
}

/// One step of a count of pending events.
#[derive(Debug, Default)]
pub(crate) struct Step {
    /// The pending events that it passed.
    pub(crate) counted: Vec<Unpublished>,
    /// Where the next step begins, unless this was the last.
    pub(crate) next: Option<i64>,
}

/// Counts the pending events above a position, as far as one step goes, so that no statement takes long: however many
/// events wait, and however many entries of published ones no vacuum has removed yet.
pub(crate) async fn pending_after(db: impl PgExecutor<'_>, after: i64) -> Result<Step, sqlx::Error> {
    let counts: Vec<(i64, Option<String>, i64)> = sqlx::query_as(
        "with settled as (
            select position from integration_event_log
             where (state = 'Published' or skipped_at is not null) and position > $1
             order by position limit $2
        ), step as materialized (
            select case when count(*) = $2 then max(position) else $3 end as up_to from settled
        ), pending as materialized (
            select position, event_type from integration_event_log
             where state = 'NotPublished' and position > $1 and position <= (select up_to from step)
             order by position limit $2
        ), reached as (
            select case when count(*) = $2 then max(position) else (select up_to from step) end as up_to from pending
        )
        select up_to, event_type, count(pending.position) from reached left join pending on true
         group by up_to, event_type",
    )
    .bind(after)
    .bind(STEP)
    .bind(END)
    .fetch_all(db)
    .await?;
    let next = counts.first().map(|(up_to, ..)| *up_to).filter(|up_to| *up_to < END);
    let counted = counts.into_iter().filter_map(|(_, event_type, pending)| {
        Some(Unpublished { event_type: event_type?, pending, failed: 0 })
    });
    Ok(Step { counted: counted.collect(), next })
}

/// Counts the events that failed and wait for an operator, through their index.
pub(crate) async fn failed(db: impl PgExecutor<'_>) -> Result<Vec<Unpublished>, sqlx::Error> {
    sqlx::query_as(
        "select event_type, 0::bigint as pending, count(*) as failed from integration_event_log
          where state = 'PublishedFailed' and skipped_at is null group by event_type",
    )
    .fetch_all(db)
    .await
}

/// An event that was published or skipped.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct Settled {
    pub(crate) position: i64,
    pub(crate) event_id: Uuid,
    pub(crate) event_type: String,
    /// Whether it was published, rather than skipped.
    pub(crate) published: bool,
    pub(crate) created_at: DateTime<Utc>,
}

/// Reads the newest `limit` settled events below a position, newest first.
pub(crate) async fn settled_before(
    db: impl PgExecutor<'_>,
    position: i64,
    limit: i64,
) -> Result<Vec<Settled>, sqlx::Error> {
    sqlx::query_as(concat!(
        "select position, event_id, event_type, state = 'Published' as published, ",
        readable!("created_at"),
        " from integration_event_log
          where (state = 'Published' or skipped_at is not null) and position < $1
          order by position desc limit $2"
    ))
    .bind(position)
    .bind(limit)
    .fetch_all(db)
    .await
}

#[cfg(test)]
mod tests {
    use event_bus::outbox;
    use sqlx::{PgConnection, PgPool};

    use super::*;
    use crate::store::{
        check,
        events::{self, Before, Filter, State},
    };

    /// How many entries of the index of pending events were read so far.
    async fn entries_read(db: &mut PgConnection) -> i64 {
        sqlx::raw_sql("select pg_stat_force_next_flush()").execute(&mut *db).await.unwrap();
        let read = "select idx_tup_read from pg_stat_user_indexes
                     where indexrelname = 'integration_event_log_pending' and pg_stat_force_next_flush() is not null";
        sqlx::query_scalar(read).fetch_one(db).await.unwrap()
    }

    #[sqlx::test(migrations = false)]
    async fn no_statement_of_an_operator_reads_all_the_entries_that_published_events_have_left(pool: PgPool) {
        sqlx::raw_sql(outbox::SCHEMA).execute(&pool).await.unwrap();
        // While it is there nothing removes an entry.
        let mut reader = pool.begin().await.unwrap();
        sqlx::raw_sql("set transaction isolation level repeatable read; select 1")
            .execute(&mut *reader)
            .await
            .unwrap();
        // Every thousandth still waits, and so do some behind all of them.
        let fill = "alter table integration_event_log set (autovacuum_enabled = off);
                    alter table integration_event_log disable trigger all;
                    insert into integration_event_log (event_type, key, key_version, partition, payload)
                    select 'shop.test.noted.v1', i::text, 1, i % 64, '{}' from generate_series(1, 60000) i;
                    update integration_event_log set state = 'Published', published_at = clock_timestamp()
                     where position % 1000 <> 0;
                    insert into integration_event_log (event_type, key, key_version, partition, payload)
                    select 'shop.test.raised.v1', i::text, 1, i % 64, '{}' from generate_series(1, 25000) i;
                    alter table integration_event_log enable trigger all";
        sqlx::raw_sql(fill).execute(&pool).await.unwrap();

        let mut db = pool.acquire().await.unwrap();
        let mut before = entries_read(&mut db).await;
        let (mut after, mut steps, mut counted) = (Some(0), 0, std::collections::BTreeMap::new());
        while let Some(position) = after {
            let step = pending_after(&mut *db, position).await.unwrap();
            for of_type in step.counted {
                *counted.entry(of_type.event_type).or_insert(0) += of_type.pending;
            }
            (after, steps) = (step.next, steps + 1);
            let now = entries_read(&mut db).await;
            assert!(now - before <= 2 * STEP, "{} entries read in step {steps}", now - before);
            before = now;
        }
        assert!(steps >= 8, "{steps} steps");
        let expected = [("shop.test.noted.v1".to_owned(), 60), ("shop.test.raised.v1".to_owned(), 25_000)];
        assert_eq!(counted.into_iter().collect::<Vec<_>>(), expected);

        let listed = events::list(&mut *db, &Filter::default(), Before::End, 30_000).await.unwrap();
        assert_eq!(listed.len(), 30_000);
        let now = entries_read(&mut db).await;
        assert!(now - before <= 60_000, "{} entries read by a list", now - before);
        before = now;
        let published = Filter { state: Some(State::Published), ..Filter::default() };
        assert_eq!(events::list(&mut *db, &published, Before::End, 50).await.unwrap().len(), 50);
        assert_eq!(entries_read(&mut db).await, before, "published events are in another index");
        check::misplaced(&pool).await.unwrap();
        let now = entries_read(&mut db).await;
        assert!(now - before <= 25_000, "{} entries read by a check", now - before);
        drop(reader);
    }
}
