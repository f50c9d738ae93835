//! Stock for orders.

use catalog_api::reservations::{ReleaseStock, ReserveStock, SellStock};
use event_bus::{BatchHandler, HandleError, Received};
use futures_util::future::join_all;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::app::{App, details_with};

/// Has an event of an order handled, in a transaction with the service's rights.
async fn happens<H: BatchHandler>(
    pool: &PgPool,
    handler: &H,
    order: Uuid,
    data: Value,
) -> Result<(), HandleError> {
    let event = Received {
        source: "/ordering".to_owned(),
        ..Received::new(order.to_string(), 1, serde_json::from_value(data).expect("a payload"))
    };
    let mut tx = pool.begin().await.expect("a transaction");
    sqlx::query("set local role catalog_app").execute(&mut *tx).await.expect("a role");
    handler.handle_batch(&mut tx, &[event]).await?;
    tx.commit().await.expect("a commit");
    Ok(())
}

pub(crate) fn items(order: Uuid, items: &[(i64, i64)]) -> Value {
    let items: Vec<Value> =
        items.iter().map(|(product, quantity)| json!({"productId": product, "quantity": quantity})).collect();
    json!({"orderId": order, "items": items})
}

pub(crate) async fn request(pool: &PgPool, order: Uuid, wanted: &[(i64, i64)]) {
    happens(pool, &ReserveStock, order, items(order, wanted)).await.expect("handled");
}

pub(crate) async fn release(pool: &PgPool, order: Uuid) {
    happens(pool, &ReleaseStock, order, items(order, &[])).await.expect("handled");
}

pub(crate) async fn sell(pool: &PgPool, order: Uuid) -> Result<(), HandleError> {
    happens(pool, &SellStock, order, items(order, &[])).await
}

/// What the order was answered: the short names of the events, and the last one's payload.
async fn answers(pool: &PgPool, order: Uuid) -> (Vec<String>, Option<Value>) {
    let rows: Vec<(String, Value)> = sqlx::query_as(
        "select split_part(event_type, '.', 3), payload from integration_event_log where key = $1 order by position",
    )
    .bind(order.to_string())
    .fetch_all(pool)
    .await
    .expect("the log");
    let last = rows.last().map(|(_, payload)| payload.clone());
    (rows.into_iter().map(|(name, _)| name).collect(), last)
}

pub(crate) async fn product_with(app: &App, stock: i64) -> i64 {
    let answer = app.post(&details_with("availableStock", json!(stock))).await;
    answer.json::<Value>().await.expect("JSON")["id"].as_i64().expect("a number")
}

