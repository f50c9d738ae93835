//! What an operator sees and steers.

use serde_json::{Value, json};
use sqlx::PgPool;
use test_kit::eventually;
use uuid::Uuid;

use crate::support::{LONG, MOMENT, Stage};

/// A row that no relay can publish, as a writer that does not use `append` might leave it.
async fn poison(pool: &PgPool, key: &str) -> Uuid {
    sqlx::query_scalar(
        r#"insert into integration_event_log (event_id, event_type, key, key_version, partition, payload)
           values (gen_random_uuid(), 'shop.test.counter_raised.v1', $1, 1, 0, '{"name":"a\u0000b"}')
           returning event_id"#,
    )
    .bind(key)
    .fetch_one(pool)
    .await
    .unwrap()
}

#[sqlx::test(migrations = false)]
async fn an_event_that_can_never_go_holds_up_its_key_alone_until_it_is_skipped(pool: PgPool) {
    let mut stage = Stage::set(pool).await;
    let stuck = poison(&stage.log.pool, "stuck").await;
    stage.log.raise("stuck", 2..=3).await;
    stage.log.raise("free", 1..=2).await;
    let relay = stage.relay().start();
    assert_eq!(stage.seen(2).await, [("free".to_owned(), 1), ("free".to_owned(), 2)], "other keys flow");
    eventually("it has failed", LONG, async || (stage.log.count("PublishedFailed").await == 1).then_some(()))
        .await;
    assert!(stage.probe.try_next(MOMENT).await.is_none(), "its key waits");

    let status: Value = relay.get("/api/v1/outbox/status").await.json().await.unwrap();
    assert_eq!((&status[0]["log"]["failed"], &status[0]["log"]["pending"]), (&json!(1), &json!(2)));
    let event: Value = relay.get(&format!("/api/v1/outbox/events/{stuck}")).await.json().await.unwrap();
    assert_eq!(event["state"], "PublishedFailed");
    assert!(event["lastError"].as_str().unwrap().contains("NUL"), "{event}");

    let path = format!("/api/v1/outbox/events/{stuck}/skip");
    assert_eq!(relay.post(&path, &json!({"reason": " "})).await.status(), 400, "a reason is needed");
    let skipped = relay.post(&path, &json!({"reason": "bad import"})).await;
    assert_eq!(skipped.status(), 200);
    let skipped: Value = skipped.json().await.unwrap();
    assert_eq!((&skipped["skippedBy"], &skipped["skipReason"]), (&json!("olga"), &json!("bad import")));
    assert_eq!(stage.seen(2).await, [("stuck".to_owned(), 2), ("stuck".to_owned(), 3)]);
    assert_eq!(relay.post(&path, &json!({"reason": "again"})).await.status(), 409, "decided already");
}

#[sqlx::test(migrations = false)]
async fn headers_that_another_writer_got_wrong_hold_no_event_up(pool: PgPool) {
    let mut stage = Stage::set(pool).await;
    for (key, headers) in [("a", "[]"), ("b", r#"{"traceparent": 1}"#), ("c", r#"{"traceparent": "x"}"#)] {
        sqlx::query(
            "insert into integration_event_log (event_id, event_type, key, key_version, partition, payload, headers)
             values (gen_random_uuid(), 'shop.test.counter_raised.v1', $1, 1, 0, '{}', $2::json)",
        )
        .bind(key)
        .bind(headers)
        .execute(&stage.log.pool)
        .await
        .unwrap();
    }
    let relay = stage.relay().start();
    assert_eq!(stage.seen(3).await.len(), 3);
    let events: Value = relay.get("/api/v1/outbox/events").await.json().await.unwrap();
    assert_eq!(events.as_array().unwrap().len(), 3);
}

#[sqlx::test(migrations = false)]
async fn a_repaired_event_is_requeued_and_keeps_its_place(pool: PgPool) {
    let mut stage = Stage::set(pool).await;
    let stuck = poison(&stage.log.pool, "a").await;
    stage.log.raise("a", 2..=2).await;
    let _relay = stage.relay().start();
    eventually("it has failed", LONG, async || (stage.log.count("PublishedFailed").await == 1).then_some(()))
        .await;
    sqlx::query("update integration_event_log set payload = '{}' where event_id = $1")
        .bind(stuck)
        .execute(&stage.log.pool)
        .await
        .unwrap();

    let (code, _, _) = stage.relay().output(&["status"]);
    assert_eq!(code, 1, "something waits for an operator");
    let (code, out, _) = stage.relay().output(&["list", "--state", "PublishedFailed", "--json"]);
    let list: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &list[0]["eventId"]), (0, &json!(stuck)));
    let (code, _, err) = stage.relay().output(&["requeue", &stuck.to_string()]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(stage.seen(2).await, [("a".to_owned(), 1), ("a".to_owned(), 2)]);
    stage.log.drained().await;
    let (code, out, _) = stage.relay().output(&["status"]);
    assert_eq!(code, 0, "{out}");
}

