//! A request that is sent twice has one effect and one answer.

use futures_util::future::join_all;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use sqlx::PgPool;
use test_kit::token;

use crate::app::{App, details, details_with, header, problem};

async fn post(app: &App, key: &str, body: &Value) -> Response {
    let request = app.write(Method::POST, "/items").header("idempotency-key", key);
    request.json(body).send().await.expect("an answer")
}

async fn put_price(app: &App, id: i64, key: &str, price: &str) -> Response {
    let request = app.write(Method::PUT, &format!("/items/{id}/price")).header("idempotency-key", key);
    request.json(&json!({"price": price})).send().await.expect("an answer")
}

/// What of an answer must be the same when it is given again.
async fn essence(answer: Response) -> (u16, Vec<String>, Value) {
    let headers = ["etag", "location", "event-id", "content-type"].map(|name| header(&answer, name)).to_vec();
    let status = answer.status().as_u16();
    let mut body: Value = answer.json().await.expect("JSON");
    if let Some(problem) = body.as_object_mut() {
        problem.remove("request_id");
    }
    (status, headers, body)
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn the_same_key_and_body_has_one_effect_and_one_answer(pool: PgPool) {
    let app = App::spawn(pool).await;
    let first = post(&app, "k1", &details()).await;
    assert_eq!(first.status(), 201);
    assert!(first.headers().get("idempotency-replayed").is_none());
    let first = essence(first).await;
    // A key in quotes, as the draft wants it, is the same key.
    for key in ["k1", "\"k1\""] {
        let again = post(&app, key, &details()).await;
        assert_eq!(header(&again, "idempotency-replayed"), "true");
        assert_eq!(essence(again).await, first);
    }
    assert_eq!((app.get_json("/items").await["count"].as_i64(), app.log().await.len()), (Some(1), 1));

    let id = first.2["id"].as_i64().expect("an id");
    let changed = essence(put_price(&app, id, "k2", "13.00").await).await;
    app.put_price(id, "14.00").await;
    assert_eq!(essence(put_price(&app, id, "k2", "13.00").await).await, changed);
    assert_eq!(app.price_of(id).await, "14.00", "the repetition did not set it back");
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn a_repetition_may_spell_the_path_in_another_way(pool: PgPool) {
    let app = App::spawn(pool).await;
    let id = app.product_priced_at("1.00").await;
    assert_eq!(put_price(&app, id, "k1", "2.00").await.status(), 200);
    let request = app.write(Method::PUT, &format!("/%69tems/{id}/price")).header("idempotency-key", "k1");
    let again = request.json(&json!({"price": "2.00"})).send().await.expect("an answer");
    assert_eq!((again.status().as_u16(), header(&again, "idempotency-replayed").as_str()), (200, "true"));
    let operations: Vec<String> =
        sqlx::query_scalar("select operation from idempotency").fetch_all(&app.pool).await.expect("rows");
    assert_eq!(operations, [format!("PUT /api/v1/catalog/items/{id}/price")]);
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn the_same_key_with_another_body_is_422(pool: PgPool) {
    let app = App::spawn(pool).await;
    post(&app, "k1", &details()).await;
    problem(post(&app, "k1", &details_with("name", json!("Beck"))).await, 422, "unprocessable").await;
    assert_eq!(app.get_json("/items").await["count"], 1);
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn the_same_key_with_another_if_match_is_422(pool: PgPool) {
    let app = App::spawn(pool).await;
    let id = app.product_priced_at("1.00").await;
    let put = async |key: &str, tag: &str| {
        let request = app.write(Method::PUT, &format!("/items/{id}/price")).header("idempotency-key", key);
        request.header("if-match", tag).json(&json!({"price": "2.00"})).send().await.expect("an answer")
    };
    for replayed in [false, true] {
        let stale = put("k1", "\"9\"").await;
        assert_eq!(stale.headers().contains_key("idempotency-replayed"), replayed);
        problem(stale, 412, "precondition-failed").await;
    }
    problem(put("k1", "\"1\"").await, 422, "unprocessable").await;
    assert_eq!(put("k2", "\"1\"").await.status(), 200);
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn keys_of_others_and_for_other_things_are_other_keys(pool: PgPool) {
    let app = App::spawn(pool).await;
    let (one, two) = (app.product_priced_at("1").await, app.product_priced_at("1").await);
    assert_eq!(put_price(&app, one, "k", "2.00").await.status(), 200);
    assert_eq!(put_price(&app, two, "k", "3.00").await.status(), 200);
    let request = app.request(Method::PUT, &format!("/items/{one}/price"));
    let request = request.bearer_auth(token("otto", "catalog:write")).header("idempotency-key", "k");
    assert_eq!(request.json(&json!({"price": "4.00"})).send().await.expect("an answer").status(), 200);
    assert_eq!((app.price_of(one).await, app.price_of(two).await), ("4.00".to_owned(), "3.00".to_owned()));
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn a_refusal_is_repeated_as_well(pool: PgPool) {
    let app = App::spawn(pool).await;
    let body = details_with("typeId", json!(3));
    let first = essence(post(&app, "k1", &body).await).await;
    assert_eq!(first.0, 422);
    sqlx::query("insert into product_type values (3, 'Boots')").execute(&app.pool).await.expect("a type");
    let again = post(&app, "k1", &body).await;
    assert_eq!(header(&again, "idempotency-replayed"), "true");
    let id = header(&again, "x-request-id");
    assert!(!id.is_empty());
    assert_eq!(essence(again).await, first);
    assert_eq!(post(&app, "k2", &body).await.status(), 201);
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn a_request_that_was_not_understood_takes_no_key(pool: PgPool) {
    let app = App::spawn(pool).await;
    problem(post(&app, "k1", &details_with("price", json!("free"))).await, 400, "validation").await;
    assert_eq!(post(&app, "k1", &details()).await.status(), 201);
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn a_key_that_is_no_key_is_400(pool: PgPool) {
    let app = App::spawn(pool).await;
    for key in ["", "\"\"", "two words", &"x".repeat(256)] {
        let problem = problem(post(&app, key, &details()).await, 400, "validation").await;
        assert_eq!(problem["errors"][0]["parameter"], "idempotency-key");
    }
    let request =
        app.write(Method::POST, "/items").header("idempotency-key", "a").header("idempotency-key", "b");
    problem(request.json(&details()).send().await.expect("an answer"), 400, "validation").await;
    assert_eq!(app.get_json("/items").await["count"], 0);
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn of_many_at_once_one_has_the_effect(pool: PgPool) {
    let app = App::spawn(pool).await;
    let body = details();
    let answers = join_all((0..12).map(|_| post(&app, "k1", &body))).await;
    let mut created = Vec::new();
    for answer in answers {
        match answer.status().as_u16() {
            201 => created.push(essence(answer).await),
            409 => drop(problem(answer, 409, "conflict").await),
            other => panic!("unexpected {other}"),
        }
    }
    assert!(!created.is_empty());
    created.dedup();
    assert_eq!(created.len(), 1, "all who were answered were answered the same");
    assert_eq!((app.get_json("/items").await["count"].as_i64(), app.log().await.len()), (Some(1), 1));
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn a_repetition_of_a_running_request_is_409_at_once(pool: PgPool) {
    let app = App::spawn(pool).await;
    let id = app.product_priced_at("1.00").await;
    // Somebody holds the product, so that the first request cannot end.
    let mut holder = app.pool.begin().await.expect("a transaction");
    sqlx::query("select from product where product_id = $1 for update")
        .bind(id)
        .execute(&mut *holder)
        .await
        .expect("locked");
    let first = put_price(&app, id, "k1", "2.00");
    let second = async {
        test_kit::eventually("the first request waits", std::time::Duration::from_secs(5), async || {
            let waits: bool = sqlx::query_scalar(
                "select exists (select from pg_stat_activity
                                 where wait_event_type = 'Lock' and datname = current_database())",
            )
            .fetch_one(&app.pool)
            .await
            .expect("activity");
            waits.then_some(())
        })
        .await;
        problem(put_price(&app, id, "k1", "2.00").await, 409, "conflict").await;
        holder.commit().await.expect("let go");
    };
    let (first, ()) = tokio::join!(first, second);
    assert_eq!(first.status(), 200);
    let again = put_price(&app, id, "k1", "2.00").await;
    assert_eq!((again.status().as_u16(), header(&again, "idempotency-replayed").as_str()), (200, "true"));
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn an_answer_is_kept_for_a_day_and_then_removed(pool: PgPool) {
    let app = App::spawn(pool).await;
    post(&app, "young", &details()).await;
    post(&app, "old", &details()).await;
    sqlx::query("update idempotency set created_at = now() - interval '25 hours' where key = 'old'")
        .execute(&app.pool)
        .await
        .expect("aged");
    let again = post(&app, "old", &details_with("name", json!("Beck"))).await;
    assert_eq!((again.status().as_u16(), header(&again, "idempotency-replayed").as_str()), (201, ""));
    sqlx::query("update idempotency set created_at = now() - interval '25 hours' where key = 'old'")
        .execute(&app.pool)
        .await
        .expect("aged");
    // The service may have removed it by itself by now.
    catalog_api::idempotency::remove_old(&app.pool).await.expect("removed");
    let keys: Vec<String> =
        sqlx::query_scalar("select key from idempotency").fetch_all(&app.pool).await.expect("keys");
    assert_eq!(keys, ["young"]);
}
