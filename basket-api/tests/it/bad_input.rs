//! What is not as it should be is refused, with the reason, and changes nothing.

use reqwest::Method;
use serde_json::json;
use sqlx::PgPool;

use crate::app::{TestApp, add_product, problem};

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn a_quantity_is_a_whole_number_from_1_to_99(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    add_product(&pool, 1, "2.00").await;
    for quantity in [
        json!(0),
        json!(100),
        json!(-1),
        json!("two"),
        json!("2"),
        json!(1.5),
        json!(null),
        json!(1e30),
        json!([2]),
    ] {
        let body = json!({"quantity": quantity});
        let answer = app.basket(Method::PUT, "alice", "/items/1").json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{quantity}");
        let problem = problem(answer).await;
        assert_eq!(problem["type"], "/problems/validation");
        assert_eq!(problem["errors"][0]["pointer"], "#/quantity", "{quantity}: {problem}");
    }
    assert_eq!(app.see("alice").await["version"], 0);
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn a_body_says_the_quantity_and_nothing_else(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    add_product(&pool, 1, "2.00").await;
    for body in [
        "",
        "{",
        "null",
        "[]",
        "2",
        "{}",
        "{\"quantity\":2,}",
        "{\"quantity\":2}{}",
        "{\"quantity\":2,\"quantity\":3}",
        "{\"quantity\":2,\"unitPrice\":\"0.01\"}",
        "{\"quantity\":2,\"price\":0.01}",
        "{\"quantity\":2,\"a\\u0000\":1}",
    ] {
        let request = app.basket(Method::PUT, "alice", "/items/1").header("content-type", "application/json");
        let answer = request.body(body).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{body}");
        assert_eq!(problem(answer).await["type"], "/problems/validation");
    }
    let request = app.basket(Method::PUT, "alice", "/items/1").header("content-type", "application/json");
    assert_eq!(request.body(b"{\"quantity\":2,\"\xFF\":1}".to_vec()).send().await.unwrap().status(), 400);
    assert_eq!(app.see("alice").await["items"], json!([]));
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn a_body_that_is_not_json_or_too_large_is_refused(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    add_product(&pool, 1, "2.00").await;
    let put = || app.basket(Method::PUT, "alice", "/items/1");
    let answer = put().header("content-type", "text/plain").body("{\"quantity\":2}").send().await.unwrap();
    assert_eq!(answer.status(), 415);
    assert_eq!(put().body("{\"quantity\":2}").send().await.unwrap().status(), 415);
    let large = format!("{{\"quantity\":2,\"x\":\"{}\"}}", "x".repeat(3_000_000));
    let answer = put().header("content-type", "application/json").body(large).send().await.unwrap();
    assert_eq!(answer.status(), 413);
    assert_eq!(problem(answer).await["type"], "/problems/too-large");
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn a_product_id_is_a_positive_number(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    for id in ["0", "-1", "one", "1.0", "%2B1", "99999999999999999999", "1%00", "%D9%A1"] {
        let path = format!("/items/{id}");
        let put = app.basket(Method::PUT, "alice", &path).json(&json!({"quantity": 1}));
        for request in [put, app.basket(Method::DELETE, "alice", &path)] {
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), 400, "{id}");
            let problem = problem(answer).await;
            assert_eq!(problem["errors"][0]["parameter"], "productId", "{problem}");
        }
    }
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn a_page_of_alerts_has_1_to_100_entries(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    for query in [
        "pageSize=0",
        "pageSize=101",
        "pageSize=-1",
        "pageSize=ten",
        "pageSize=",
        "pageIndex=-1",
        "pageIndex=x",
        "pageIndex=99999999999",
        "page=1",
        "pageSize=10&pageSize=20",
        "pagesize=10",
    ] {
        let answer = app.basket(Method::GET, "alice", &format!("/alerts?{query}")).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{query}");
        problem(answer).await;
    }
    for query in ["", "?pageSize=1", "?pageSize=100&pageIndex=0", "?pageIndex=4294967295&pageSize=100"] {
        let answer = app.basket(Method::GET, "alice", &format!("/alerts{query}")).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{query}");
    }
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn what_to_acknowledge_is_all_or_a_list_of_ids(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    let many = json!({"ids": vec![1; 1_001]});
    for body in [
        json!({"ids": null}),
        json!({"ids": 1}),
        json!({"ids": ["one"]}),
        json!({"all": true}),
        json!([1]),
        json!(null),
        many,
    ] {
        let request = app.basket(Method::POST, "alice", "/alerts/acknowledge").json(&body);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 400, "{body}");
        problem(answer).await;
    }
    let request = app.basket(Method::POST, "alice", "/alerts/acknowledge").body("all");
    assert_eq!(request.send().await.unwrap().status(), 415);
    for body in [json!({}), json!({"ids": []}), json!({"ids": [-1, 0, 9_223_372_036_854_775_807_i64]})] {
        let request = app.basket(Method::POST, "alice", "/alerts/acknowledge").json(&body);
        assert_eq!(request.send().await.unwrap().status(), 204, "{body}");
    }
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn a_stream_begins_after_an_alert_or_now(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    for query in ["lastEventId=x", "lastEventId=-1", "lastEventId=", "since=1"] {
        let answer =
            app.basket(Method::GET, "alice", &format!("/alerts/stream?{query}")).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{query}");
    }
    let request = app.basket(Method::GET, "alice", "/alerts/stream").header("last-event-id", "x");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 400);
    assert_eq!(problem(answer).await["errors"][0]["parameter"], "Last-Event-ID");
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn unknown_paths_and_methods_are_told_apart(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    let answer = app.basket(Method::GET, "alice", "/nothing").send().await.unwrap();
    assert_eq!(answer.status(), 404);
    problem(answer).await;
    let answer = app.basket(Method::POST, "alice", "/items/1").send().await.unwrap();
    assert_eq!(answer.status(), 405);
    assert_eq!(answer.headers()["allow"], "PUT, DELETE");
    problem(answer).await;
}
