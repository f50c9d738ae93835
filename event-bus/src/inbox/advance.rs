//! Facts that reach a consumer by another way than events.

use sqlx::PgConnection;

/// Raises what `consumer` knows of `key` to `version` for each of `event_types`, and returns those
/// types for which that was news: only what they carry may be written.
///
/// For an answer to a request, say, that may be older or newer than the events which arrived
/// meanwhile. Waits for a consumer's transaction that is at the same key.
pub async fn advance<'a>(
    tx: &mut PgConnection,
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
    .fetch_all(tx)
    .await?;
    Ok(event_types.iter().copied().filter(|known| advanced.iter().any(|text| text == known)).collect())
}
