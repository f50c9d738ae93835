//! The server has become read-only, as one that was demoted in a failover.

use sqlx::{Connection, PgConnection, PgPool};
use test_kit::eventually;

use crate::support::{LONG, Stage, raised};

#[sqlx::test(migrations = false)]
async fn sessions_to_a_server_that_was_demoted_are_replaced(pool: PgPool) {
    let stage = Stage::set(pool).await;
    let name = stage.pool.connect_options().get_database().unwrap().to_owned();
    let mut administrator = PgConnection::connect(&std::env::var("DATABASE_URL").unwrap()).await.unwrap();
    // Sessions that begin now are read-only for as long as they last.
    for demote in [
        format!("alter database \"{name}\" set default_transaction_read_only = on"),
        format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'"),
    ] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(demote)).execute(&mut administrator).await.unwrap();
    }
    stage.send(&raised("a", 1, "")).await;
    eventually("it cannot write", LONG, async || {
        stage.health.problem().filter(|problem| problem.contains("read-only"))
    })
    .await;
    let promote = format!("alter database \"{name}\" reset default_transaction_read_only");
    sqlx::raw_sql(sqlx::AssertSqlSafe(promote)).execute(&mut administrator).await.unwrap();
    assert_eq!(stage.until_applied(1).await, [("a".to_owned(), 1)]);
}