/// What clients see: available and reserved pieces.
pub(crate) async fn stock(app: &App, product: i64) -> (i64, i64) {
    let item = app.get_json(&format!("/items/{product}")).await;
    (item["availableStock"].as_i64().expect("a number"), item["reserved"].as_i64().expect("a number"))
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn an_order_gets_all_of_its_stock_or_nothing(pool: PgPool) {
    let app = App::spawn(pool.clone()).await;
    let (tent, lamp) = (product_with(&app, 5).await, product_with(&app, 1).await);
    let (first, second) = (Uuid::new_v4(), Uuid::new_v4());
    request(&pool, first, &[(lamp, 1), (tent, 2)]).await;
    assert_eq!((stock(&app, tent).await, stock(&app, lamp).await), ((3, 2), (0, 1)));
    let (names, payload) = answers(&pool, first).await;
    assert_eq!(names, ["stock_reserved"]);
    assert_eq!(payload.expect("a payload"), items(first, &[(lamp, 1), (tent, 2)]));

    request(&pool, second, &[(tent, 4), (lamp, 1), (999, 1)]).await;
    assert_eq!(
        (stock(&app, tent).await, stock(&app, lamp).await),
        ((3, 2), (0, 1)),
        "nothing of it is reserved"
    );
    let (names, payload) = answers(&pool, second).await;
    assert_eq!(names, ["stock_rejected"]);
    let shortage = |product, requested, available| json!({"productId": product, "requested": requested, "available": available});
    assert_eq!(
        payload.expect("a payload")["items"],
        json!([shortage(tent, 4, 3), shortage(lamp, 1, 0), shortage(999, 1, 0)])
    );
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn of_fifty_orders_for_the_last_piece_one_gets_it(pool: PgPool) {
    let app = App::spawn(pool.clone()).await;
    let product = product_with(&app, 1).await;
    let orders: Vec<Uuid> = (0..50).map(|_| Uuid::new_v4()).collect();
    let last = [(product, 1)];
    for some in orders.chunks(8) {
        join_all(some.iter().map(|&order| request(&pool, order, &last))).await;
    }
    let mut reserved = 0;
    for order in orders {
        let (names, payload) = answers(&pool, order).await;
        match names[..] {
            [ref one] if one == "stock_reserved" => reserved += 1,
            [ref one] if one == "stock_rejected" => {
                assert_eq!(payload.expect("a payload")["items"][0]["available"], 0);
            }
            ref other => panic!("{other:?}"),
        }
    }
    assert_eq!((reserved, stock(&app, product).await), (1, (0, 1)));
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn an_order_reserves_once_and_gives_back_once(pool: PgPool) {
    let app = App::spawn(pool.clone()).await;
    let product = product_with(&app, 5).await;
    let order = Uuid::new_v4();
    for _ in 0..2 {
        request(&pool, order, &[(product, 2)]).await;
        assert_eq!(stock(&app, product).await, (3, 2));
    }
    for _ in 0..2 {
        release(&pool, order).await;
        assert_eq!(stock(&app, product).await, (5, 0));
    }
    request(&pool, order, &[(product, 2)]).await;
    assert_eq!(stock(&app, product).await, (5, 0), "what was given back is not reserved again");
    assert_eq!(answers(&pool, order).await.0, ["stock_reserved", "stock_reserved"]);
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn who_asks_again_is_told_again_that_the_stock_is_there(pool: PgPool) {
    let app = App::spawn(pool.clone()).await;
    let product = product_with(&app, 5).await;
    let order = Uuid::new_v4();
    request(&pool, order, &[(product, 2)]).await;
    sell(&pool, order).await.expect("handled");
    request(&pool, order, &[(product, 2)]).await;
    let (names, last) = answers(&pool, order).await;
    assert_eq!(names, ["stock_reserved", "stock_reserved"]);
    assert_eq!(last.expect("a payload"), items(order, &[(product, 2)]));
    assert_eq!(stock(&app, product).await, (3, 0), "nothing more is taken");
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn a_release_that_comes_before_its_request_is_remembered(pool: PgPool) {
    let app = App::spawn(pool.clone()).await;
    let product = product_with(&app, 5).await;
    let order = Uuid::new_v4();
    release(&pool, order).await;
    request(&pool, order, &[(product, 2)]).await;
    assert_eq!(stock(&app, product).await, (5, 0));
    assert!(answers(&pool, order).await.0.is_empty());
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn what_is_sold_is_gone_and_only_what_is_reserved_is_sold(pool: PgPool) {
    let app = App::spawn(pool.clone()).await;
    let product = product_with(&app, 5).await;
    let (order, other) = (Uuid::new_v4(), Uuid::new_v4());
    request(&pool, order, &[(product, 2)]).await;
    for _ in 0..2 {
        sell(&pool, order).await.expect("handled");
        assert_eq!(stock(&app, product).await, (3, 0));
    }
    release(&pool, order).await;
    assert_eq!(stock(&app, product).await, (3, 0));
    assert!(matches!(sell(&pool, other).await, Err(HandleError::Reject(_))));
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn a_product_that_leaves_the_catalog_holds_no_order_up(pool: PgPool) {
    let app = App::spawn(pool.clone()).await;
    let (tent, lamp) = (product_with(&app, 5).await, product_with(&app, 5).await);
    let (released, sold) = (Uuid::new_v4(), Uuid::new_v4());
    request(&pool, released, &[(tent, 1), (lamp, 1)]).await;
    request(&pool, sold, &[(tent, 1), (lamp, 1)]).await;
    app.delete(tent).await;
    release(&pool, released).await;
    sell(&pool, sold).await.expect("handled");
    assert_eq!(stock(&app, lamp).await, (4, 0));
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn a_request_that_makes_no_sense_is_rejected(pool: PgPool) {
    let app = App::spawn(pool.clone()).await;
    let (order, other) = (Uuid::new_v4(), Uuid::new_v4());
    for wrong in [items(order, &[]), items(other, &[(1, 1)])] {
        let outcome = happens(&pool, &ReserveStock, order, wrong).await;
        assert!(matches!(outcome, Err(HandleError::Reject(_))), "{outcome:?}");
    }
    drop(app);
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Request(usize, i64),
    Release(usize),
    Sell(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let order = 0_usize..6;
    let step = prop_oneof![
        (order.clone(), 1_i64..5).prop_map(|(order, pieces)| Step::Request(order, pieces)),
        order.clone().prop_map(Step::Release),
        order.prop_map(Step::Sell),
    ];
    prop::collection::vec(step, 1..40)
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn available_reserved_and_sold_are_together_what_there_was(pool: PgPool) {
    let app = App::spawn(pool.clone()).await;
    let mut runner = proptest::test_runner::TestRunner::default();
    for _ in 0..12 {
        let product = product_with(&app, 10).await;
        let orders: Vec<Uuid> = (0..6).map(|_| Uuid::new_v4()).collect();
        for step in steps().new_tree(&mut runner).expect("steps").current() {
            match step {
                Step::Request(at, pieces) => request(&pool, orders[at], &[(product, pieces)]).await,
                Step::Release(at) => release(&pool, orders[at]).await,
                Step::Sell(at) => drop(sell(&pool, orders[at]).await),
            }
            let of = async |state: &str| -> i64 {
                sqlx::query_scalar(
                    "select coalesce(sum(quantity), 0) from reservation_line join reservation using (order_id)
                      where product_id = $1 and state = $2",
                )
                .bind(product)
                .bind(state)
                .fetch_one(&pool)
                .await
                .expect("a sum")
            };
            let (available, reserved) = stock(&app, product).await;
            assert!(available >= 0);
            assert_eq!(reserved, of("reserved").await);
            assert_eq!(available + reserved + of("sold").await, 10);
        }
    }
}
