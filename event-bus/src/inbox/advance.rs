//! Facts that reach a consumer in another way than by events.

use sqlx::{Postgres, Transaction};

/// Raises the version of `source`'s `key` that `consumer` knows to `version`, for each of `event_types`. Returns the
/// types for which that was news: only the facts that they carry may be written.
///
/// An example is an answer to a request, which may be older or newer than the events that arrived meanwhile. Waits
/// for a concurrent transaction of the consumer on the same key. An answer names no generation: the version counts in
/// the newest one that is known.
pub async fn advance<'a>(
    tx: &mut Transaction<'_, Postgres>,
    consumer: &str,
    source: &str,
    key: &str,
    event_types: &[&'a str],
    version: i64,
) -> Result<Vec<&'a str>, sqlx::Error> {
    // Sorted, as in `receive`, so that two transactions take the rows of a key in the same order.
    let advanced: Vec<String> = sqlx::query_scalar(
        "insert into inbox_version as known (consumer, source, key, event_type, key_version)
         select $1, $2, $3, event_type, $5 from unnest($4::text[]) as event_type order by event_type
         on conflict (consumer, source, key, event_type) do update set key_version = excluded.key_version
         where known.key_version < excluded.key_version
         returning event_type",
    )
    .bind(consumer)
    .bind(source)
    .bind(key)
    .bind(event_types)
    .bind(version)
    .fetch_all(&mut **tx)
    .await?;
    Ok(event_types.iter().copied().filter(|known| advanced.iter().any(|text| text == known)).collect())
}
