//! A PostgreSQL that ends, refuses, or is slow.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use sqlx::{AssertSqlSafe, Connection, PgPool};
use tokio::time::Instant;

use super::{
    Fault, Injection, Target, injection,
    process::{frozen, server_killed, server_restarted},
};
use harness::{Environment, Name};

/// How long what goes on may take.
const LIMIT: Duration = Duration::from_secs(20);

pub(super) const FAULTS: &[Fault] = faults! {
    postgres: "postgres-killed" [1, 1]
        "PostgreSQL is killed, and started again" => server_killed(Name::Postgres);
    postgres: "postgres-restarted" [2, 1]
        "PostgreSQL is restarted as an operator would" => server_restarted(Name::Postgres);
    postgres: "postgres-frozen" [1, 1]
        "PostgreSQL stands still with all its sessions" => frozen(Name::Postgres, 9.0..=11.0);
    postgres: "postgres-backends-killed" [2, 1]
        "every session of a service is ended, again and again" => backends_ended;
    postgres: "postgres-connections-exhausted" [1, 1] "no role may open another connection" => exhausted;
    postgres: "postgres-tables-locked" [1, 1]
        "the log and the carts are locked for longer than anybody waits" => locked;
    postgres: "postgres-statement-timeouts" [1, 1]
        "no statement may take longer than 1 ms" => statement_timeouts;
    postgres: "postgres-serialization-failures" [1, 1]
        "every transaction is serializable, and many fail" => serializable;
    postgres: "postgres-deadlocks" [1, 1] "another session locks carts in the wrong order" => deadlocks;
    postgres: "postgres-disk-full" [1, 1] "the disk of the log and the carts is full" => disk_full;
    postgres: "postgres-read-only" [1, 1] "the database is read-only, as after a failover" => read_only;
    postgres: "postgres-migration" [1, 1] "tables get a column and an index while they are used" => migration;
    postgres: "postgres-types-altered" [1, 1]
        "columns get another type while prepared statements read them, and the old one again" => types_altered;
    postgres: "postgres-held-transaction" [1, 1]
        "an open transaction keeps vacuum from its work" => held_transaction;
};

async fn backends_ended(target: &mut Target<'_>) -> Result<Injection> {
    let mut seen = 0;
    for _ in 0..6 {
        seen += end_sessions(target.environment).await?;
        target.hold(0.2..=1.0).await;
    }
    Ok(injection(seen, Instant::now()))
}

async fn exhausted(target: &mut Target<'_>) -> Result<Injection> {
    for_all_roles(target.environment, "connection limit 0").await?;
    let seen = end_sessions(target.environment).await?;
    target.hold(3.0..=4.0).await;
    for_all_roles(target.environment, "connection limit -1").await?;
    Ok(injection(seen, Instant::now()))
}

async fn locked(target: &mut Target<'_>) -> Result<Injection> {
    let mut log = target.environment.catalog.begin().await?;
    let mut carts = target.environment.basket.begin().await?;
    sqlx::query("lock table integration_event_log in access exclusive mode").execute(&mut *log).await?;
    sqlx::query("lock table cart, cart_line, inbox in access exclusive mode").execute(&mut *carts).await?;
    target.hold(6.0..=8.0).await;
    log.rollback().await?;
    carts.rollback().await?;
    Ok(injection(1, Instant::now()))
}

async fn statement_timeouts(target: &mut Target<'_>) -> Result<Injection> {
    for_all_roles(target.environment, "set statement_timeout = '1ms'").await?;
    let seen = end_sessions(target.environment).await?;
    target.hold(3.0..=5.0).await;
    for_all_roles(target.environment, "set statement_timeout = '5s'").await?;
    end_sessions(target.environment).await?;
    Ok(injection(seen, Instant::now()))
}

