//! Killed with SIGKILL at each point where it matters.
#![cfg(feature = "crash-points")]

use sqlx::PgPool;

use crate::support::{Log, Stage, assert_in_order};

const KEYS: i64 = 5;
const VERSIONS: i64 = 12;

async fn survives(pool: PgPool, point: &str, at_least_repeats: usize) {
    let mut stage = Stage::set(pool).await;
    stage.log.raise_many(KEYS, VERSIONS).await;
    let mut relay = stage.relay().env("CRASH_POINT", point).env("APP__RELAY__BATCH_SIZE", "20").start();
    if point == "relay.while_resigning" {
        stage.log.drained().await;
        relay.signal(test_kit::Signal::TERM);
    }
    let status = if point == "relay.while_renewing" {
        tokio::select! {
            status = relay.ended() => status,
            never = keep_busy(&stage.log) => match never {},
        }
    } else {
        relay.ended().await
    };
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9), "killed at {point}");

    let _next = stage.relay().start();
    stage.log.drained().await;
    let committed = stage.log.count("Published").await;
    let mut seen = Vec::new();
    while let Some(message) = stage.probe.try_next(crate::support::MOMENT).await {
        seen.push(crate::support::key_version(&message));
    }
    let repeats = assert_in_order(&seen);
    assert_eq!(seen.len() - repeats, usize::try_from(committed).unwrap(), "nothing is lost");
    assert!(repeats >= at_least_repeats, "{repeats} repeats after {point}");
}

/// Commits events without end. Leases are renewed while events are in flight; an idle relay rebalances instead.
async fn keep_busy(log: &Log) -> std::convert::Infallible {
    let mut version = VERSIONS;
    loop {
        log.raise_many_from(KEYS, version + 1, VERSIONS).await;
        version += VERSIONS;
    }
}

macro_rules! killed {
    ($($name:ident: $point:literal, at least $repeats:literal repeats;)*) => {
        $(
            #[sqlx::test(migrations = false)]
            async fn $name(pool: PgPool) {
                survives(pool, $point, $repeats).await;
            }
        )*
    };
}

killed! {
    killed_before_it_takes_partitions_loses_nothing: "relay.before_ownership", at least 0 repeats;
    killed_after_it_took_partitions_loses_nothing: "relay.after_ownership", at least 0 repeats;
    killed_while_it_connects_loses_nothing: "relay.while_reconnecting", at least 0 repeats;
    killed_before_the_first_publication_loses_nothing: "relay.after_read", at least 0 repeats;
    killed_in_the_middle_of_publishing_loses_nothing: "relay.after_publish:17", at least 0 repeats;
    killed_between_confirm_and_mark_sends_the_events_again: "relay.before_mark:2", at least 1 repeats;
    killed_after_the_mark_loses_nothing: "relay.after_mark", at least 0 repeats;
    killed_while_it_prolongs_its_leases_loses_nothing: "relay.while_renewing", at least 0 repeats;
    killed_while_it_gives_up_partitions_loses_nothing: "relay.while_resigning", at least 0 repeats;
}

#[sqlx::test(migrations = false)]
async fn killed_after_it_released_its_partitions_loses_nothing(pool: PgPool) {
    let mut stage = Stage::set(pool).await;
    let (proxy, through) = stage.vhost.proxied().await;
    let relay = stage.relay().env("APP__BROKER__URL", &through).env("CRASH_POINT", "relay.after_release");
    let mut relay = relay.start();
    stage.log.raise("a", 1..=3).await;
    assert_eq!(stage.seen(3).await.len(), 3);
    stage.log.drained().await;
    proxy.set(test_kit::Mode::Refused);
    proxy.reset();
    stage.log.raise("a", 4..=6).await;
    let status = relay.ended().await;
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
    let owned = "select count(*) from outbox_partition where relay_id is not null";
    let owned: i64 = sqlx::query_scalar(owned).fetch_one(&stage.log.pool).await.unwrap();
    assert_eq!(owned, 0, "it had released them");
    let _next = stage.relay().start();
    assert_eq!(stage.seen(3).await, [4, 5, 6].map(|version| ("a".to_owned(), version)));
}

#[sqlx::test(migrations = false)]
async fn a_worker_that_panics_is_started_again_and_other_databases_go_on(pool: PgPool) {
    let mut stage = Stage::set(pool.clone()).await;
    let name = format!("second_{}", uuid::Uuid::new_v4().simple());
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("create database {name}"))).execute(&pool).await.unwrap();
    let (server, _) = stage.log.url.rsplit_once('/').unwrap();
    let other = Log::create(PgPool::connect(&format!("{server}/{name}")).await.unwrap()).await;
    let relay = stage
        .relay()
        .env("APP__DATABASES__OTHER__URL", &other.url)
        .env("CRASH_POINT", "panic:relay.before_mark")
        .start();
    // The first mark of the process panics: of either database.
    stage.log.raise("here", 1..=3).await;
    other.raise("there", 1..=3).await;
    for log in [&stage.log, &other] {
        log.drained().await;
    }
    assert!(relay.log().contains("a worker has failed; it starts again"), "{}", relay.log());
    relay.until_ready(true).await;
    let mut seen = Vec::new();
    while let Some(message) = stage.probe.try_next(crate::support::MOMENT).await {
        seen.push(crate::support::key_version(&message));
    }
    let repeats = assert_in_order(&seen);
    assert_eq!(seen.len() - repeats, 6, "{seen:?}");
    drop(relay);
    other.pool.close().await;
    let gone = format!("drop database {name} with (force)");
    sqlx::raw_sql(sqlx::AssertSqlSafe(gone)).execute(&pool).await.unwrap();
}