#[sqlx::test(migrations = false)]
async fn a_database_that_is_away_takes_no_tool_from_the_others(pool: PgPool) {
    let stage = Stage::set(pool).await;
    let stuck = poison(&stage.log.pool, "a").await;
    let away = "postgres://nobody@127.0.0.1:1/away";
    let setup = || stage.relay().env("APP__DATABASES__AWAY__URL", away);
    let relay = setup().start();
    eventually("it has failed", LONG, async || (stage.log.count("PublishedFailed").await == 1).then_some(()))
        .await;
    let (code, out, err) = setup().output(&["list", "--json"]);
    assert!(code == 0 && out.contains(&stuck.to_string()), "{err}");
    let path = format!("/api/v1/outbox/events/{stuck}/skip");
    assert_eq!(relay.post(&path, &json!({"reason": "known"})).await.status(), 200);
    let unknown = relay.get(&format!("/api/v1/outbox/events/{}", Uuid::new_v4())).await;
    assert_eq!(unknown.status(), 503, "the database that is away may have it");
}

#[sqlx::test(migrations = false)]
async fn misuse_is_answered_with_a_sentence(pool: PgPool) {
    let stage = Stage::set(pool).await;
    let unknown = Uuid::new_v4().to_string();
    for (arguments, says) in [
        (&["show", &unknown][..], "no log of this relay has the event"),
        (&["requeue", &unknown], "no log of this relay has the event"),
        (&["skip", &unknown, "--reason", " "], "give a reason"),
        (&["show", "seven"], "invalid value"),
        (&["skip", &unknown], "--reason"),
        (&["list", "--state", "Nonsense"], "[possible values: NotPublished, Published, PublishedFailed]"),
        (&["list", "--state", ""], "[possible values"),
        (&["list", "--before", &unknown], "no log of this relay has the event"),
    ] {
        let (code, _, err) = stage.relay().output(arguments);
        assert!(code != 0 && err.contains(says), "{arguments:?}: {code} {err}");
    }
    let (code, _, err) = stage.relay().env("APP__DATABASES__TEST__URL", "nonsense").output(&["status"]);
    assert!(code == 1 && err.contains("databases.test.url"), "{err}");
    let (code, _, err) = stage.relay().env("APP__MODE", "production").output(&["run"]);
    assert!(code == 1 && err.contains("secret"), "{err}");
}

#[sqlx::test(migrations = false)]
async fn the_operators_routes_are_for_operators(pool: PgPool) {
    let stage = Stage::set(pool).await;
    let relay = stage.relay().start();
    let client = reqwest::Client::new();
    for path in ["status", "relays", "audit", "events", "scheduled", &format!("events/{}", Uuid::new_v4())] {
        let url = format!("{}/api/v1/outbox/{path}", relay.url);
        assert_eq!(client.get(&url).send().await.unwrap().status(), 401, "{path}");
        let buyer = client.get(&url).bearer_auth(test_kit::token("alice", "")).send().await.unwrap();
        assert_eq!(buyer.status(), 403, "{path}");
        let expired =
            client.get(&url).bearer_auth(test_kit::expired_token("olga", "ops")).send().await.unwrap();
        assert_eq!(expired.status(), 401, "{path}");
    }
    for (path, status) in [
        ("/api/v1/outbox/events/seven", 400),
        ("/api/v1/outbox/events?limit=0", 400),
        ("/api/v1/outbox/events?colour=red", 400),
        ("/api/v1/outbox/events?before=seven", 400),
        (&format!("/api/v1/outbox/events?before={}", Uuid::new_v4()), 400),
        ("/api/v1/outbox/events?state=Nonsense", 400),
        ("/api/v1/outbox/events?state=Published", 200),
        ("/api/v1/outbox/audit?from=yesterday", 400),
        ("/api/v1/outbox/events?key=a%00b", 400),
        ("/api/v1/outbox/nothing", 404),
        ("/metrics", 200),
        ("/openapi.json", 200),
    ] {
        assert_eq!(relay.get(path).await.status(), status, "{path}");
    }
    let snapshot = include_str!("../../../contracts/openapi/outbox-relay.json");
    let (_, document, _) = stage.relay().output(&["openapi"]);
    assert_eq!(document, snapshot, "run: outbox-relay openapi > contracts/openapi/outbox-relay.json");
}

