//! Who sees which orders.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::app::{TestApp, checkout, problem};

async fn list(app: &TestApp, sub: &str, scope: &str, query: &str) -> Value {
    let answer = app.request_as(Method::GET, query, sub, scope).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{query}");
    answer.json().await.unwrap()
}

fn ids(page: &Value) -> Vec<Uuid> {
    page["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["orderId"].as_str().unwrap().parse().unwrap())
        .collect()
}

#[sqlx::test(migrator = "ordering_api::MIGRATIONS")]
async fn a_buyer_sees_their_own_orders_alone(pool: PgPool) {
    let app = TestApp::spawn(&pool).await;
    let body = checkout(&[(1, 1)], "10.00");
    let (first, second) = (app.order("alice", &body).await, app.order("alice", &body).await);
    let bobs = app.order("bob", &body).await;
    assert_eq!(ids(&list(&app, "alice", "", "").await), [second, first], "newest first");
    assert_eq!(ids(&list(&app, "alice", "", "?buyerId=alice&pageSize=1&pageIndex=1").await), [first]);

    for path in [format!("/{bobs}"), format!("/{}", Uuid::new_v4())] {
        problem(app.request(Method::GET, &path, "alice").send().await.unwrap(), 404).await;
        problem(app.request(Method::POST, &format!("{path}/cancel"), "alice").send().await.unwrap(), 404)
            .await;
    }
    problem(app.request(Method::GET, "?buyerId=bob", "alice").send().await.unwrap(), 403).await;
    assert_eq!(app.status("bob", bobs).await, "submitted");
}

#[sqlx::test(migrator = "ordering_api::MIGRATIONS")]
async fn merchants_and_operators_see_everybodys_orders(pool: PgPool) {
    let app = TestApp::spawn(&pool).await;
    let body = checkout(&[(1, 1)], "10.00");
    let (alices, bobs) = (app.order("alice", &body).await, app.order("bob", &body).await);
    app.pay(bobs).await;
    for scope in ["ops", "orders:ship"] {
        let all = list(&app, "olga", scope, "").await;
        assert_eq!((ids(&all), &all["count"]), (vec![bobs, alices], &json!(2)));
        assert_eq!(ids(&list(&app, "olga", scope, "?buyerId=alice").await), [alices]);
        assert_eq!(ids(&list(&app, "olga", scope, "?status=paid").await), [bobs]);
        let one = app.request_as(Method::GET, &format!("/{alices}"), "olga", scope).send().await.unwrap();
        assert_eq!(one.status(), 200);
    }
    for query in
        ["?status=lost", "?pageSize=0", "?pageSize=101", "?pageIndex=-1", "?page=1", "?buyerId=a%20b"]
    {
        problem(app.request_as(Method::GET, query, "olga", "ops").send().await.unwrap(), 400).await;
    }
}

#[sqlx::test(migrator = "ordering_api::MIGRATIONS")]
async fn an_address_is_kept_in_one_form_and_shown_as_it_is_kept(pool: PgPool) {
    let app = TestApp::spawn(&pool).await;
    let mut body = checkout(&[(1, 1)], "10.00");
    body["address"]["city"] = json!(" Cafe\u{301} ");
    let id = app.order("alice", &body).await;
    assert_eq!(app.see("alice", id).await["address"]["city"], "Café");

    // One that would be refused now, of an earlier version.
    sqlx::query("update customer_order set address = replace(address::text, 'Alice', 'A\\u202elice')::json")
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(app.see("alice", id).await["address"]["name"], "A\u{202e}lice");
}

#[sqlx::test(migrator = "ordering_api::MIGRATIONS")]
async fn an_order_is_sent_again_only_when_it_has_changed(pool: PgPool) {
    let app = TestApp::spawn(&pool).await;
    let id = app.order("alice", &checkout(&[(1, 1)], "10.00")).await;
    let get = async |tag: &str| {
        let request = app.request(Method::GET, &format!("/{id}"), "alice").header("if-none-match", tag);
        request.send().await.unwrap()
    };
    assert_eq!(get("\"1\"").await.status(), 304);
    app.cancel("alice", id).await;
    let answer = get("\"1\"").await;
    assert_eq!((answer.status().as_u16(), answer.headers()["etag"].to_str().unwrap()), (200, "\"2\""));
}
