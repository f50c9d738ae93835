//! A change and its announcement share a transaction.

use event_bus::{
    Event, TraceContext,
    outbox::{self, AppendError, log},
};
use serde::Serialize;
use sqlx::{AssertSqlSafe, PgPool};

#[derive(Serialize)]
struct Noted {
    text: String,
}

impl Event for Noted {
    const TYPE: &'static str = "shop.test.noted.v1";

    fn key(&self) -> String {
        "n".to_owned()
    }

    fn version(&self) -> i64 {
        1
    }
}

async fn append(pool: &PgPool, text: String) -> Result<uuid::Uuid, AppendError> {
    let mut tx = pool.begin().await.unwrap();
    let id = outbox::append(&mut tx, &Noted { text }, &TraceContext::default()).await?;
    tx.commit().await.unwrap();
    Ok(id)
}

async fn pending(pool: &PgPool) -> Vec<log::PendingEvent> {
    let all: Vec<i16> = (0..outbox::PARTITIONS).collect();
    let look = log::Look { partitions: all, limit: 10, bytes: i64::MAX, ..log::Look::default() };
    log::look(pool, &look).await.unwrap().events
}

#[sqlx::test(migrations = false)]
async fn an_event_is_pending_once_its_transaction_is_committed_and_never_otherwise(pool: PgPool) {
    sqlx::raw_sql(outbox::SCHEMA).execute(&pool).await.unwrap();
    let mut tx = pool.begin().await.unwrap();
    let event = Noted { text: "a".to_owned() };
    outbox::append(&mut tx, &event, &TraceContext::default()).await.unwrap();
    assert!(pending(&pool).await.is_empty());
    tx.rollback().await.unwrap();
    assert!(pending(&pool).await.is_empty());

    let id = append(&pool, "b".to_owned()).await.unwrap();
    let pending = pending(&pool).await;
    assert_eq!(pending.len(), 1);
    assert_eq!((pending[0].event_id, pending[0].payload.as_str()), (id, r#"{"text":"b"}"#));
    assert_eq!(pending[0].partition, outbox::partition_of("n"));
}

#[sqlx::test(migrations = false)]
async fn what_could_never_be_published_is_refused_when_it_is_appended(pool: PgPool) {
    sqlx::raw_sql(outbox::SCHEMA).execute(&pool).await.unwrap();
    let envelope = r#"{"text":""}"#.len();
    append(&pool, "x".repeat(outbox::PAYLOAD_LIMIT - envelope)).await.unwrap();
    let too_large = append(&pool, "x".repeat(outbox::PAYLOAD_LIMIT - envelope + 1)).await.unwrap_err();
    assert_eq!(
        too_large.to_string(),
        "the payload of shop.test.noted.v1 is 262145 bytes, the limit is 262144"
    );
    assert!(matches!(append(&pool, "a\0b".to_owned()).await, Err(AppendError::Nul { .. })));
    assert_eq!(pending(&pool).await.len(), 1);
}

#[sqlx::test(migrations = false)]
async fn a_writer_in_another_language_is_held_to_the_same_limits(pool: PgPool) {
    sqlx::raw_sql(outbox::SCHEMA).execute(&pool).await.unwrap();
    for (column, value) in [
        ("event_type", format!("'{}'", "x".repeat(256))),
        ("event_type", "''".to_owned()),
        ("key", format!("'{}'", "x".repeat(256))),
        ("partition", "64".to_owned()),
        ("payload", format!("'\"{}\"'", "x".repeat(outbox::PAYLOAD_LIMIT))),
        ("payload", "'{'".to_owned()),
        ("state", "'Lost'".to_owned()),
        ("skipped_by", "'me'".to_owned()),
    ] {
        let row = [
            ("event_id", "gen_random_uuid()"),
            ("event_type", "'a.b.c.v1'"),
            ("key", "'k'"),
            ("key_version", "1"),
            ("partition", "0"),
            ("payload", "'{}'"),
            ("state", "'NotPublished'"),
            ("skipped_by", "null"),
        ];
        let values: Vec<&str> =
            row.iter().map(|(name, usual)| if *name == column { value.as_str() } else { usual }).collect();
        let names: Vec<&str> = row.iter().map(|(name, _)| *name).collect();
        let insert =
            format!("insert into integration_event_log ({}) values ({})", names.join(","), values.join(","));
        assert!(sqlx::raw_sql(sqlx::AssertSqlSafe(insert)).execute(&pool).await.is_err(), "{column}");
    }
}

#[sqlx::test(migrations = false)]
async fn a_look_reads_no_more_of_a_long_backlog_than_it_brings(pool: PgPool) {
    sqlx::raw_sql(outbox::SCHEMA).execute(&pool).await.unwrap();
    let fill = "alter table integration_event_log set (autovacuum_enabled = off);
                insert into integration_event_log (event_id, event_type, key, key_version, partition, payload)
                select gen_random_uuid(), 'shop.test.noted.v1', i::text, 1, i % 64, '{}' from generate_series(1, 20000) i";
    sqlx::raw_sql(fill).execute(&pool).await.unwrap();
    let mut one = pool.acquire().await.unwrap();
    let set = log::ROW_BY_ROW.map(|setting| format!("set {setting};")).concat();
    sqlx::raw_sql(AssertSqlSafe(set)).execute(&mut *one).await.unwrap();
    // As many partitions as a relay has that shares them with another: any plan that picks them out of the
    // index would have to sort the whole backlog.
    let look =
        log::Look { partitions: (0..32).collect(), limit: 10, bytes: 1_000_000, ..log::Look::default() };
    let read = "select idx_tup_read from pg_stat_user_indexes
                 where indexrelname = 'integration_event_log_pending' and pg_stat_force_next_flush() is not null";
    let mut before = 0;
    // What is believed of the table first: that it is about empty.
    for statistics in ["select", "vacuum analyze integration_event_log"] {
        sqlx::raw_sql(statistics).execute(&mut *one).await.unwrap();
        assert_eq!(log::look(&mut *one, &look).await.unwrap().events.len(), 10);
        sqlx::raw_sql("select pg_stat_force_next_flush()").execute(&mut *one).await.unwrap();
        let after: i64 = sqlx::query_scalar(read).fetch_one(&mut *one).await.unwrap();
        assert!((10..=100).contains(&(after - before)), "{} entries read after {statistics}", after - before);
        before = after;
    }
}
