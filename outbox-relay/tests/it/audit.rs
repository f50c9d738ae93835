//! What an audit finds, and what it does not mistake for a loss.

use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::support::Stage;

const TYPE: &str = "shop.test.counter_raised.v1";

/// A log of so many events, all published, with the inbox of `basket` beside it.
async fn published(pool: PgPool, events: i64) -> (Stage, Vec<Uuid>) {
    let stage = Stage::set(pool).await;
    sqlx::raw_sql(event_bus::inbox::SCHEMA).execute(&stage.log.pool).await.unwrap();
    let ids = stage.log.raise("a", 1..=events).await;
    sqlx::query("update integration_event_log set state = 'Published', published_at = now()")
        .execute(&stage.log.pool)
        .await
        .unwrap();
    (stage, ids)
}

async fn received(stage: &Stage, ids: &[Uuid]) {
    sqlx::query(
        "insert into inbox (consumer, event_id, source, event_type, key, key_version, applied, redelivered)
         select 'basket', id, '/test', $2, 'a', 1, true, false from unnest($1) as id",
    )
    .bind(ids)
    .bind(TYPE)
    .execute(&stage.log.pool)
    .await
    .unwrap();
}

fn audit(stage: &Stage, more: &[&str]) -> (i32, Value) {
    let relay = stage.relay().env("APP__CONSUMERS__BASKET__URL", &stage.log.url);
    let (code, out, err) = relay.output(&[&["audit", "--json"], more].concat());
    (code, serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}")))
}

#[sqlx::test(migrations = false)]
async fn an_audit_of_a_shop_that_lost_nothing_says_so(pool: PgPool) {
    let (stage, ids) = published(pool, 5).await;
    received(&stage, &ids).await;
    stage.log.raise("b", 1..=2).await;
    let (code, report) = audit(&stage, &[]);
    assert_eq!((code, &report["missing"]), (0, &json!(0)), "{report}");
    assert_eq!(
        report["types"],
        json!([{
            "type": TYPE, "committed": 7, "pending": 2, "failed": 0, "skipped": 0, "published": 5,
            "consumed": {"basket": 5}, "waiting": 0, "dead_lettered": 0, "missing": 0, "unknown": 0
        }])
    );
    let relay = stage.relay().env("APP__CONSUMERS__BASKET__URL", &stage.log.url);
    let (code, out, _) = relay.output(&["audit"]);
    assert!(code == 0 && out.contains("nothing is missing"), "{out}");
}

#[sqlx::test(migrations = false)]
async fn an_event_that_a_subscriber_never_had_is_missing(pool: PgPool) {
    let (stage, ids) = published(pool, 5).await;
    received(&stage, &ids[..4]).await;
    let (code, report) = audit(&stage, &[]);
    assert_eq!((code, &report["missing"], &report["types"][0]["missing"]), (1, &json!(1), &json!(1)));
    assert_eq!(report["types"][0]["consumed"], json!({"basket": 4}));
}

#[sqlx::test(migrations = false)]
#[expect(
    clippy::default_trait_access,
    reason = "the type is the client library's, which this crate does not name"
)]
async fn what_is_dead_lettered_or_still_queued_is_not_missing(pool: PgPool) {
    let (stage, ids) = published(pool, 4).await;
    received(&stage, &ids[..2]).await;
    for queue in ["basket.events.dead", "basket.events"] {
        stage.vhost.put("queues", &format!("/{queue}"), &json!({"durable": true})).await;
        stage.vhost.publish("", queue, b"{}", Default::default()).await;
    }
    let (code, report) = audit(&stage, &[]);
    assert_eq!((code, &report["missing"]), (0, &json!(0)), "{report}");
    let of_type = &report["types"][0];
    assert_eq!((&of_type["dead_lettered"], &of_type["waiting"]), (&json!(1), &json!(1)), "{report}");
}

#[sqlx::test(migrations = false)]
async fn only_what_was_written_since_the_given_time_is_compared(pool: PgPool) {
    let (stage, ids) = published(pool, 5).await;
    received(&stage, &ids[3..]).await;
    sqlx::query(
        "update integration_event_log set created_at = now() - interval '8 days' where event_id = any($1)",
    )
    .bind(&ids[..3])
    .execute(&stage.log.pool)
    .await
    .unwrap();
    let (code, report) = audit(&stage, &[]);
    assert_eq!((code, &report["types"][0]["published"]), (0, &json!(2)), "{report}");
    let (code, report) = audit(&stage, &["--from", "2000-01-01T00:00:00Z"]);
    assert_eq!((code, &report["missing"]), (1, &json!(3)), "{report}");
}

#[sqlx::test(migrations = false)]
async fn a_subscriber_must_have_the_types_that_it_ever_had_or_is_configured_for(pool: PgPool) {
    let (stage, _) = published(pool, 3).await;
    let (code, report) = audit(&stage, &[]);
    assert_eq!((code, &report["missing"]), (0, &json!(0)), "it never had one of these: {report}");

    let file = std::env::temp_dir().join(format!("{}.toml", Uuid::new_v4()));
    std::fs::write(&file, format!("[consumers.basket]\nevents = [\"{TYPE}\"]\n")).unwrap();
    let (code, report) = audit(&stage, &["--config", file.to_str().unwrap()]);
    std::fs::remove_file(&file).unwrap();
    assert_eq!((code, &report["missing"]), (1, &json!(3)), "{report}");

    sqlx::query(
        "insert into inbox_version (consumer, source, key, event_type, key_version) values ('basket', '/x', 'z', $1, 1)",
    )
    .bind(TYPE)
    .execute(&stage.log.pool)
    .await
    .unwrap();
    assert_eq!(audit(&stage, &[]).0, 1, "it once had one, of another key");
}

#[sqlx::test(migrations = false)]
async fn an_audit_without_subscribers_proves_nothing_and_says_so(pool: PgPool) {
    let stage = Stage::set(pool).await;
    let (code, _, err) = stage.relay().output(&["audit"]);
    assert!(code == 1 && err.contains("APP__CONSUMERS__<NAME>__URL"), "{err}");
}
