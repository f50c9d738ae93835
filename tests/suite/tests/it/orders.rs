//! Orders through all services: checkout, stock, payment.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::{Client, Response};
use serde_json::{Value, json};
use sqlx::PgPool;
use suite_tests::{Buyer, GRACE, Orders, Suite};
use test_kit::{Process, eventually, token};

/// How long an order may take on a busy machine, a killed process included.
const LONG: Duration = Duration::from_mins(1);

/// A client that orders.
pub(crate) struct Shopper {
    client: Client,
    orders: String,
    name: String,
}

impl Shopper {
    pub(crate) fn of(ordering: &Process, name: &str) -> Self {
        Self {
            client: Client::new(),
            orders: format!("{}/api/v1/orders", ordering.url),
            name: name.to_owned(),
        }
    }

    /// Sends a checkout of some pieces of product 7; an error when there is no answer.
    pub(crate) async fn try_order(
        &self,
        key: &str,
        (pieces, total): (i64, &str),
        payment: &str,
    ) -> reqwest::Result<Response> {
        let body = json!({
            "items": [{"productId": 7, "quantity": pieces}],
            "address": {"name": "A", "street": "Mill Road 1", "postcode": "1", "city": "Moor", "country": "IE"},
            "payment": {"token": payment},
            "expectedTotal": total,
        });
        let request = self.client.post(&self.orders).header("idempotency-key", key).json(&body);
        request.bearer_auth(token(&self.name, "")).timeout(LONG).send().await
    }

    /// Orders, as soon as ordering knows the product; returns the order's id.
    pub(crate) async fn orders(&self, key: &str, pieces: (i64, &str), payment: &str) -> String {
        eventually("the order is placed", LONG, async || {
            let answer = self.try_order(key, pieces, payment).await.ok()?;
            // Not known yet, or not now: the same request is sent again.
            if [422, 503].contains(&answer.status().as_u16()) {
                return None;
            }
            assert_eq!(answer.status(), 202);
            Some(answer.json::<Value>().await.unwrap()["orderId"].as_str().unwrap().to_owned())
        })
        .await
    }

    pub(crate) async fn see(&self, order: &str) -> Value {
        let request = self.client.get(format!("{}/{order}", self.orders)).bearer_auth(token(&self.name, ""));
        request.send().await.unwrap().json().await.unwrap()
    }

    /// Waits until the order is paid or cancelled.
    pub(crate) async fn until_final(&self, order: &str) -> Value {
        eventually("the order is paid or cancelled", LONG, async || {
            let order = self.see(order).await;
            ["paid", "cancelled"].contains(&order["status"].as_str().unwrap()).then_some(order)
        })
        .await
    }

    pub(crate) async fn cancels(&self, order: &str) -> u16 {
        let request = self.client.post(format!("{}/{order}/cancel", self.orders));
        request.bearer_auth(token(&self.name, "")).send().await.unwrap().status().as_u16()
    }
}

/// Sets the stock and the price of product 7, whatever the seed says.
pub(crate) async fn stock_up(pool: &PgPool, pieces: i32) {
    sqlx::query("update product set available_stock = $1 where product_id = 7")
        .bind(pieces)
        .execute(pool)
        .await
        .unwrap();
}

/// The price of product 7.
pub(crate) async fn price(pool: &PgPool) -> String {
    sqlx::query_scalar("select price::text from product where product_id = 7").fetch_one(pool).await.unwrap()
}

/// Waits until nothing of product 7 is reserved; returns what is available and what was sold.
pub(crate) async fn stock_at_rest(pool: &PgPool) -> (i32, i64) {
    eventually("nothing is reserved", LONG, async || {
        let (available, reserved, sold): (i32, i32, i64) = sqlx::query_as(
            "select available_stock, reserved_stock,
                    (select coalesce(sum(quantity), 0) from reservation_line join reservation using (order_id)
                      where product_id = 7 and state = 'sold')
               from product where product_id = 7",
        )
        .fetch_one(pool)
        .await
        .unwrap();
        (reserved == 0).then_some((available, sold))
    })
    .await
}

