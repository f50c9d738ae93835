//! Whether a database is as a relay needs it.

use sqlx::PgPool;

/// The tables and functions that the newest schema has.
const PARTS: [&str; 8] = [
    "integration_event_log",
    "outbox_relay",
    "outbox_partition",
    "outbox_log",
    "outbox_generation",
    "outbox_scheduled",
    "integration_event_log_purge(interval, bigint, integer)",
    "outbox_release_due(integer)",
];

/// The rights that a relay's role needs: a right, and on what.
const RIGHTS: [(&str, &str); 11] = [
    ("select", "integration_event_log"),
    (
        "update (state, times_sent, published_at, last_error, skipped_at, skipped_by, skip_reason)",
        "integration_event_log",
    ),
    ("select, insert, update, delete", "outbox_relay"),
    ("select, update", "outbox_partition"),
    ("select, update", "outbox_log"),
    ("select", "outbox_generation"),
    ("select, delete", "outbox_scheduled"),
    ("execute", "integration_event_log_purge(interval, bigint, integer)"),
    ("execute", "outbox_release_due(integer)"),
    ("execute", "outbox_log_identity()"),
    ("usage", "schema"),
];

/// Pending events whose partitions are compared with those of their keys.
const SAMPLE: i64 = 1_000;

/// How many positions before the newest published event the sample begins.
const BEFORE_NEWEST: i64 = 20_000;

/// The parts of the schema that are missing.
pub(crate) async fn missing_parts(pool: &PgPool) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(
        "select part from unnest($1::text[]) as part
          where case when part like '%(%' then to_regprocedure(part)::oid else to_regclass(part)::oid end is null",
    )
    .bind(PARTS.map(str::to_owned))
    .fetch_all(pool)
    .await
}

/// The statements that would grant the rights that the role of this connection lacks.
pub(crate) async fn missing_rights(pool: &PgPool) -> Result<Vec<String>, sqlx::Error> {
    let mut missing = Vec::new();
    for (right, on) in RIGHTS {
        if !has_right(pool, right, on).await? {
            let on = match on {
                "schema" => "schema of the log".to_owned(),
                function if function.ends_with(')') => format!("function {function}"),
                table => table.to_owned(),
            };
            missing.push(format!("grant {right} on {on}"));
        }
    }
    Ok(missing)
}

async fn has_right(pool: &PgPool, right: &str, on: &str) -> Result<bool, sqlx::Error> {
    if on == "schema" {
        let usage = "select has_schema_privilege(relnamespace, 'usage') from pg_class
                      where oid = 'integration_event_log'::regclass";
        return sqlx::query_scalar(usage).fetch_one(pool).await;
    }
    if on.ends_with(')') {
        let execute = "select has_function_privilege(to_regprocedure($1), 'execute')";
        return sqlx::query_scalar(execute).bind(on).fetch_one(pool).await;
    }
    if let Some(columns) = right.strip_prefix("update (").and_then(|columns| columns.strip_suffix(')')) {
        let update = "select bool_and(has_column_privilege($1, trim(name), 'update'))
                        from unnest(string_to_array($2, ',')) as name";
        return sqlx::query_scalar(update).bind(on).bind(columns).fetch_one(pool).await;
    }
    // Of several rights in one text, any one would do.
    let all =
        "select bool_and(has_table_privilege($1, trim(one))) from unnest(string_to_array($2, ',')) as one";
    sqlx::query_scalar(all).bind(on).bind(right).fetch_one(pool).await
}

/// The statements that put back the rows that these tables always have, where somebody has emptied them.
pub(crate) async fn missing_rows(pool: &PgPool) -> Result<Vec<String>, sqlx::Error> {
    let rows = "select exists (select from outbox_log), (select count(*) from outbox_partition) = 64";
    let (has_log, has_partitions): (bool, bool) = sqlx::query_as(rows).fetch_one(pool).await?;
    // The generation is raised at once, above all that were: by then the relay takes the log for a restored one.
    let log = "insert into outbox_log (identity) values ('emptied')";
    let partitions =
        "insert into outbox_partition (partition) select generate_series(0, 63) on conflict do nothing";
    let missing = [(has_log, log), (has_partitions, partitions)];
    Ok(missing.into_iter().filter(|(is_there, _)| !is_there).map(|(_, insert)| insert.to_owned()).collect())
}

/// How many of a sample of the pending events are in another partition than their key's: the oldest of those behind the
/// newest published event, and of those that wait closely before it. Further down, the entries of events that were
/// published may be many.
pub(crate) async fn misplaced(pool: &PgPool) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(
        "with settled as (
            select coalesce(max(position), 0) as newest from integration_event_log
             where state = 'Published' or skipped_at is not null
        ), sample as (
            select key, partition from integration_event_log
             where state = 'NotPublished' and position > (select newest - $2 from settled)
             order by position limit $1
        )
        select count(*) from sample where partition <> hashtextextended(key, 0) & 63",
    )
    .bind(SAMPLE)
    .bind(BEFORE_NEWEST)
    .fetch_one(pool)
    .await
}
