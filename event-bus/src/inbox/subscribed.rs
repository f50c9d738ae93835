//! Remembers that a consumer's queue was bound.

use sqlx::PgPool;

/// Notes that the queue of `consumer` was bound: from then on it collects every event. A row of the version guard without a
/// key says so for ever, also while no event has had an effect yet.
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
