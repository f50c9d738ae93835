//! One event's life, as an operator reads it.

use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::support::Stage;

/// Enters an event in the inbox of `basket`, in the log's own database.
async fn received(pool: &PgPool, id: Uuid, redelivered: bool, applied: bool) {
    sqlx::query(
        "insert into inbox (consumer, event_id, source, event_type, key, key_version, applied, redelivered)
         values ('basket', $1, '/test', 'shop.test.counter_raised.v1', 'a', 1, $2, $3)",
    )
    .bind(id)
    .bind(applied)
    .bind(redelivered)
    .execute(pool)
    .await
    .unwrap();
}

#[sqlx::test(migrations = false)]
async fn show_tells_an_events_life_from_commit_to_each_subscriber(pool: PgPool) {
    let mut stage = Stage::set(pool).await;
    sqlx::raw_sql(event_bus::inbox::SCHEMA).execute(&stage.log.pool).await.unwrap();
    let ids = stage.log.raise("a", 1..=3).await;
    let show = |id: Uuid, more: &[&str]| {
        let id = id.to_string();
        let relay = stage.relay().env("APP__CONSUMERS__BASKET__URL", &stage.log.url);
        relay.output(&[&["show", id.as_str()], more].concat())
    };
    let (code, out, err) = show(ids[0], &[]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("  committed\n") && out.contains("waits to be published"), "{out}");
    assert!(out.contains("not in the inbox of basket"), "{out}");

    let mut relay = stage.relay().start();
    stage.log.drained().await;
    relay.signal(test_kit::Signal::TERM);
    relay.ended().await;
    received(&stage.log.pool, ids[0], true, true).await;
    received(&stage.log.pool, ids[1], false, false).await;
    let (_, out, _) = show(ids[0], &[]);
    let places: Vec<usize> =
        ["  committed", "  published: the broker confirmed it, once", "  received by basket"]
            .map(|what| out.find(what).unwrap_or_else(|| panic!("{what}: {out}")))
            .to_vec();
    assert!(places.is_sorted(), "{out}");
    assert!(out.contains("redelivered flag set, applied"), "{out}");
    let (_, out, _) = show(ids[1], &[]);
    assert!(out.contains("received by basket, no effect: a newer event of its key was known"), "{out}");

    let (code, out, _) = show(ids[2], &["--json"]);
    let life: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &life["eventId"], &life["state"]), (0, &json!(ids[2]), &json!("Published")));
    assert_eq!(life["deliveries"], json!([{"consumer": "basket", "received": null, "problem": null}]));
    assert_eq!(life["payload"], json!({"counter": "a", "value": 3}));
    stage.seen(3).await;
}

#[sqlx::test(migrations = false)]
async fn show_says_what_an_event_that_was_received_waits_for(pool: PgPool) {
    let stage = Stage::set(pool).await;
    sqlx::raw_sql(event_bus::inbox::SCHEMA).execute(&stage.log.pool).await.unwrap();
    let id = stage.log.raise("a", 1..=1).await[0];
    received(&stage.log.pool, id, false, false).await;
    sqlx::query(
        "insert into inbox_waiting (consumer, event_id, source, key, event_type, generation, key_version, occurred_at,
                                    data, redelivered, holds_key)
         values ('basket', $1, '/test', 'a', 'shop.test.counter_raised.v1', 1, 1, now(), '{}', false, true)",
    )
    .bind(id)
    .execute(&stage.log.pool)
    .await
    .unwrap();
    for (change, says) in [
        ("update inbox set applied = false", "waits behind an earlier event of its key"),
        (
            "update inbox_waiting set failures = 2, reason = 'no shelf'",
            "waits for another try after 2 failures: no shelf",
        ),
        ("update inbox_waiting set blocked_at = now()", "blocks its key after 2 failures: no shelf"),
        (
            "delete from inbox_waiting; update inbox set skipped_by = 'olga', skip_reason = 'sold'",
            "skipped by olga: sold",
        ),
    ] {
        sqlx::raw_sql(change).execute(&stage.log.pool).await.unwrap();
        let relay = stage.relay().env("APP__CONSUMERS__BASKET__URL", &stage.log.url);
        let (_, out, _) = relay.output(&["show", &id.to_string()]);
        assert!(out.contains(&format!("received by basket, {says}")), "{out}");
    }
}

#[sqlx::test(migrations = false)]
async fn show_says_why_an_event_waits_and_who_skipped_it(pool: PgPool) {
    let stage = Stage::set(pool).await;
    let ids = stage.log.raise("a", 1..=1).await;
    let id = ids[0].to_string();
    sqlx::query("update integration_event_log set state = 'PublishedFailed', last_error = 'no good'")
        .execute(&stage.log.pool)
        .await
        .unwrap();
    let (_, out, _) = stage.relay().output(&["show", &id]);
    assert!(out.contains("requeue or skip it: no good"), "{out}");
    let (code, _, err) = stage.relay().output(&["skip", &id, "--reason", "bad import", "--by", "olga"]);
    assert_eq!(code, 0, "{err}");
    let (_, out, _) = stage.relay().output(&["show", &id]);
    assert!(out.contains("  skipped by olga: bad import"), "{out}");
    let lost = stage.relay().env("APP__CONSUMERS__BASKET__URL", "postgres://nobody@127.0.0.1:1/nothing");
    let (code, out, err) = lost.output(&["show", &id]);
    assert!(code == 0 && out.contains("basket cannot ask an inbox"), "{out}{err}");
}

#[sqlx::test(migrations = false)]
async fn a_changed_column_stops_no_list_and_no_show_of_a_running_relay(pool: PgPool) {
    let mut stage = Stage::set(pool).await;
    let id = stage.log.raise("a", 1..=1).await[0];
    let relay = stage.relay().start();
    stage.seen(1).await;
    stage.log.drained().await;
    let list = || relay.get("/api/v1/outbox/events");
    let path = format!("/api/v1/outbox/events/{id}");
    let show = || relay.get(&path);
    // Every connection that the relay has for operators knows both statements.
    for _ in 0..20 {
        let (list, show) = tokio::join!(list(), show());
        assert_eq!((list.status().as_u16(), show.status().as_u16()), (200, 200));
    }
    for length in [255, 300] {
        let alter = format!("alter table integration_event_log alter skip_reason type varchar({length})");
        sqlx::raw_sql(sqlx::AssertSqlSafe(alter)).execute(&stage.log.pool).await.unwrap();
        for _ in 0..4 {
            let (list, show) = tokio::join!(list(), show());
            assert_eq!((list.status().as_u16(), show.status().as_u16()), (200, 200), "{length}");
        }
    }
}
