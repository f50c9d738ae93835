//! A log that was restored from a backup: its versions start again at those of the backup.

use serde_json::{Value, json};
use sqlx::PgPool;
use test_kit::eventually;
use uuid::Uuid;

use crate::support::{LONG, Log, MOMENT, Stage};

const TYPE: &str = "shop.test.counter_raised.v1";

/// A backup of a log.
struct Backup;

impl Backup {
    async fn take(log: &Log) -> Self {
        let copy = "create table backup_log as table integration_event_log;
                    create table backup_generation as table outbox_log;
                    create table backup_generations as table outbox_generation";
        sqlx::raw_sql(copy).execute(&log.pool).await.unwrap();
        Self
    }

    /// Replaces the log by the backup, as `pg_restore` does: with new tables, in one transaction.
    async fn restore(&self, log: &Log) {
        let mut tx = log.pool.begin().await.unwrap();
        // The other functions go with their tables.
        let drop = "drop table integration_event_log, outbox_partition, outbox_relay, outbox_log, outbox_generation, outbox_scheduled
                        cascade;
                    drop function integration_event_log_complete, outbox_log_identity, outbox_log_keep_generation";
        sqlx::raw_sql(drop).execute(&mut *tx).await.unwrap();
        sqlx::raw_sql(event_bus::outbox::SCHEMA).execute(&mut *tx).await.unwrap();
        let fill = "delete from outbox_log;
            insert into outbox_log select * from backup_generation;
            delete from outbox_generation;
            insert into outbox_generation select * from backup_generations;
            insert into integration_event_log
                (event_id, position, event_type, key, key_version, payload, headers, state, times_sent, created_at,
                 published_at)
             overriding system value
             select event_id, position, event_type, key, key_version, payload, headers, state, times_sent, created_at,
                    published_at from backup_log;
            select setval(pg_get_serial_sequence('integration_event_log', 'position'),
                          (select max(position) from backup_log))";
        sqlx::raw_sql(fill).execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
    }
}

/// The next `count` messages, as (version, generation).
async fn seen(stage: &mut Stage, count: usize) -> Vec<(String, i64)> {
    let mut seen = Vec::new();
    for _ in 0..count {
        let event: Value = stage.probe.next(LONG).await.json();
        seen.push((event["sequence"].as_str().unwrap().to_owned(), event["generation"].as_i64().unwrap()));
    }
    seen
}

#[sqlx::test(migrations = false)]
async fn events_after_a_restore_belong_to_a_later_generation_under_a_relay_that_kept_running(pool: PgPool) {
    let mut stage = Stage::set(pool).await;
    let _relay = stage.relay().start();
    stage.log.raise("a", 1..=3).await;
    stage.log.drained().await;
    let backup = Backup::take(&stage.log).await;
    stage.log.raise("a", 4..=6).await;
    stage.log.drained().await;
    assert!(seen(&mut stage, 6).await.iter().all(|(_, generation)| *generation == 1));

    backup.restore(&stage.log).await;
    stage.log.raise("a", 4..=5).await;
    let after = seen(&mut stage, 2).await;
    let number = |version: &String| version.parse::<i64>().unwrap();
    assert_eq!(after.iter().map(|(version, _)| number(version)).collect::<Vec<_>>(), [4, 5]);
    let first = after[0].1;
    assert!(first > 1 && after.iter().all(|(_, generation)| *generation == first), "{after:?}");

    // The same backup once more: it says nothing of the generation that the first restore has begun.
    stage.log.drained().await;
    let later = "select extract(epoch from clock_timestamp())::bigint > $1";
    eventually("the clock goes on", LONG, async || {
        let is_later: bool = sqlx::query_scalar(later).bind(first).fetch_one(&stage.log.pool).await.unwrap();
        is_later.then_some(())
    })
    .await;
    backup.restore(&stage.log).await;
    stage.log.raise("a", 4..=4).await;
    let again = seen(&mut stage, 1).await;
    assert!(again[0].1 > first, "{again:?} after {first}");
}

#[sqlx::test(migrations = false)]
async fn a_relay_that_starts_after_a_restore_begins_one_new_generation(pool: PgPool) {
    let mut stage = Stage::set(pool).await;
    stage.log.raise("a", 1..=2).await;
    let backup = Backup::take(&stage.log).await;
    backup.restore(&stage.log).await;
    let _relays = (stage.relay().start(), stage.relay().start());
    let generations: Vec<_> = seen(&mut stage, 2).await.iter().map(|(_, generation)| *generation).collect();
    let [generation, other] = generations[..] else { panic!("{generations:?}") };
    assert!(generation > 1 && other == generation, "{generations:?}");
    stage.log.drained().await;

    // An ordinary restart is no restore.
    let _third = stage.relay().start();
    stage.log.raise("a", 3..=3).await;
    assert_eq!(seen(&mut stage, 1).await[0].1, generation);
}

