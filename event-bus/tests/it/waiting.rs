//! Events that fail, and what waits behind them.

use event_bus::inbox::operate::{self, WaitingSelection};
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable, ShortString},
};
use sqlx::PgPool;
use test_kit::eventually;

use crate::support::{GUESSED, LONG, NOTED, RAISED, Sent, Stage, raised};

fn pairs(expected: &[(&str, i64)]) -> Vec<(String, i64)> {
    expected.iter().map(|(key, version)| ((*key).to_owned(), *version)).collect()
}

#[sqlx::test(migrations = false)]
async fn an_event_that_failed_has_its_effect_before_later_events_of_its_key(pool: PgPool) {
    let stage = Stage::set(pool).await;
    stage.hold("a").await;
    stage.send(&raised("a", 1, "wait")).await;
    stage.send(&raised("a", 2, "")).await;
    stage.send(&Sent { event_type: GUESSED, ..raised("a", 3, "") }).await;
    stage.send(&raised("b", 1, "")).await;
    assert_eq!(stage.until_applied(1).await, pairs(&[("b", 1)]), "other keys flow");
    assert_eq!(stage.until_waiting(3).await, pairs(&[("a", 1), ("a", 2), ("a", 3)]));
    // Another delivery of what waits is a repeat.
    let behind = raised("a", 4, "");
    stage.send(&behind).await;
    stage.send(&behind).await;
    stage.until_received("repeated", 1).await;
    stage.release("a").await;
    let applied = stage.until_applied(5).await;
    assert_eq!(applied, pairs(&[("b", 1), ("a", 1), ("a", 2), ("a", 3), ("a", 4)]));
    stage.until_waiting(0).await;
    let applied: i64 =
        sqlx::query_scalar("select count(*) from inbox where applied").fetch_one(&stage.pool).await.unwrap();
    assert_eq!((applied, stage.receipts("waiting")), (5, 4));
}

#[sqlx::test(migrations = false)]
async fn a_time_that_no_calendar_has_hides_and_stops_no_waiting_key(pool: PgPool) {
    let stage = Stage::set(pool).await;
    stage.hold("a").await;
    stage.send(&raised("a", 1, "wait")).await;
    stage.until_waiting(1).await;
    let at_once = "update inbox_waiting set next_attempt_at = '-infinity', occurred_at = 'infinity'";
    sqlx::raw_sql(at_once).execute(&stage.pool).await.unwrap();
    let failures = "select failures from inbox_waiting where failures > 1";
    eventually("it is tried again", LONG, async || {
        sqlx::query_scalar::<_, i32>(failures).fetch_optional(&stage.pool).await.unwrap()
    })
    .await;
    let put_off = "update inbox_waiting set next_attempt_at = 'infinity', entered_at = '-infinity'";
    sqlx::raw_sql(put_off).execute(&stage.pool).await.unwrap();
    let (all, consumer) = (WaitingSelection::all(), stage.consumer.as_str());
    let listed = operate::list(&stage.pool, consumer, &all, 0, 10).await.unwrap();
    assert_eq!((listed.len(), listed[0].key.as_str()), (1, "a"));
    assert!(listed[0].next_attempt_at.is_some() && listed[0].blocked_at.is_none(), "{listed:?}");
    stage.release("a").await;
    assert_eq!(operate::requeue(&stage.pool, consumer, &all).await.unwrap(), 1);
    assert_eq!(stage.until_applied(1).await, pairs(&[("a", 1)]));
}

#[sqlx::test(migrations = false)]
async fn an_event_from_another_source_does_not_wait(pool: PgPool) {
    let stage = Stage::set(pool).await;
    stage.hold("a").await;
    stage.send(&raised("a", 1, "wait")).await;
    stage.until_waiting(1).await;
    stage.send(&Sent { source: "/other", ..raised("a", 7, "") }).await;
    assert_eq!(stage.until_applied(1).await, pairs(&[("a", 7)]));
}

