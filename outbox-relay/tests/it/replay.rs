//! Published events are sent again, as they were.

use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::support::{LONG, MOMENT, Stage, assert_in_order};

const EVER: [&str; 5] = ["replay", "--from", "2000-01-01T00:00:00Z", "--to", "2999-01-01T00:00:00+01:00"];

/// A log of which everything was published and seen.
async fn published(pool: PgPool, keys: i64, versions: i64) -> Stage {
    let mut stage = Stage::set(pool).await;
    stage.log.raise_many(keys, versions).await;
    let mut relay = stage.relay().start();
    stage.seen(usize::try_from(keys * versions).unwrap()).await;
    stage.log.drained().await;
    relay.signal(test_kit::Signal::TERM);
    relay.ended().await;
    stage
}

fn id(message: &test_kit::Message) -> Uuid {
    message.json()["id"].as_str().unwrap().parse().unwrap()
}

#[sqlx::test(migrations = false)]
async fn a_replay_sends_the_same_events_in_the_order_of_each_key(pool: PgPool) {
    let mut stage = published(pool, 30, 50).await;
    let (code, out, err) = stage.relay().output(&[&EVER[..], &["--json"]].concat());
    assert_eq!(code, 0, "{out}{err}");
    let done: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&done[0]["events"], &done[0]["confirmed"]), (&json!(1_500), &json!(1_500)));

    let (mut ids, mut versions) = (Vec::new(), Vec::new());
    for _ in 0..1_500 {
        let message = stage.probe.next(LONG).await;
        ids.push(id(&message));
        versions.push(crate::support::key_version(&message));
    }
    assert_eq!(assert_in_order(&versions), 0);
    assert!(stage.probe.try_next(MOMENT).await.is_none());
    let mut logged: Vec<Uuid> = sqlx::query_scalar("select event_id from integration_event_log")
        .fetch_all(&stage.log.pool)
        .await
        .unwrap();
    ids.sort_unstable();
    logged.sort_unstable();
    assert!(ids == logged, "the same ids");
}

#[sqlx::test(migrations = false)]
async fn only_the_events_asked_for_are_sent(pool: PgPool) {
    let mut stage = published(pool, 3, 4).await;
    sqlx::query(
        "update integration_event_log set created_at = '2020-02-02T12:00:00Z' where key_version between 2 and 3",
    )
    .execute(&stage.log.pool)
    .await
    .unwrap();
    stage.log.raise("0", 5..=5).await;
    let window = ["replay", "--from", "2020-02-02T12:00:00Z", "--to", "2020-02-02T12:00:01Z", "--key", "1"];
    let (code, out, err) = stage.relay().output(&window);
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(stage.seen(2).await, [("1".to_owned(), 2), ("1".to_owned(), 3)]);
    let (code, _, _) = stage.relay().output(&[&EVER[..], &["--type", "shop.test.other.v1"]].concat());
    assert_eq!(code, 0);
    assert!(stage.probe.try_next(MOMENT).await.is_none(), "nothing else, and nothing that is pending");
}

#[sqlx::test(migrations = false)]
async fn a_replay_to_one_queue_reaches_nobody_else(pool: PgPool) {
    let mut stage = published(pool, 2, 3).await;
    stage.vhost.put("queues", "/late.events", &json!({"durable": true})).await;
    let (code, out, err) = stage.relay().output(&[&EVER[..], &["--to-queue", "late.events"]].concat());
    assert_eq!(code, 0, "{out}{err}");
    let mut late = stage.vhost.drain("late.events").await;
    for _ in 0..6 {
        let message = late.next(LONG).await;
        assert_eq!(message.properties.kind().as_ref().unwrap().as_str(), "shop.test.counter_raised.v1");
    }
    assert!(stage.probe.try_next(MOMENT).await.is_none());
}

#[sqlx::test(migrations = false)]
async fn what_no_queue_takes_is_not_called_sent(pool: PgPool) {
    let stage = published(pool, 2, 3).await;
    let (code, out, _) = stage.relay().output(&[&EVER[..], &["--json", "--to-queue", "nowhere"]].concat());
    let done: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &done[0]["confirmed"]), (1, &json!(0)), "{out}");
    assert!(done[0]["problem"].as_str().unwrap().contains("no queue took the event"), "{out}");
}

#[sqlx::test(migrations = false)]
async fn a_dry_run_counts_and_sends_nothing(pool: PgPool) {
    let mut stage = published(pool, 2, 3).await;
    let (code, out, err) = stage.relay().output(&[&EVER[..], &["--dry-run", "--json"]].concat());
    let done: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &done[0]["events"], &done[0]["confirmed"]), (0, &json!(6), &json!(0)), "{err}");
    assert!(stage.probe.try_next(MOMENT).await.is_none());
}

#[sqlx::test(migrations = false)]
async fn a_wrong_order_is_answered_with_a_sentence(pool: PgPool) {
    let stage = Stage::set(pool).await;
    let time = "2026-01-01T00:00:00Z";
    for (arguments, says) in [
        (&["--from", "yesterday", "--to", time][..], "not a time of RFC 3339"),
        (&["--from", "2026-01-01", "--to", time], "not a time of RFC 3339"),
        (&["--from", time, "--to", time], "--from must be before --to"),
        (&["--from", time], "--to"),
        (&["--from", time, "--to", "2027-01-01T00:00:00Z", "--database", "other"], "there is test"),
    ] {
        let (code, _, err) = stage.relay().output(&[&["replay"], arguments].concat());
        assert!(code != 0 && err.contains(says), "{arguments:?}: {code} {err}");
    }
}