async fn serializable(target: &mut Target<'_>) -> Result<Injection> {
    let failures =
        "select sum(xact_rollback)::bigint from pg_stat_database where datname in ('catalog', 'basket')";
    for_all_roles(target.environment, "set default_transaction_isolation = 'serializable'").await?;
    end_sessions(target.environment).await?;
    let before: i64 = sqlx::query_scalar(failures).fetch_one(&target.environment.catalog).await?;
    target.hold(5.0..=7.0).await;
    let after: i64 = sqlx::query_scalar(failures).fetch_one(&target.environment.catalog).await?;
    for_all_roles(target.environment, "reset default_transaction_isolation").await?;
    end_sessions(target.environment).await?;
    Ok(injection(u64::try_from(after - before).unwrap_or(0), Instant::now()))
}

/// Locks carts backwards, and products after them: the services lock products first and carts forwards.
async fn deadlocks(target: &mut Target<'_>) -> Result<Injection> {
    let count = "select deadlocks from pg_stat_database where datname = 'basket'";
    let before: i64 = sqlx::query_scalar(count).fetch_one(&target.environment.basket).await?;
    let until = Instant::now() + Duration::from_secs(8);
    while Instant::now() < until {
        let mut tx = target.environment.basket.begin().await?;
        let backwards = "select buyer_id from cart order by buyer_id desc for update";
        let products =
            "select product_id from product where product_id <= 12 order by product_id desc for update";
        // It may itself be the one that PostgreSQL ends; that is what it is here for.
        if sqlx::query(backwards).execute(&mut *tx).await.is_ok() {
            target.hold(0.05..=0.15).await;
            drop(sqlx::query(products).execute(&mut *tx).await);
        }
        tx.rollback().await?;
        target.hold(0.05..=0.1).await;
    }
    let healed = Instant::now();
    // The statistics are a second behind.
    target.hold(1.5..=1.6).await;
    let after: i64 = sqlx::query_scalar(count).fetch_one(&target.environment.basket).await?;
    Ok(injection(u64::try_from(after - before).unwrap_or(0), healed))
}

/// Moves the tables to a small disk of their own and fills it. Needs the right to mount one: elsewhere
/// the run is void.
async fn disk_full(target: &mut Target<'_>) -> Result<Injection> {
    let (catalog, basket) = (target.environment.catalog.clone(), target.environment.basket.clone());
    let size = "select sum(pg_total_relation_size(oid))::bigint from pg_class
                 where relname in ('integration_event_log', 'alert', 'inbox')";
    let mut tables = 0;
    for pool in [&catalog, &basket] {
        tables += sqlx::query_scalar::<_, i64>(size).fetch_one(pool).await?;
    }
    let Some(disk) = super::disk::SmallDisk::mount(&target.environment.directory().join("servers"), tables)?
    else {
        return Ok(injection(0, Instant::now()));
    };
    execute(&catalog, format!("create tablespace chaos_small location '{}'", disk.path().display())).await?;
    move_tables(&catalog, &basket, "chaos_small").await?;
    disk.fill()?;
    target.hold(5.0..=6.0).await;
    disk.free()?;
    let healed = Instant::now();
    let seen = disk.was_full();
    target.hold(1.0..=1.5).await;
    move_tables(&catalog, &basket, "pg_default").await?;
    for statement in ["checkpoint", "drop tablespace chaos_small"] {
        sqlx::query(statement).execute(&catalog).await?;
    }
    drop(disk);
    Ok(injection(u64::from(seen), healed))
}

async fn move_tables(catalog: &PgPool, basket: &PgPool, to: &str) -> Result<()> {
    for (pool, tables) in [(catalog, &["integration_event_log"][..]), (basket, &["alert", "inbox"])] {
        for table in tables {
            execute(pool, format!("alter table {table} set tablespace {to}")).await?;
        }
    }
    Ok(())
}