#[sqlx::test(migrations = false)]
async fn a_check_names_what_a_relay_lacks_and_what_to_do(pool: PgPool) {
    let stage = Stage::set(pool).await;
    let check = |relay: crate::support::Setup| {
        let (code, out, err) = relay.output(&["check"]);
        (code, format!("{out}{err}"))
    };
    let (code, text) = check(stage.relay());
    assert_eq!(code, 0, "{text}");

    let misplace = "alter table integration_event_log disable trigger integration_event_log_complete;
        insert into integration_event_log (event_type, key, key_version, partition, payload)
        select 'a.b.v1', 'k', 1, (hashtextextended('k', 0) + 1) & 63, '{}'";
    sqlx::raw_sql(misplace).execute(&stage.log.pool).await.unwrap();
    let (code, text) = check(stage.relay());
    assert!(code == 1 && text.contains("is the trigger"), "{text}");

    let empty = "delete from outbox_log; truncate outbox_relay cascade; delete from integration_event_log";
    sqlx::raw_sql(empty).execute(&stage.log.pool).await.unwrap();
    let (code, text) = check(stage.relay());
    assert!(code == 1, "{text}");
    let (_, inserts) = text.split_once("database's owner run ").expect("what to run");
    let inserts = inserts.lines().next().unwrap().to_owned();
    sqlx::raw_sql(sqlx::AssertSqlSafe(inserts)).execute(&stage.log.pool).await.unwrap();
    let (code, text) = check(stage.relay());
    assert_eq!(code, 0, "{text}");

    sqlx::raw_sql("drop table outbox_scheduled cascade").execute(&stage.log.pool).await.unwrap();
    let (code, text) = check(stage.relay());
    assert!(
        code == 1 && text.contains("outbox_scheduled") && text.contains("outbox-relay migrate"),
        "{text}"
    );
}

#[sqlx::test(migrations = false)]
async fn a_database_without_an_outbox_is_given_one_by_migrate(pool: PgPool) {
    let vhost = test_kit::vhost().await;
    let relay = || crate::support::Setup::new(&crate::support::database_url(&pool), &vhost.url);
    for _ in 0..2 {
        let (code, out, err) = relay().output(&["migrate"]);
        assert!(code == 0 && out.contains("up to date"), "{out}{err}");
    }
    let (code, out, err) = relay().output(&["check"]);
    assert_eq!(code, 0, "{out}{err}");
}

/// Ids of the events, as a list shows them.
fn ids(list: &str) -> Vec<Uuid> {
    let events: Vec<Value> = serde_json::from_str(list).unwrap();
    events.iter().map(|event| event["eventId"].as_str().unwrap().parse().unwrap()).collect()
}

#[sqlx::test(migrations = false)]
async fn a_list_is_in_the_order_of_the_log_whatever_the_ids_are(pool: PgPool) {
    let stage = Stage::set(pool).await;
    let mut newest_first: Vec<Uuid> = Vec::new();
    for (state, at) in [
        ("NotPublished", None),
        ("Published", Some("now()")),
        ("PublishedFailed", None),
        ("Published", Some("now()")),
        ("NotPublished", None),
        ("NotPublished", None),
    ] {
        let at = at.unwrap_or("null");
        let id = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
            "insert into integration_event_log (event_id, event_type, key, key_version, payload, state, published_at)
             values (gen_random_uuid(), 'shop.test.counter_raised.v1', gen_random_uuid()::text, 1, '{{}}', '{state}', {at})
             returning event_id"
        )));
        newest_first.insert(0, id.fetch_one(&stage.log.pool).await.unwrap());
    }
    let list = |arguments: &[&str]| {
        let (code, out, err) = stage.relay().output(&[&["list", "--json"], arguments].concat());
        assert_eq!(code, 0, "{err}");
        ids(&out)
    };
    assert_eq!(list(&[]), newest_first);
    assert_eq!(list(&["--limit", "2"]), newest_first[..2]);
    let page = newest_first[1].to_string();
    assert_eq!(list(&["--limit", "2", "--before", &page]), newest_first[2..4]);
    assert_eq!(list(&["--state", "publishedfailed"]), newest_first[3..4]);
    assert_eq!(list(&["--state", "Published"]), [newest_first[2], newest_first[4]]);
}

#[sqlx::test(migrations = false)]
async fn a_reader_that_leaves_early_is_no_failure(pool: PgPool) {
    let stage = Stage::set(pool).await;
    stage.log.raise_many(100, 3).await;
    let id = stage.log.raise("a", 1..=1).await[0].to_string();
    for arguments in [
        &["list", "--json", "--limit", "301"][..],
        &["list"],
        &["show", &id],
        &["openapi"],
        &["--help"],
        &["audit", "--help"],
    ] {
        let (code, err) = stage.relay().unread(arguments);
        assert!(code == 0 && err.is_empty(), "{arguments:?}: {code} {err}");
    }
}
