//! Inbox rows leave after a while; the version guard stays.

use std::time::Duration;

use sqlx::PgPool;

/// How long an inbox row is kept: far longer than any message waits anywhere.
const KEPT: chrono::TimeDelta = chrono::TimeDelta::days(7);

/// How often old rows are looked for.
const EVERY: Duration = Duration::from_hours(1);

/// How long one statement may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// Rows a statement deletes, so that none holds its locks for long.
const CHUNK: i64 = 5_000;

/// Deletes what is too old, now and every hour. Ends when it is dropped.
pub(crate) async fn keep_tidy(pool: &PgPool, consumer: &str) {
    loop {
        match purge(pool, consumer).await {
            Ok(0) => {}
            Ok(rows) => tracing::info!(consumer, rows, "deleted old inbox rows"),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(consumer, error, "could not delete old inbox rows; will try again");
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}

async fn purge(pool: &PgPool, consumer: &str) -> Result<u64, sqlx::Error> {
    let before = chrono::Utc::now() - KEPT;
    let mut total = 0;
    loop {
        let delete = sqlx::query(
            "delete from inbox where consumer = $1 and event_id in
                (select event_id from inbox where consumer = $1 and received_at < $2 limit $3)",
        )
        .bind(consumer)
        .bind(before)
        .bind(CHUNK)
        .execute(pool);
        // A connection that was cut says nothing, for ever.
        let deleted = tokio::time::timeout(DEADLINE, delete).await;
        let rows = deleted.unwrap_or(Err(sqlx::Error::PoolTimedOut))?.rows_affected();
        total += rows;
        if rows == 0 {
            return Ok(total);
        }
    }
}
