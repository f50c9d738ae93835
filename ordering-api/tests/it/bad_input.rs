//! What is refused, and leaves nothing behind.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::app::{TestApp, checkout, problem};

fn with(path: &str, value: Value) -> Value {
    let mut body = checkout(&[(1, 1)], "10.00");
    *body.pointer_mut(path).unwrap() = value;
    body
}

fn without(path: &str, field: &str) -> Value {
    let mut body = checkout(&[(1, 1)], "10.00");
    body.pointer_mut(path).unwrap().as_object_mut().unwrap().remove(field).unwrap();
    body
}

#[sqlx::test(migrator = "ordering_api::MIGRATIONS")]
async fn what_no_order_can_be_made_of_is_refused(pool: PgPool) {
    let app = TestApp::spawn(&pool).await;
    let many: Vec<(i64, i64)> = (1..=51).map(|product| (product, 1)).collect();
    let mut bodies = vec![
        checkout(&[], "10.00"),
        checkout(&many, "10.00"),
        checkout(&[(1, 1), (1, 1)], "20.00"),
        without("", "items"),
        without("", "address"),
        without("", "payment"),
        without("", "expectedTotal"),
        without("/payment", "token"),
        without("/items/0", "quantity"),
        with("", json!({})),
        with("", json!([])),
        with("/items/0", json!([1, 1])),
        with("/items", json!({"productId": 1, "quantity": 1})),
        with("/address", json!(["Alice", "Mill Road 1", "12345", "Moor", "IE"])),
        with("/payment", json!(["tok_ok"])),
    ];
    for quantity in [json!(0), json!(-1), json!(100), json!("two"), json!(1.5), json!(null), json!(1e30)] {
        bodies.push(with("/items/0/quantity", quantity));
    }
    for product in [json!(0), json!(-7), json!("1"), json!(null)] {
        bodies.push(with("/items/0/productId", product));
    }
    for total in
        [json!("0"), json!("-1"), json!("ten"), json!("10.001"), json!(null), json!("1e3"), json!({})]
    {
        bodies.push(with("/expectedTotal", total));
    }
    for token in [json!(""), json!("x".repeat(10_240)), json!("tok ok"), json!("tök"), json!(7), json!(null)]
    {
        bodies.push(with("/payment/token", token));
    }
    for field in ["name", "street", "postcode", "city", "country"] {
        bodies.push(without("/address", field));
        for text in ["", "   ", &"x".repeat(2_000), "a\nb", "a\u{1b}[1m", "a\u{202e}b", "a\u{200b}b"] {
            bodies.push(with(&format!("/address/{field}"), json!(text)));
        }
        bodies.push(with(&format!("/address/{field}"), json!(1)));
    }
    let mut unknown = checkout(&[(1, 1)], "10.00");
    unknown["unitPrice"] = json!("0.01");
    bodies.push(unknown);
    for (at, body) in bodies.iter().enumerate() {
        let answer = app.check_out("alice", &format!("k{at}"), body).await;
        assert_eq!(answer.status(), 400, "{body}");
        problem(answer, 400).await;
    }
    assert_eq!(app.orders().await, 0);
}

#[sqlx::test(migrator = "ordering_api::MIGRATIONS")]
async fn what_may_be_a_cards_number_is_not_kept_and_not_repeated(pool: PgPool) {
    let app = TestApp::spawn(&pool).await;
    for token in [
        json!("4111111111111111"),
        json!("4111-1111-1111-1111"),
        json!("4111 1111 1111 1111"),
        json!("tok_4111111111111111"),
        json!(4_111_111_111_111_111_u64),
        json!({"4111111111111111": "4111111111111111"}),
    ] {
        let answer = app.check_out("alice", "k", &with("/payment/token", token.clone())).await;
        let body = problem(answer, 400).await;
        assert_eq!(body["errors"][0]["pointer"], "#/payment/token", "{token}: {body}");
        assert!(!body.to_string().contains("1111"), "{token}: {body}");
    }
    assert_eq!(app.orders().await, 0);
}

#[sqlx::test(migrator = "ordering_api::MIGRATIONS")]
async fn a_checkout_needs_one_key_that_can_be_read(pool: PgPool) {
    let app = TestApp::spawn(&pool).await;
    let body = checkout(&[(1, 1)], "10.00");
    let request = || app.request(Method::POST, "", "alice").json(&body);
    problem(request().send().await.unwrap(), 400).await;
    for key in ["", "a b", "\"\"", &"x".repeat(256)] {
        problem(request().header("idempotency-key", key).send().await.unwrap(), 400).await;
    }
    let twice = request().header("idempotency-key", "a").header("idempotency-key", "b");
    problem(twice.send().await.unwrap(), 400).await;
    assert_eq!(app.orders().await, 0);
}

#[sqlx::test(migrator = "ordering_api::MIGRATIONS")]
async fn a_body_of_another_kind_is_refused(pool: PgPool) {
    let app = TestApp::spawn(&pool).await;
    let request = |kind: &str, body: String| {
        let request = app.request(Method::POST, "", "alice").header("idempotency-key", "k");
        request.header("content-type", kind).body(body)
    };
    problem(request("text/plain", "{}".to_owned()).send().await.unwrap(), 415).await;
    problem(request("application/json", "{".to_owned()).send().await.unwrap(), 400).await;
    problem(request("application/json", "x".repeat(3 << 20)).send().await.unwrap(), 413).await;
}

#[sqlx::test(migrator = "ordering_api::MIGRATIONS")]
async fn an_unreadable_cancellation_cancels_nothing(pool: PgPool) {
    let app = TestApp::spawn(&pool).await;
    let id = app.order("alice", &checkout(&[(1, 1)], "10.00")).await;
    let bodies =
        [json!([]), json!({"why": "x"}), json!({"reason": "x".repeat(2_000)}), json!({"reason": "a\nb"})];
    for body in bodies {
        let request = app.request(Method::POST, &format!("/{id}/cancel"), "alice").json(&body);
        problem(request.send().await.unwrap(), 400).await;
    }
    assert_eq!(app.status("alice", id).await, "submitted");
    for path in ["/seven", "/019ab2c5", "/seven/cancel"] {
        let method = if path.ends_with("cancel") { Method::POST } else { Method::GET };
        problem(app.request(method, path, "alice").send().await.unwrap(), 400).await;
    }
}
