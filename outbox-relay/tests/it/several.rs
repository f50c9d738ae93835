//! Several relays at once.

use std::time::Duration;

use sqlx::PgPool;
use test_kit::eventually;

use crate::support::{LONG, MOMENT, Stage, assert_in_order, key_version};

async fn owners(pool: &PgPool) -> Vec<i64> {
    sqlx::query_scalar("select count(*) from outbox_partition where relay_id is not null group by relay_id")
        .fetch_all(pool)
        .await
        .unwrap()
}

#[sqlx::test(migrations = false)]
async fn two_relays_share_the_partitions_and_keep_every_keys_order(pool: PgPool) {
    let mut stage = Stage::set(pool).await;
    let _one = stage.relay().env("APP__RELAY__BATCH_SIZE", "10").start();
    let two = stage.relay().env("APP__RELAY__BATCH_SIZE", "10").start();
    eventually("both own half", LONG, async || (owners(&stage.log.pool).await == [32, 32]).then_some(()))
        .await;

    let mut seen = Vec::new();
    for round in 0..10 {
        for key in 0..20 {
            stage.log.raise(&format!("k{key}"), round * 3 + 1..=round * 3 + 3).await;
        }
        if round == 5 {
            two.signal(test_kit::Signal::KILL);
        }
    }
    stage.log.drained().await;
    while let Some(message) = stage.probe.try_next(MOMENT).await {
        seen.push(key_version(&message));
    }
    let repeats = assert_in_order(&seen);
    assert_eq!(seen.len() - repeats, 600, "nothing is lost");
}

async fn count(pool: &PgPool, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(pool).await.unwrap()
}

#[sqlx::test(migrations = false)]
async fn a_killed_relays_partitions_are_taken_over_at_once(pool: PgPool) {
    let stage = Stage::set(pool).await;
    let one = stage.relay().env("APP__RELAY__NAME", "one").start();
    one.until_ready(true).await;
    let _two = stage.relay().env("APP__RELAY__NAME", "two").start();
    let pool = &stage.log.pool;
    eventually("both own half", LONG, async || (owners(pool).await == [32, 32]).then_some(())).await;
    eventually("each waits for the end of the other", LONG, async || {
        let waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted
                        and database = (select oid from pg_database where datname = current_database())";
        (count(pool, waiting).await == 2).then_some(())
    })
    .await;
    // Right after the survivor looked at the partitions: by itself it would look again in 1.5 s.
    let looked =
        "select (extract(epoch from alive_until) * 1000)::bigint from outbox_relay where name = 'two'";
    let before = count(pool, looked).await;
    eventually("the other has just looked", LONG, async || {
        (count(pool, looked).await != before).then_some(())
    })
    .await;
    one.signal(test_kit::Signal::KILL);
    eventually("the other owns all", Duration::from_secs(1), async || {
        (owners(pool).await == [64]).then_some(())
    })
    .await;
}

#[sqlx::test(migrations = false)]
async fn a_frozen_relay_is_replaced_and_does_no_harm_when_it_thaws(pool: PgPool) {
    let mut stage = Stage::set(pool).await;
    let frozen = stage.relay().env("APP__RELAY__BATCH_SIZE", "5").start();
    frozen.until_ready(true).await;
    stage.log.raise_many(10, 200).await;
    let mut seen = stage.seen(20).await;
    frozen.signal(test_kit::Signal::STOP);
    assert!(stage.log.count("NotPublished").await > 0, "frozen in the middle of it");
    let _other = stage.relay().start();
    stage.log.drained().await;
    frozen.signal(test_kit::Signal::CONT);
    stage.log.raise("after", 1..=3).await;
    stage.log.drained().await;
    while let Some(message) = stage.probe.try_next(MOMENT).await {
        seen.push(key_version(&message));
    }
    let repeats = assert_in_order(&seen);
    assert_eq!(seen.len() - repeats, 2_003, "nothing is lost");
}