#[sqlx::test(migrations = false)]
async fn an_event_that_always_fails_blocks_its_key_and_no_other_until_it_is_requeued(pool: PgPool) {
    let stage = Stage::set_with_tries(pool, 2).await;
    stage.hold("a").await;
    stage.send(&raised("a", 1, "wait")).await;
    stage.send(&raised("a", 2, "")).await;
    let blocked = stage.until_blocked(1).await;
    let blocked = &blocked[0];
    assert_eq!((blocked.key.as_str(), blocked.failures, blocked.behind), ("a", 2, 1));
    assert_eq!(blocked.reason.as_deref(), Some("it is held"));
    eventually("it is reported", LONG, async || (stage.health.blocked_keys() == 1).then_some(())).await;
    stage.send(&raised("b", 1, "")).await;
    stage.send(&raised("a", 3, "")).await;
    stage.until_waiting(3).await;
    assert_eq!(stage.until_applied(1).await, pairs(&[("b", 1)]));

    stage.release("a").await;
    let of_key = WaitingSelection { key: Some("a".to_owned()), ..WaitingSelection::default() };
    let other = WaitingSelection { key: Some("b".to_owned()), ..WaitingSelection::default() };
    assert_eq!(operate::requeue(&stage.pool, &stage.consumer, &other).await.unwrap(), 0);
    assert_eq!(operate::requeue(&stage.pool, &stage.consumer, &of_key).await.unwrap(), 1);
    assert_eq!(stage.until_applied(4).await, pairs(&[("b", 1), ("a", 1), ("a", 2), ("a", 3)]));
    eventually("it is reported", LONG, async || (stage.health.blocked_keys() == 0).then_some(())).await;
}

#[sqlx::test(migrations = false)]
async fn a_selection_that_says_nothing_selects_no_key(pool: PgPool) {
    let stage = Stage::set_with_tries(pool, 1).await;
    stage.hold("a").await;
    stage.send(&raised("a", 1, "wait")).await;
    stage.until_blocked(1).await;
    let (pool, consumer, none) = (&stage.pool, stage.consumer.as_str(), WaitingSelection::default());
    assert_eq!(operate::list(pool, consumer, &none, 0, 10).await.unwrap(), []);
    assert_eq!(operate::count(pool, consumer, &none).await.unwrap(), 0);
    assert_eq!(operate::requeue(pool, consumer, &none).await.unwrap(), 0);
    let mut db = pool.acquire().await.unwrap();
    assert!(operate::skip(&mut db, consumer, &none, "olga", "a mistake").await.unwrap().is_empty());
    assert_eq!(operate::count(pool, consumer, &WaitingSelection::all()).await.unwrap(), 1);
}

#[sqlx::test(migrations = false)]
async fn a_skipped_event_frees_its_key_and_the_inbox_keeps_the_reason(pool: PgPool) {
    let stage = Stage::set_with_tries(pool, 1).await;
    stage.hold("a").await;
    let wrong = raised("a", 1, "wait");
    stage.send(&wrong).await;
    stage.send(&raised("a", 2, "")).await;
    stage.until_waiting(2).await;
    let mut db = stage.pool.acquire().await.unwrap();
    let all = WaitingSelection::all();
    let skipped = operate::skip(&mut db, &stage.consumer, &all, "olga", "it is wrong").await.unwrap();
    assert_eq!(skipped, [wrong.id]);
    assert_eq!(stage.until_applied(1).await, pairs(&[("a", 2)]));
    stage.send(&wrong).await;
    stage.until_received("repeated", 1).await;
    let kept: (bool, String, String) =
        sqlx::query_as("select applied, skipped_by, skip_reason from inbox where event_id = $1")
            .bind(wrong.id)
            .fetch_one(&stage.pool)
            .await
            .unwrap();
    assert_eq!(kept, (false, "olga".to_owned(), "it is wrong".to_owned()));
}

#[sqlx::test(migrations = false)]
async fn a_handler_may_skip_an_event_after_its_last_try_by_itself(pool: PgPool) {
    let stage = Stage::set_with_tries(pool, 2).await;
    stage.hold("a").await;
    stage.send(&Sent { event_type: GUESSED, ..raised("a", 1, "wait") }).await;
    stage.send(&raised("a", 2, "")).await;
    assert_eq!(stage.until_applied(1).await, pairs(&[("a", 2)]));
    let kept: String = sqlx::query_scalar("select skip_reason from inbox where key_version = 1")
        .fetch_one(&stage.pool)
        .await
        .unwrap();
    assert_eq!(kept, "it is held");
}

