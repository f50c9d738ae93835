//! Least rights: what the service's role and the relay's cannot do.

use std::borrow::Cow;

use sqlx::{Executor, PgPool};

use crate::app::{App, log_of};

/// Runs a statement with a role's rights, and undoes it; the error's code, if it was refused.
async fn attempt(pool: &PgPool, role: &str, statement: &str) -> Option<String> {
    let mut tx = pool.begin().await.expect("a transaction");
    tx.execute(sqlx::AssertSqlSafe(format!("set local role {role}"))).await.expect("a role");
    let outcome = tx.execute(sqlx::AssertSqlSafe(statement.to_owned())).await;
    outcome.err().map(|error| {
        let code = error.as_database_error().and_then(|error| error.code().map(Cow::into_owned));
        code.unwrap_or_else(|| error.to_string())
    })
}

const REFUSED: &str = "42501";

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn the_relay_can_read_and_mark_the_log_and_nothing_else(pool: PgPool) {
    let app = App::spawn(pool).await;
    app.product_priced_at("1.00").await;
    for allowed in [
        "select * from integration_event_log",
        "update integration_event_log set state = 'Published', published_at = now(), times_sent = 1",
        "update integration_event_log set state = 'PublishedFailed', last_error = 'x'",
        "update integration_event_log set skipped_at = now(), skipped_by = 'a', skip_reason = 'b'",
        "select * from outbox_partition for update",
        "delete from outbox_relay",
        "select integration_event_log_purge('1 day', 0, 1000)",
    ] {
        assert_eq!(attempt(&app.pool, "catalog_relay", allowed).await, None, "{allowed}");
    }
    for refused in [
        "select * from product",
        "update product set price = 1",
        "delete from product",
        "select * from idempotency",
        "update integration_event_log set payload = '{}'",
        "update integration_event_log set event_type = 'shop.other.v1'",
        "update integration_event_log set key_version = 9",
        "update integration_event_log set partition = 9",
        "insert into integration_event_log (event_id, event_type, key, key_version, partition, payload)
         values (gen_random_uuid(), 'shop.forged.v1', '1', 1, 1, '{}')",
        "insert into outbox_generation values (9, now())",
        "delete from integration_event_log",
        "truncate integration_event_log",
        "create table own (id int)",
        "drop table integration_event_log",
    ] {
        assert_eq!(attempt(&app.pool, "catalog_relay", refused).await.as_deref(), Some(REFUSED), "{refused}");
    }
    assert_eq!(log_of(&app.pool).await.len(), 1);
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn a_relay_that_may_only_begin_a_generation_leaves_its_beginning_behind(pool: PgPool) {
    pool.execute("grant select, update on outbox_log to catalog_relay").await.expect("granted");
    let begin = "set local role catalog_relay; update outbox_log set generation = 7";
    let mut tx = pool.begin().await.expect("a transaction");
    tx.execute(sqlx::raw_sql(begin)).await.expect("begun");
    tx.commit().await.expect("committed");
    let kept: Vec<i64> = sqlx::query_scalar("select generation from outbox_generation order by generation")
        .fetch_all(&pool)
        .await
        .expect("the generations");
    assert_eq!(kept, [1, 7]);
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn the_service_can_announce_but_not_take_back(pool: PgPool) {
    let app = App::spawn(pool).await;
    app.product_priced_at("1.00").await;
    for refused in [
        "select * from integration_event_log",
        "select payload from integration_event_log",
        "select key, event_type from integration_event_log",
        "select name from outbox_relay",
        "select integration_event_log_purge('1 day', 0, 1000)",
        "update integration_event_log set state = 'Published', published_at = now()",
        "delete from integration_event_log",
        "select * from outbox_partition",
        "insert into product_type values (9, 'x')",
        "delete from product_brand",
        "alter table product add column x int",
        "create table own (id int)",
        "truncate product",
        "drop table product",
        "delete from _sqlx_migrations",
    ] {
        assert_eq!(attempt(&app.pool, "catalog_app", refused).await.as_deref(), Some(REFUSED), "{refused}");
    }
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn the_database_itself_refuses_what_no_product_can_be(pool: PgPool) {
    let app = App::spawn(pool).await;
    app.product_priced_at("1.00").await;
    for (statement, code) in [
        ("update product set price = 0", "23514"),
        ("update product set price = -1", "23514"),
        ("update product set price = 10000000", "22003"),
        ("update product set name = ''", "23514"),
        ("update product set name = repeat('x', 101)", "23514"),
        ("update product set available_stock = -1", "23514"),
        ("update product set version = 0", "23514"),
        ("update product set product_type_id = 99", "23503"),
        (
            "insert into product (product_id, name, price, product_type_id, product_brand_id) values (0, 'x', 1, 1, 1)",
            "23514",
        ),
    ] {
        assert_eq!(attempt(&app.pool, "catalog_app", statement).await.as_deref(), Some(code), "{statement}");
    }
}
