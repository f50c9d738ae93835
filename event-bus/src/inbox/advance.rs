//! Facts that reach a consumer in another way than by events.

use sqlx::{Postgres, Transaction};

/// Raises the version of `key` that `consumer` knows to `version`, for each of `event_types`. Returns the types
/// for which that was news: only the facts that they carry may be written.
///
/// An example is an answer to a request, which may be older or newer than the events that arrived meanwhile. Waits
/// for a concurrent transaction of the consumer on the same key.
pub async fn advance<'a>(
    tx: &mut Transaction<'_, Postgres>,
    consumer: &str,
    key: &str,
    event_types: &[&'a str],
    version: i64,
) -> Result<Vec<&'a str>, sqlx::Error> {
    // Sorted, as in `receive`, so that two transactions take the rows of a key in the same order.
    let advanced: Vec<String> = sqlx::query_scalar(
        "insert into inbox_version as known (consumer, key, event_type, key_version)
         select $1, $2, event_type, $4 from unnest($3::text[]) as event_type order by event_type
         on conflict (consumer, key, event_type) do update set key_version = excluded.key_version
         where known.key_version < excluded.key_version
         returning event_type",
    )
    .bind(consumer)
    .bind(key)
    .bind(event_types)
    .bind(version)
    .fetch_all(&mut **tx)
    .await?;
    Ok(event_types.iter().copied().filter(|known| advanced.iter().any(|text| text == known)).collect())
}
