//! How an order goes on.

use event_bus::HandleError;
use ordering_api::subscriptions::{
    CancelOverdueOrder, CancelUnpaidOrder, CancelWithoutStock, CompleteOrder, ConfirmStock, EndGracePeriod,
};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::app::{TestApp, checkout, problem, received};

async fn placed(pool: &PgPool) -> (TestApp, Uuid) {
    let app = TestApp::spawn_with(pool, &[("APP__ORDERS__REPLY_DEADLINE_S", "90")]).await;
    let id = app.order("alice", &checkout(&[(1, 2), (2, 1)], "22.50")).await;
    (app, id)
}

fn names(scheduled: Vec<(String, f64)>) -> Vec<String> {
    scheduled.into_iter().map(|(name, _)| name).collect()
}

#[sqlx::test(migrator = "ordering_api::MIGRATIONS")]
async fn an_order_goes_from_its_checkout_to_its_shipping_by_events(pool: PgPool) {
    let (app, id) = placed(&pool).await;
    let grace = app.happens(&EndGracePeriod, id, json!({"step": "grace"})).await;
    assert_eq!(app.status("alice", id).await, "awaiting_stock");
    let scheduled = app.scheduled(id).await;
    assert_eq!(scheduled.len(), 1, "the timer of the grace period is gone, and the reply's is set");
    assert!(scheduled[0].0 == "reply_overdue" && (89.0..=91.0).contains(&scheduled[0].1), "{scheduled:?}");

    let reserved = app.happens(&ConfirmStock, id, json!({"items": []})).await;
    assert_eq!(app.status("alice", id).await, "stock_confirmed");
    assert_eq!(names(app.scheduled(id).await), ["reply_overdue"]);
    let paid = app.happens(&CompleteOrder, id, json!({"paymentId": Uuid::new_v4(), "amount": "22.50"})).await;
    assert_eq!(app.status("alice", id).await, "paid");
    assert!(app.scheduled(id).await.is_empty(), "nothing is waited for");
    assert_eq!(app.ship(id).await.status(), 202);

    assert_eq!(
        app.announced(id).await,
        [
            "order_started",
            "stock_requested",
            "payment_requested",
            "stock_sold",
            "order_paid",
            "order_shipped"
        ]
    );
    let order = app.see("alice", id).await;
    let history = order["history"].as_array().unwrap();
    let statuses: Vec<&str> = history.iter().map(|change| change["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["submitted", "awaiting_stock", "stock_confirmed", "paid", "shipped"]);
    for (at, event) in [(1, grace), (2, reserved), (3, paid)] {
        assert_eq!(history[at]["eventId"], json!(event));
    }
    let shipped: Uuid = sqlx::query_scalar(
        "select event_id from integration_event_log where event_type = 'shop.ordering.order_shipped.v1'",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(history[4]["eventId"], json!(shipped));
}

#[sqlx::test(migrator = "ordering_api::MIGRATIONS")]
async fn an_event_that_comes_again_or_too_late_changes_nothing(pool: PgPool) {
    let (app, id) = placed(&pool).await;
    app.pay(id).await;
    let before = (app.see("alice", id).await, app.announced(id).await);
    app.pay(id).await;
    app.happens(&CancelWithoutStock, id, json!({"items": []})).await;
    app.happens(&CancelUnpaidOrder, id, json!({"reason": "declined"})).await;
    for step in ["stock", "payment"] {
        app.happens(&CancelOverdueOrder, id, json!({"step": step})).await;
    }
    assert_eq!((app.see("alice", id).await, app.announced(id).await), before);
}

#[sqlx::test(migrator = "ordering_api::MIGRATIONS")]
async fn what_was_asked_for_is_taken_back_when_a_buyer_cancels(pool: PgPool) {
    let (app, id) = placed(&pool).await;
    let (waiting, confirmed) = (
        app.order("alice", &checkout(&[(1, 1)], "10.00")).await,
        app.order("alice", &checkout(&[(1, 1)], "10.00")).await,
    );
    app.happens(&EndGracePeriod, waiting, json!({})).await;
    app.happens(&EndGracePeriod, confirmed, json!({})).await;
    app.happens(&ConfirmStock, confirmed, json!({})).await;
    for (id, expected) in [
        (id, &["order_started", "order_cancelled"][..]),
        (waiting, &["order_started", "stock_requested", "stock_released", "order_cancelled"]),
        (
            confirmed,
            &[
                "order_started",
                "stock_requested",
                "payment_requested",
                "stock_released",
                "payment_cancelled",
                "order_cancelled",
            ],
        ),
    ] {
        let request = app.request(Method::POST, &format!("/{id}/cancel"), "alice");
        let answer = request.json(&json!({"reason": "too slow"})).send().await.unwrap();
        assert_eq!(answer.status(), 202);
        assert_eq!(answer.json::<Value>().await.unwrap()["status"], "cancelled");
        assert_eq!(app.announced(id).await, expected);
        assert!(app.scheduled(id).await.is_empty());
        let order = app.see("alice", id).await;
        assert_eq!((&order["reason"], &order["detail"]), (&json!("buyer"), &json!("too slow")));
        assert_eq!(app.cancel("alice", id).await.status(), 202, "twice");
        assert_eq!(app.announced(id).await, expected, "cancelled once");
    }
}

#[sqlx::test(migrator = "ordering_api::MIGRATIONS")]
async fn a_cancelled_order_says_why(pool: PgPool) {
    let app = TestApp::spawn(&pool).await;
    let body = checkout(&[(1, 3)], "30.00");
    let without_stock = app.order("alice", &body).await;
    let declined = app.order("alice", &body).await;
    let silent = app.order("alice", &body).await;
    for id in [without_stock, declined, silent] {
        app.happens(&EndGracePeriod, id, json!({})).await;
    }
    let shortage = json!({"items": [{"productId": 1, "requested": 3, "available": 2}]});
    app.happens(&CancelWithoutStock, without_stock, shortage).await;
    app.happens(&ConfirmStock, declined, json!({})).await;
    app.happens(&CancelUnpaidOrder, declined, json!({"reason": "card declined"})).await;
    app.happens(&CancelOverdueOrder, silent, json!({"step": "stock"})).await;

    let reason = async |id| {
        let order = app.see("alice", id).await;
        assert_eq!(order["status"], "cancelled");
        (order["reason"].as_str().unwrap().to_owned(), order["detail"].as_str().unwrap().to_owned())
    };
    let (why, detail) = reason(without_stock).await;
    assert_eq!((why.as_str(), detail.as_str()), ("stock_rejected", "product 1: 3 ordered, 2 available"));
    assert!(
        !app.announced(without_stock).await.contains(&"stock_released".to_owned()),
        "nothing was reserved"
    );
    let (why, detail) = reason(declined).await;
    assert_eq!((why.as_str(), detail.as_str()), ("payment_failed", "card declined"));
    assert!(app.announced(declined).await.contains(&"stock_released".to_owned()));
    let (why, detail) = reason(silent).await;
    assert_eq!((why.as_str(), detail.as_str()), ("stock_rejected", "the stock did not answer in time"));
    assert!(app.announced(silent).await.contains(&"stock_released".to_owned()));
}

#[sqlx::test(migrator = "ordering_api::MIGRATIONS")]
async fn a_charge_that_comes_through_all_the_same_is_given_back(pool: PgPool) {
    let (app, id) = placed(&pool).await;
    app.happens(&EndGracePeriod, id, json!({})).await;
    app.happens(&ConfirmStock, id, json!({})).await;
    app.happens(&CancelUnpaidOrder, id, json!({})).await;
    app.happens(&CompleteOrder, id, json!({})).await;
    assert_eq!(app.status("alice", id).await, "cancelled");
    assert_eq!(app.announced(id).await.last().unwrap(), "payment_cancelled");
    let payload: Value = sqlx::query_scalar(
        "select payload from integration_event_log where event_type = 'shop.ordering.payment_cancelled.v1'",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(
        payload,
        json!({"orderId": id, "buyerId": "alice", "amount": "22.50", "currency": "EUR", "token": "tok_ok"})
    );
}

#[sqlx::test(migrator = "ordering_api::MIGRATIONS")]
async fn a_paid_order_cannot_be_cancelled_and_only_a_paid_one_is_shipped_once(pool: PgPool) {
    let (app, id) = placed(&pool).await;
    problem(app.ship(id).await, 409).await;
    app.pay(id).await;
    problem(app.cancel("alice", id).await, 409).await;
    assert_eq!(app.ship(id).await.status(), 202);
    problem(app.ship(id).await, 409).await;
    problem(app.cancel("alice", id).await, 409).await;
    assert_eq!(app.status("alice", id).await, "shipped");

    let cancelled = app.order("alice", &checkout(&[(1, 1)], "10.00")).await;
    app.cancel("alice", cancelled).await;
    problem(app.ship(cancelled).await, 409).await;
    problem(app.ship(Uuid::new_v4()).await, 404).await;
    let without_scope = app.request(Method::POST, &format!("/{id}/ship"), "alice").send().await.unwrap();
    problem(without_scope, 403).await;
}

#[sqlx::test(migrator = "ordering_api::MIGRATIONS")]
async fn an_event_that_is_about_no_order_is_rejected(pool: PgPool) {
    let (app, id) = placed(&pool).await;
    let stranger = Uuid::new_v4();
    let event = |key: Uuid, order: Uuid| received("/catalog", &key.to_string(), 1, json!({"orderId": order}));
    for (key, order) in [(stranger, stranger), (stranger, id)] {
        let outcome = app.handle(&ConfirmStock, event(key, order)).await;
        assert!(matches!(outcome, Err(HandleError::Reject(_))), "{outcome:?}");
    }
    assert_eq!(app.status("alice", id).await, "submitted");
}