#[sqlx::test(migrations = false)]
async fn where_only_the_newest_counts_nothing_waits_behind_an_event_that_failed(pool: PgPool) {
    let stage = Stage::set_with_tries(pool, 1).await;
    stage.hold("a").await;
    stage.send(&Sent { event_type: NOTED, ..raised("a", 1, "wait") }).await;
    stage.until_blocked(1).await;
    stage.send(&raised("a", 1, "")).await;
    stage.send(&Sent { event_type: NOTED, ..raised("a", 2, "") }).await;
    assert_eq!(stage.until_applied(2).await, pairs(&[("a", 1), ("a", 2)]));
    // It is older than what was handled now, and nobody has to decide about it.
    stage.until_waiting(0).await;
    assert_eq!(stage.applied().await.len(), 2);
}

#[sqlx::test(migrations = false)]
async fn where_only_the_newest_counts_a_failed_event_of_an_equal_version_is_not_lost_and_undoes_no_later_one(
    pool: PgPool,
) {
    let stage = Stage::set(pool).await;
    let note = async |key: &str, wish: &str| {
        stage.send(&Sent { event_type: NOTED, ..raised(key, 1, wish) }).await;
    };
    note("a", "").await;
    stage.until_applied(1).await;
    note("a", "retry twice").await;
    stage.until_applied(2).await;

    // One that failed, and a later one that is handled at once.
    stage.hold("b").await;
    note("b", "wait").await;
    stage.until_waiting(1).await;
    note("b", "").await;
    stage.until_applied(3).await;
    stage.until_waiting(0).await;

    // Two that failed, of which the later one is tried first.
    stage.hold("c").await;
    note("c", "wait").await;
    note("c", "wait").await;
    stage.until_waiting(2).await;
    let later = "update inbox_waiting set next_attempt_at = now() + interval '1 hour'
                  where position = (select min(position) from inbox_waiting)";
    sqlx::raw_sql(later).execute(&stage.pool).await.unwrap();
    stage.release("c").await;
    stage.until_waiting(0).await;
    assert_eq!(stage.applied().await, pairs(&[("a", 1), ("a", 1), ("b", 1), ("c", 1)]));
}