#[sqlx::test(migrations = false)]
async fn a_replayed_event_carries_the_generation_that_it_was_published_in(pool: PgPool) {
    let (mut stage, ids) = published(pool, 1).await;
    received(&stage, &ids).await;
    let (_, first) = run(&stage, &["restore"]);
    let publish = "update integration_event_log set state = 'Published', published_at = clock_timestamp()
                    where event_id = any($1)";
    let between = stage.log.raise("a", 2..=2).await;
    sqlx::query(publish).bind(&between).execute(&stage.log.pool).await.unwrap();
    let (_, second) = run(&stage, &["restore"]);
    let after = stage.log.raise("a", 3..=3).await;
    sqlx::query(publish).bind(&after).execute(&stage.log.pool).await.unwrap();
    let [first, second] = [first, second].map(|restored| restored["generation"].as_i64().unwrap());
    assert!(1 < first && first < second);

    let ever = ["replay", "--from", "2000-01-01T00:00:00Z", "--to", "2999-01-01T00:00:00Z"];
    let (code, done) = run(&stage, &ever);
    assert_eq!((code, &done[0]["confirmed"]), (0, &json!(3)), "{done}");
    let generations = seen(&mut stage, 3).await.into_iter().map(|(_, generation)| generation);
    assert_eq!(generations.collect::<Vec<_>>(), [1, first, second]);
}

/// Gives `basket` an inbox in the log's database with these events of the key `a`.
async fn received(stage: &Stage, ids: &[Uuid]) {
    sqlx::raw_sql(event_bus::inbox::SCHEMA).execute(&stage.log.pool).await.unwrap();
    sqlx::query(
        "insert into inbox (consumer, event_id, source, event_type, key, key_version, applied, redelivered)
         select 'basket', id, '/test', $2, 'a', version, true, false
           from unnest($1) with ordinality as received (id, version)",
    )
    .bind(ids)
    .bind(TYPE)
    .execute(&stage.log.pool)
    .await
    .unwrap();
}

fn run(stage: &Stage, arguments: &[&str]) -> (i32, Value) {
    let relay = stage.relay().env("APP__CONSUMERS__BASKET__URL", &stage.log.url);
    let (code, out, err) = relay.output(&[arguments, &["--json"]].concat());
    (code, serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}")))
}

async fn published(pool: PgPool, events: i64) -> (Stage, Vec<Uuid>) {
    let stage = Stage::set(pool).await;
    let ids = stage.log.raise("a", 1..=events).await;
    let publish = "update integration_event_log set state = 'Published', published_at = now()";
    sqlx::query(publish).execute(&stage.log.pool).await.unwrap();
    (stage, ids)
}

#[sqlx::test(migrations = false)]
async fn what_a_subscriber_knows_and_a_restored_log_does_not_is_named(pool: PgPool) {
    let (stage, ids) = published(pool, 2).await;
    let backup = Backup::take(&stage.log).await;
    let lost = stage.log.raise("a", 3..=5).await;
    received(&stage, &[&ids[..], &lost].concat()).await;
    backup.restore(&stage.log).await;

    let (code, report) = run(&stage, &["audit"]);
    assert_eq!((code, &report["missing"], &report["unknown"]), (1, &json!(0), &json!(3)), "{report}");
    let named = |report: &Value| -> Vec<Uuid> {
        let events = report["unknown_events"].as_array().unwrap();
        events.iter().map(|event| event["eventId"].as_str().unwrap().parse().unwrap()).collect()
    };
    let mut expected = lost.clone();
    expected.sort_unstable();
    assert_eq!(named(&report), expected);

    let (code, restored) = run(&stage, &["restore"]);
    assert_eq!((code, &restored["database"]), (0, &json!("test")));
    assert!(restored["generation"].as_i64().unwrap() > 1, "{restored}");
    assert_eq!(named(&restored["report"]), expected, "{restored}");
}

#[sqlx::test(migrations = false)]
async fn what_retention_deleted_from_the_log_is_not_called_unknown(pool: PgPool) {
    let (stage, ids) = published(pool, 4).await;
    received(&stage, &ids).await;
    let age = "update inbox set received_at = now() - interval '5 days' where event_id = any($1)";
    sqlx::query(age).bind(&ids[..2]).execute(&stage.log.pool).await.unwrap();
    let purge = "delete from integration_event_log where event_id = any($1)";
    sqlx::query(purge).bind(&ids[..2]).execute(&stage.log.pool).await.unwrap();
    let (code, report) = run(&stage, &["audit"]);
    assert_eq!((code, &report["unknown"]), (0, &json!(0)), "{report}");
}

#[sqlx::test(migrations = false)]
async fn a_subscriber_whose_database_was_restored_is_sent_exactly_what_it_lacks(pool: PgPool) {
    let (mut stage, ids) = published(pool, 6).await;
    received(&stage, &ids[..2]).await;
    let knows = "insert into inbox_version (consumer, source, key, event_type, key_version) values ('basket', '/test', 'a', $1, 2)";
    sqlx::query(knows).bind(TYPE).execute(&stage.log.pool).await.unwrap();

    let (code, dry) = run(&stage, &["replay", "--missing", "basket", "--dry-run"]);
    assert_eq!((code, &dry[0]["events"], &dry[0]["confirmed"]), (0, &json!(4), &json!(0)), "{dry}");
    let (code, done) = run(&stage, &["replay", "--missing", "basket"]);
    assert_eq!((code, &done[0]["events"], &done[0]["confirmed"]), (0, &json!(4), &json!(4)), "{done}");
    for id in &ids[2..] {
        assert_eq!(stage.probe.next(LONG).await.json()["id"], id.to_string());
    }
    assert!(stage.probe.try_next(MOMENT).await.is_none());

    let (code, _, err) = stage.relay().output(&["replay", "--missing", "nobody"]);
    assert!(code == 1 && err.contains("APP__CONSUMERS__NOBODY__URL"), "{err}");
}
