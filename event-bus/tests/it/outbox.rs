//! A change and its announcement share a transaction.

use event_bus::{
    Event,
    outbox::{self, AppendError},
};
use serde::Serialize;
use sqlx::PgPool;

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
    let id = outbox::append(&mut tx, &Noted { text }).await?;
    tx.commit().await.unwrap();
    Ok(id)
}

/// The partition of the key `n`.
async fn partition_of_n(pool: &PgPool) -> i16 {
    let partition = "select (hashtextextended('n', 0) & 63)::smallint";
    sqlx::query_scalar(partition).fetch_one(pool).await.unwrap()
}

/// The id, partition and payload of each pending event.
async fn pending(pool: &PgPool) -> Vec<(uuid::Uuid, i16, String)> {
    let pending = "select event_id, partition, payload::text from integration_event_log
                    where state = 'NotPublished' order by position";
    sqlx::query_as(pending).fetch_all(pool).await.unwrap()
}

#[sqlx::test(migrations = false)]
async fn an_event_is_pending_once_its_transaction_is_committed_and_never_otherwise(pool: PgPool) {
    sqlx::raw_sql(outbox::SCHEMA).execute(&pool).await.unwrap();
    let mut tx = pool.begin().await.unwrap();
    let event = Noted { text: "a".to_owned() };
    outbox::append(&mut tx, &event).await.unwrap();
    assert!(pending(&pool).await.is_empty());
    tx.rollback().await.unwrap();
    assert!(pending(&pool).await.is_empty());

    let id = append(&pool, "b".to_owned()).await.unwrap();
    assert_eq!(pending(&pool).await, [(id, partition_of_n(&pool).await, r#"{"text":"b"}"#.to_owned())]);
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
        ("created_at", "'infinity'".to_owned()),
        ("created_at", "'-infinity'".to_owned()),
        ("created_at", "'290000-01-01'".to_owned()),
        ("created_at", "'0044-03-15 BC'".to_owned()),
        ("published_at", "'infinity'".to_owned()),
        ("payload", format!("'\"{}\"'", "x".repeat(outbox::PAYLOAD_LIMIT))),
        ("payload", "'{'".to_owned()),
        ("state", "'Lost'".to_owned()),
        ("state", "'InProgress'".to_owned()),
        ("skipped_by", "'me'".to_owned()),
    ] {
        let row = [
            ("event_id", "gen_random_uuid()"),
            ("event_type", "'a.b.c.v1'"),
            ("key", "'k'"),
            ("key_version", "1"),
            ("created_at", "now()"),
            ("published_at", "null"),
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
async fn type_key_and_payload_are_enough_for_a_writer_in_another_language(pool: PgPool) {
    sqlx::raw_sql(outbox::SCHEMA).execute(&pool).await.unwrap();
    let insert =
        "insert into integration_event_log (event_type, key, payload) values ('a.b.c.v1', 'n', '{}')";
    for _ in 0..3 {
        sqlx::raw_sql(insert).execute(&pool).await.unwrap();
    }
    let rows: Vec<(i64, i64, i16, String)> = sqlx::query_as(
        "select position, key_version, partition, headers::text from integration_event_log order by position",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let versions: Vec<i64> = rows.iter().map(|(_, version, ..)| *version).collect();
    assert!(versions.is_sorted_by(|a, b| a < b), "versions rise in the order of the log: {versions:?}");
    let partition = partition_of_n(&pool).await;
    assert!(
        rows.iter().all(|(.., partition_of_row, headers)| *partition_of_row == partition && headers == "{}")
    );
}

#[sqlx::test(migrations = false)]
async fn the_partition_that_a_writer_gives_is_replaced_by_the_one_of_the_key(pool: PgPool) {
    sqlx::raw_sql(outbox::SCHEMA).execute(&pool).await.unwrap();
    for wrong in ["0", "63", "64", "-1", "null"] {
        let insert = format!(
            "insert into integration_event_log (event_type, key, key_version, partition, payload)
             values ('a.b.c.v1', 'n', 7, {wrong}, '{{}}')"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(insert)).execute(&pool).await.unwrap();
    }
    let partitions: Vec<i16> = pending(&pool).await.into_iter().map(|(_, partition, _)| partition).collect();
    assert_eq!(partitions, [partition_of_n(&pool).await; 5]);
    let mend = "update integration_event_log set key = 'm'; update integration_event_log set key = 'n'";
    for by_hand in [mend, "update integration_event_log set partition = 1"] {
        sqlx::raw_sql(by_hand).execute(&pool).await.unwrap();
        let partitions: Vec<i16> =
            pending(&pool).await.into_iter().map(|(_, partition, _)| partition).collect();
        assert_eq!(partitions, [partition_of_n(&pool).await; 5], "{by_hand}");
    }
}
