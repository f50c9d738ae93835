//! What a change would leave behind.

use sqlx::{AssertSqlSafe, PgPool};

/// What is in every table of a database, as a sum over each. Left out are the relays' leases, which are
/// renewed all the time.
pub(super) async fn contents(pool: &PgPool) -> Vec<(String, String)> {
    let tables: Vec<String> = sqlx::query_scalar(
        "select tablename::text from pg_tables
         where schemaname = 'public' and tablename not in ('outbox_relay', 'outbox_partition') order by 1",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let mut all = Vec::new();
    for table in tables {
        let sum = format!(
            r#"select count(*) || ' ' || md5(coalesce(string_agg(t::text, E'\n' order by t::text), '')) from "{table}" t"#
        );
        let sum: String = sqlx::query_scalar(AssertSqlSafe(sum)).fetch_one(pool).await.unwrap();
        all.push((table, sum));
    }
    all
}