async fn read_only(target: &mut Target<'_>) -> Result<Injection> {
    let reload = "select pg_reload_conf()";
    let pool = target.environment.catalog.clone();
    sqlx::query("alter system set default_transaction_read_only = on").execute(&pool).await?;
    sqlx::query(reload).execute(&pool).await?;
    target.hold(4.0..=5.0).await;
    let mut session = sqlx::PgConnection::connect_with(&pool.connect_options()).await?;
    sqlx::query("set default_transaction_read_only = off").execute(&mut session).await?;
    sqlx::raw_sql("alter system reset default_transaction_read_only").execute(&mut session).await?;
    sqlx::query(reload).execute(&mut session).await?;
    Ok(injection(1, Instant::now()))
}

async fn migration(target: &mut Target<'_>) -> Result<Injection> {
    let (catalog, basket) = (target.environment.catalog.clone(), target.environment.basket.clone());
    let tables = [
        (&catalog, "integration_event_log"),
        (&catalog, "product"),
        (&basket, "cart_line"),
        (&basket, "inbox"),
    ];
    for (pool, table) in tables {
        execute(pool, format!("alter table {table} add column if not exists chaos_note text")).await?;
        let index = format!("create index concurrently if not exists chaos_{table} on {table} (chaos_note)");
        execute(pool, index).await?;
        target.hold(0.3..=0.8).await;
    }
    // Contracted again, as the release after the next would.
    for (pool, table) in tables {
        execute(pool, format!("alter table {table} drop column chaos_note")).await?;
        target.hold(0.1..=0.3).await;
    }
    Ok(injection(8, Instant::now()))
}

/// A statement whose columns have another type fails once in each session: nobody may notice.
async fn types_altered(target: &mut Target<'_>) -> Result<Injection> {
    let (catalog, basket) = (target.environment.catalog.clone(), target.environment.basket.clone());
    let columns = [
        (&catalog, "product", "price", 9),
        (&basket, "product", "price", 12),
        (&basket, "cart_line", "unit_price", 12),
    ];
    let (_, _, before) = target.workload.counters.counts();
    let mut seen = 0;
    for more in [2, 0] {
        for (pool, table, column, digits) in columns {
            let digits = digits + more;
            execute(pool, format!("alter table {table} alter column {column} type numeric({digits}, 2)"))
                .await?;
            seen += u64::from(target.workload.until_done(20, LIMIT).await?);
            target.one_arrives(LIMIT).await?;
        }
    }
    let (_, _, after) = target.workload.counters.counts();
    ensure!(after == before, "{} operations had no answer, or a 5xx", after - before);
    Ok(injection(seen, Instant::now()))
}

async fn execute(pool: &PgPool, statement: String) -> Result<()> {
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(pool).await?;
    Ok(())
}

async fn held_transaction(target: &mut Target<'_>) -> Result<Injection> {
    let mut held = target.environment.catalog.begin().await?;
    sqlx::query("set transaction isolation level repeatable read").execute(&mut *held).await?;
    sqlx::query("select txid_current()").execute(&mut *held).await?;
    target.hold(5.0..=6.0).await;
    let dead =
        "select coalesce(n_dead_tup, 0) from pg_stat_user_tables where relname = 'integration_event_log'";
    let dead: i64 = sqlx::query_scalar(dead).fetch_one(&target.environment.catalog).await?;
    held.rollback().await?;
    Ok(injection(u64::try_from(dead).unwrap_or(0).max(1), Instant::now()))
}

async fn for_all_roles(environment: &Environment, what: &str) -> Result<()> {
    for role in environment.serving_roles() {
        execute(&environment.catalog, format!("alter role {role} {what}")).await?;
    }
    Ok(())
}

/// Ends every session of a service, and returns how many there were.
async fn end_sessions(environment: &Environment) -> Result<u64> {
    let ended: i64 = sqlx::query_scalar(
        "select count(pg_terminate_backend(pid)) from pg_stat_activity where usename = any($1)",
    )
    .bind(environment.serving_roles())
    .fetch_one(&environment.catalog)
    .await
    .context("cannot end sessions")?;
    Ok(u64::try_from(ended).unwrap_or(0))
}
