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
    let _one = stage.relay().env("APP__RELAY__CHUNK", "10").start();
    let two = stage.relay().env("APP__RELAY__CHUNK", "10").start();
    eventually("both own half", LONG, async || (owners(&stage.log.pool).await == [32, 32]).then_some(()))
        .await;

    let mut seen = Vec::new();
    for round in 0..10 {
        for key in 0..20 {
            stage.log.raise(&format!("k{key}"), round * 3 + 1..=round * 3 + 3).await;
        }
        if round == 5 {
            two.signal("KILL");
        }
    }
    stage.log.drained().await;
    while let Some(message) = stage.probe.try_next(MOMENT).await {
        seen.push(key_version(&message));
    }
    let repeats = assert_in_order(&seen);
    assert_eq!(seen.len() - repeats, 600, "nothing is lost");
}

#[sqlx::test(migrations = false)]
async fn a_killed_relays_partitions_are_taken_over_before_its_lease_ends(pool: PgPool) {
    let stage = Stage::set(pool).await;
    let one = stage.relay().start();
    one.until_ready(true).await;
    let two = stage.relay().start();
    eventually("both own half", LONG, async || (owners(&stage.log.pool).await == [32, 32]).then_some(()))
        .await;
    one.signal("KILL");
    // Its session is gone, so nobody waits for the four seconds of its lease.
    eventually("the other owns all", Duration::from_millis(3_500), async || {
        (owners(&stage.log.pool).await == [64]).then_some(())
    })
    .await;
    drop(two);
}

#[sqlx::test(migrations = false)]
async fn a_frozen_relay_is_replaced_and_does_no_harm_when_it_thaws(pool: PgPool) {
    let mut stage = Stage::set(pool).await;
    let frozen = stage.relay().env("APP__RELAY__CHUNK", "5").start();
    frozen.until_ready(true).await;
    stage.log.raise_many(10, 200).await;
    let mut seen = stage.seen(20).await;
    frozen.signal("STOP");
    assert!(stage.log.count("NotPublished").await > 0, "frozen in the middle of it");
    let _other = stage.relay().start();
    stage.log.drained().await;
    frozen.signal("CONT");
    stage.log.raise("after", 1..=3).await;
    stage.log.drained().await;
    while let Some(message) = stage.probe.try_next(MOMENT).await {
        seen.push(key_version(&message));
    }
    let repeats = assert_in_order(&seen);
    assert_eq!(seen.len() - repeats, 2_003, "nothing is lost");
}
