//! Facts that reach a consumer in another way than by events.

use sqlx::{PgConnection, Postgres, Transaction};

/// Raises the version of `source`'s `key` that `consumer` knows to `version`, for each of `event_types`. Returns the
/// types for which that was news: only the facts that they carry may be written.
///
/// An example is an answer to a request, which may be older or newer than the events that arrived meanwhile. Waits
/// for a concurrent transaction of the consumer on the same key. An answer names no generation: the version counts in
/// the [newest](newest_generation) one.
pub async fn advance<'a>(
    tx: &mut Transaction<'_, Postgres>,
    consumer: &str,
    source: &str,
    key: &str,
    event_types: &[&'a str],
    version: i64,
) -> Result<Vec<&'a str>, sqlx::Error> {
    let generation = newest_generation(tx, consumer, source).await?;
    // Sorted, as in `receive`, so that two transactions take the rows of a key in the same order.
    let advanced: Vec<String> = sqlx::query_scalar(
        "insert into inbox_version as known (consumer, source, key, event_type, generation, key_version)
         select $1, $2, $3, event_type, $6, $5 from unnest($4::text[]) as event_type order by event_type
         on conflict (consumer, source, key, event_type) do update
            set generation = excluded.generation, key_version = excluded.key_version
          where (known.generation, known.key_version) < (excluded.generation, excluded.key_version)
         returning event_type",
    )
    .bind(consumer)
    .bind(source)
    .bind(key)
    .bind(event_types)
    .bind(version)
    .bind(generation)
    .fetch_all(&mut **tx)
    .await?;
    Ok(event_types.iter().copied().filter(|known| advanced.iter().any(|text| text == known)).collect())
}

/// The newest generation of `source`'s log that `consumer` knows: the first before it knows any.
pub async fn newest_generation(
    connection: &mut PgConnection,
    consumer: &str,
    source: &str,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(
        "select coalesce(max(generation), 1) from inbox_version where consumer = $1 and source = $2",
    )
    .bind(consumer)
    .bind(source)
    .fetch_one(connection)
    .await
}