#[sqlx::test(migrations = false)]
async fn an_event_that_cannot_be_kept_for_another_try_is_dead_lettered(pool: PgPool) {
    let stage = Stage::set(pool).await;
    stage.hold("a").await;
    stage.send(&raised("a", 1, "wait")).await;
    stage.until_waiting(1).await;
    // PostgreSQL's parser of JSON goes less deep than ours. One fails, and one comes while another of its key waits.
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for (key, wish) in [("b", "retry"), ("a", "")] {
        let payload = format!(r#"{{"value":1,"wish":"{wish}","deep":{deep}}}"#);
        stage.send(&Sent { payload, ..raised(key, 2, wish) }).await;
        let (reason, message) = stage.dead_letter().await;
        assert!(reason.starts_with("cannot be kept for another try after "), "{reason}");
        assert!(message.body.len() > 200_000);
    }
    stage.send(&raised("c", 1, "")).await;
    assert_eq!(stage.until_applied(1).await, pairs(&[("c", 1)]));
}

#[sqlx::test(migrations = false)]
async fn an_event_that_is_rejected_at_a_later_try_is_dead_lettered_and_frees_its_key(pool: PgPool) {
    let stage = Stage::set(pool).await;
    stage.hold("a").await;
    let wrong = raised("a", 1, "wait, then reject");
    stage.send(&wrong).await;
    stage.send(&raised("a", 2, "")).await;
    stage.until_waiting(2).await;
    stage.release("a").await;
    assert_eq!(stage.until_applied(1).await, pairs(&[("a", 2)]));
    let (reason, message) = stage.dead_letter().await;
    assert_eq!(reason, "this one is rejected");
    assert_eq!(message.json()["id"], wrong.id.to_string());
    assert_eq!(message.json()["data"]["value"], 1);
    let known: bool = sqlx::query_scalar("select exists (select from inbox where event_id = $1)")
        .bind(wrong.id)
        .fetch_one(&stage.pool)
        .await
        .unwrap();
    assert!(!known, "it can be replayed from there");
}

#[sqlx::test(migrations = false)]
async fn an_event_that_waited_is_dead_lettered_as_the_message_that_it_came_in(pool: PgPool) {
    let stage = Stage::set_with_tries(pool, 1).await;
    stage.hold("a").await;
    let headers = |id: &str, version: &str| {
        let mut table = FieldTable::default();
        let attributes =
            [("specversion", "1.0"), ("id", id), ("source", "/test"), ("type", RAISED), ("subject", "a")];
        for (name, value) in attributes.into_iter().chain([("sequence", version), ("partOf", "a saga")]) {
            table.insert(format!("cloudEvents:{name}").into(), AMQPValue::LongString(value.into()));
        }
        table.insert("tenant".into(), AMQPValue::LongString("blue".into()));
        table.insert("attempt".into(), AMQPValue::LongInt(3));
        table
    };
    let ids = [1, 2].map(uuid::Uuid::from_u128);
    let body = br#"{ "value": 1, "wish": "wait, then reject", "more": true }"#;
    for (id, version) in ids.iter().zip(["1", "2"]) {
        let properties = BasicProperties::default()
            .with_content_type("application/json".into())
            .with_headers(headers(&id.to_string(), version))
            .with_message_id(id.to_string().into())
            .with_correlation_id("order 7".into())
            .with_app_id("a shop".into());
        stage.vhost.publish("shop.events", RAISED, body, properties).await;
    }
    // One failed, and one came while it waited.
    stage.until_waiting(2).await;
    stage.release("a").await;
    sqlx::query("update inbox_waiting set failures = 7, blocked_at = null, next_attempt_at = now() where key_version = 1")
        .execute(&stage.pool)
        .await
        .unwrap();
    for (id, failures) in ids.iter().zip([7, 0]) {
        let (reason, message) = stage.dead_letter().await;
        let table = message.properties.headers().clone().unwrap();
        assert_eq!((reason.as_str(), message.body.as_slice()), ("this one is rejected", body.as_slice()));
        for (name, value) in headers(&id.to_string(), if failures == 7 { "1" } else { "2" }).inner() {
            assert_eq!(table.inner().get(name), Some(value), "{name}");
        }
        assert_eq!(table.inner().get("x-failures"), Some(&AMQPValue::LongInt(failures)));
        assert_eq!(message.header("x-original-routing-key").as_deref(), Some(RAISED));
        let text = |text: &Option<ShortString>| text.as_ref().map(ToString::to_string);
        let kept = [
            message.properties.app_id(),
            message.properties.correlation_id(),
            message.properties.content_type(),
        ];
        assert_eq!(
            kept.map(text),
            ["a shop", "order 7", "application/json"].map(|value| Some(value.to_owned()))
        );
    }
}

#[sqlx::test(migrations = false)]
async fn an_event_that_joined_a_key_in_the_moment_in_which_it_became_free_is_tried_too(pool: PgPool) {
    let stage = Stage::set(pool).await;
    // As the two transactions leave it: the one that joined saw the other's event, which is gone.
    sqlx::query(
        "insert into inbox_waiting (consumer, event_id, source, key, event_type, generation, key_version,
                                    occurred_at, data, redelivered, holds_key)
         values ($1, gen_random_uuid(), '/test', 'a', 'shop.test.counter_raised.v1', 1, 1, now(), '{\"value\":1}',
                 false, true)",
    )
    .bind(&stage.consumer)
    .execute(&stage.pool)
    .await
    .unwrap();
    stage.send(&raised("a", 2, "")).await;
    assert_eq!(stage.until_applied(2).await, pairs(&[("a", 1), ("a", 2)]));
}

#[sqlx::test(migrations = false)]
async fn a_lock_in_the_way_of_another_try_is_no_failure(pool: PgPool) {
    let stage = Stage::set_with_tries(pool, 2).await;
    stage.hold("a").await;
    stage.send(&raised("a", 1, "wait")).await;
    stage.until_waiting(1).await;
    // The next try meets a table that it cannot use.
    sqlx::raw_sql("alter table held rename to held_elsewhere").execute(&stage.pool).await.unwrap();
    eventually("the next try is put off", LONG, async || {
        let put_off: bool = sqlx::query_scalar(
            "select next_attempt_at > entered_at + interval '1.5 seconds' from inbox_waiting",
        )
        .fetch_one(&stage.pool)
        .await
        .unwrap();
        put_off.then_some(())
    })
    .await;
    sqlx::raw_sql("alter table held_elsewhere rename to held; delete from held")
        .execute(&stage.pool)
        .await
        .unwrap();
    assert_eq!(stage.until_applied(1).await, pairs(&[("a", 1)]));
}
