//! The database: what the migrations make, and what the service's role may do with it.

use service_kit::{database, settings::DatabaseSettings};
use sqlx::{PgConnection, PgPool};

use basket_api::MIGRATIONS;

use crate::app::{TestApp, add_product, reprice};

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn the_services_role_can_change_rows_and_nothing_else(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    add_product(&pool, 1, "1.00").await;
    app.fill("alice", 1, 1).await;
    reprice(&pool, 1, "1.00", "2.00", 2).await;
    for forbidden in [
        "create table mine ()",
        "drop table alert",
        "truncate alert",
        "alter table alert add column more text",
        "create index on alert (kind)",
        "alter table cart_line disable trigger all",
        "delete from alert",
        "delete from cart",
        "delete from product",
        "delete from inbox_version",
        "truncate inbox_waiting",
        "insert into _sqlx_migrations (version) values (1)",
        "create role other",
        "grant select on alert to public",
        "set role basket_owner",
        "copy alert to program 'cat'",
    ] {
        refused(&pool, "basket_app", forbidden).await;
    }
    let public: bool = sqlx::query_scalar(
        "select exists (select from information_schema.role_table_grants
                        where grantee = 'PUBLIC' and table_schema = 'public')",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert!(!public);
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn whoever_reads_the_inbox_reads_nothing_else_and_changes_nothing(pool: PgPool) {
    for allowed in [
        "select count(*) from inbox",
        "select count(*) from inbox_version",
        "select count(*) from inbox_waiting",
    ] {
        let mut connection = session_of(&pool, "basket_inbox_reader").await;
        sqlx::query(sqlx::AssertSqlSafe(allowed)).execute(&mut connection).await.unwrap();
    }
    for forbidden in [
        "insert into inbox select * from inbox",
        "update inbox set applied = false",
        "delete from inbox",
        "truncate inbox",
        "select from inbox for update",
        "insert into inbox_version select * from inbox_version",
        "update inbox_version set key_version = 0",
        "delete from inbox_version",
        "delete from inbox_waiting",
        "select from cart",
        "select from cart_line",
        "select from alert",
        "select from product",
        "select from _sqlx_migrations",
        "create table mine ()",
        "drop table inbox",
        "set role basket_app",
    ] {
        refused(&pool, "basket_inbox_reader", forbidden).await;
    }
}

/// A connection with the rights of a role alone.
async fn session_of(pool: &PgPool, role: &str) -> PgConnection {
    let mut connection = pool.acquire().await.unwrap().detach();
    let become_it = sqlx::AssertSqlSafe(format!("set session authorization {role}"));
    sqlx::query(become_it).execute(&mut connection).await.unwrap();
    connection
}

/// Expects that a role lacks the right to do this.
async fn refused(pool: &PgPool, role: &str, forbidden: &'static str) {
    let outcome = sqlx::query(forbidden).execute(&mut session_of(pool, role).await).await;
    if forbidden.starts_with("grant") {
        // PostgreSQL only warns that nothing was granted.
        return;
    }
    let error = outcome.expect_err(forbidden);
    let code = error.as_database_error().and_then(|error| error.code().map(std::borrow::Cow::into_owned));
    assert_eq!(code.as_deref(), Some("42501"), "{forbidden}: {error}");
}

#[sqlx::test(migrations = false)]
async fn migrating_from_several_processes_at_once_is_done_once(pool: PgPool) {
    let server = std::env::var("DATABASE_URL").unwrap();
    let server = server.rsplit_once('/').unwrap().0.to_owned();
    let options = pool.connect_options();
    let settings = DatabaseSettings {
        url: format!("{server}/{}", options.get_database().unwrap()).into(),
        max_connections: 1,
    };
    let migrations = (0..4).map(|_| database::migrate(&settings, &MIGRATIONS));
    for outcome in futures_util::future::join_all(migrations).await {
        outcome.unwrap();
    }
    database::is_ready(&pool, &MIGRATIONS).await.unwrap();
}

#[sqlx::test(migrations = false)]
async fn a_service_whose_database_is_not_migrated_is_not_ready(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    let answer = app.request(reqwest::Method::GET, "/health/ready").send().await.unwrap();
    assert_eq!(answer.status(), 503);
    let answer = app.request(reqwest::Method::GET, "/health/live").send().await.unwrap();
    assert_eq!(answer.status(), 200);
}
