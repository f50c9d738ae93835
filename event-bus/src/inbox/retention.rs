//! Deletes old inbox rows.

use std::time::Duration;

use sqlx::PgPool;

/// How long one statement may take. A cut connection gives no answer and no error.
const DEADLINE: Duration = Duration::from_secs(30);

/// Rows that one statement deletes, so that none holds its locks for long.
const BATCH_SIZE: i64 = 5_000;

/// Deletes a consumer's inbox rows that are older than `older_than`, and returns their number. The version guard
/// stays, and so do events that wait. The clock is the database's, as that of `received_at`. Keep rows far longer than a
/// message waits in any queue: a repeat that comes later counts as new.
pub(crate) async fn purge(pool: &PgPool, consumer: &str, older_than: Duration) -> Result<u64, sqlx::Error> {
    let mut total = 0;
    loop {
        let delete = sqlx::query(
            "delete from inbox where consumer = $1 and event_id in
                (select event_id from inbox where consumer = $1 and received_at < now() - make_interval(secs => $2)
                    and not exists (select from inbox_waiting as waiting
                                     where waiting.consumer = $1 and waiting.event_id = inbox.event_id)
                  limit $3)",
        )
        .bind(consumer)
        .bind(older_than.as_secs_f64())
        .bind(BATCH_SIZE)
        .execute(pool);
        let deleted = tokio::time::timeout(DEADLINE, delete).await;
        let rows = deleted.unwrap_or(Err(sqlx::Error::PoolTimedOut))?.rows_affected();
        total += rows;
        if rows < BATCH_SIZE.unsigned_abs() {
            return Ok(total);
        }
    }
}
