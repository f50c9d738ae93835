//! Remembers that a consumer's queue was bound.

use sqlx::PgPool;

/// Notes that the queue of `consumer` was bound, by a row of the version guard without a key: until somebody deletes the queue
/// it collects events, also while no process runs.
#[cfg(feature = "rabbitmq")]
pub(crate) async fn note_subscribed(pool: &PgPool, consumer: &str) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into inbox_version (consumer, source, key, event_type, key_version) values ($1, '', '', '', 0)
         on conflict do nothing",
    )
    .bind(consumer)
    .execute(pool)
    .await
    .map(drop)
}

/// Whether the queue of `consumer` was bound once, by any process.
pub async fn was_subscribed(pool: &PgPool, consumer: &str) -> Result<bool, sqlx::Error> {
    // Releases before 0.3 noted nothing: there the guard has rows once anything had its effect; what had none yet waits.
    sqlx::query_scalar(
        "select exists (select from inbox_version where consumer = $1)
             or exists (select from inbox_waiting where consumer = $1)",
    )
    .bind(consumer)
    .fetch_one(pool)
    .await
}