/// The provider's charges of an order that were not refunded.
pub(crate) async fn charges(orders: &Orders, order: &str) -> Vec<Value> {
    let ledger: Value =
        reqwest::get(format!("{}/ledger", orders.sandbox.url)).await.unwrap().json().await.unwrap();
    let of_order = |charge: &&Value| charge["orderId"] == order && charge["refunded"] == false;
    ledger["charges"].as_array().unwrap().iter().filter(of_order).cloned().collect()
}

#[tokio::test]
async fn an_order_is_paid_and_leaves_the_cart_and_a_declined_one_gives_its_stock_back() {
    let suite = Suite::set_up().await;
    stock_up(&suite.catalog.pool, 10).await;
    let price = price(&suite.catalog.pool).await;
    let catalog = suite.start_catalog(&[]);
    let orders = Orders::open(&suite).await;
    catalog.until_ready(true).await;
    let basket = suite.start_basket(&catalog, &[]);
    let _relay = suite.start_relay(&[]);
    let alice = Shopper::of(&orders.ordering, "alice");
    Buyer::of(&basket, "alice").takes(7, 1).await;

    let paid = alice.orders("k1", (1, &price), "tok_ok").await;
    let declined = alice.orders("k2", (1, &price), "tok_declined").await;
    let cancelled = alice.orders("k3", (1, &price), "tok_ok").await;
    assert_eq!(alice.cancels(&cancelled).await, 202, "in its grace period");

    assert_eq!(alice.until_final(&paid).await["status"], "paid");
    assert_eq!(alice.until_final(&declined).await["reason"], "payment_failed");
    assert_eq!(alice.until_final(&cancelled).await["reason"], "buyer");
    assert_eq!(stock_at_rest(&suite.catalog.pool).await, (9, 1));
    for (order, expected) in [(&paid, 1), (&declined, 0), (&cancelled, 0)] {
        assert_eq!(charges(&orders, order).await.len(), expected);
    }
    eventually("the cart is empty", LONG, async || {
        let lines: i64 =
            sqlx::query_scalar("select count(*) from cart_line").fetch_one(&suite.basket.pool).await.unwrap();
        (lines == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn of_fifty_buyers_of_the_last_piece_one_gets_it_and_the_others_are_told_why() {
    let suite = Suite::set_up().await;
    stock_up(&suite.catalog.pool, 1).await;
    let price = price(&suite.catalog.pool).await;
    let catalog = suite.start_catalog(&[]);
    let orders = Orders::open(&suite).await;
    catalog.until_ready(true).await;
    let _relay = suite.start_relay(&[]);
    let probe = Shopper::of(&orders.ordering, "probe");
    let first = probe.orders("k", (1, &price), "tok_ok").await;
    assert_eq!(probe.cancels(&first).await, 202);
    stock_at_rest(&suite.catalog.pool).await;

    let buyers: Vec<Shopper> =
        (0..50).map(|n| Shopper::of(&orders.ordering, &format!("buyer-{n}"))).collect();
    let placed = join_all(buyers.iter().map(|buyer| buyer.orders("k", (1, &price), "tok_ok"))).await;
    let ends = join_all(buyers.iter().zip(&placed).map(|(buyer, order)| buyer.until_final(order))).await;
    let (paid, refused): (Vec<&Value>, Vec<&Value>) =
        ends.iter().partition(|order| order["status"] == "paid");
    assert_eq!((paid.len(), refused.len()), (1, 49));
    for order in refused {
        assert_eq!(order["reason"], "stock_rejected");
        assert_eq!(order["detail"], "product 7: 1 ordered, 0 available");
    }
    assert_eq!(stock_at_rest(&suite.catalog.pool).await, (0, 1));
    let took: (f64, f64) = sqlx::query_as(
        "select min(took), max(took)
           from (select extract(epoch from change.changed_at - placed_at)::float8 - $1::text::float8 as took
                   from order_change as change join customer_order using (order_id)
                  where change.reason = 'stock_rejected') as ends",
    )
    .bind(GRACE)
    .fetch_one(&orders.database.pool)
    .await
    .unwrap();
    println!("the 49 were told {:.2} to {:.2} s after the end of their grace periods", took.0, took.1);
}
