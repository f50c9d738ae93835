//! What a step of an order costs the database. Counted, not timed: exact on any machine.

use event_bus::{BatchHandler, Received};
use ordering_api::subscriptions::{CancelWithoutStock, EndGracePeriod};
use serde_json::json;
use service_kit::database;
use sqlx::PgPool;
use sqlx::postgres::PgSslMode;
use test_kit::{Passed, Proxy, recording};

use crate::app::{TestApp, checkout, received};

/// The statements of a handler, by their beginnings.
async fn cost<H: BatchHandler>(
    (wire, service): (&Proxy, &PgPool),
    handler: &H,
    event: Received<H::Payload>,
) -> Vec<String> {
    let mut tx = service.begin().await.unwrap();
    wire.take();
    handler.handle_batch(&mut tx, &[event]).await.unwrap();
    let passed = wire.take();
    tx.commit().await.unwrap();
    let begins = |passed| match passed {
        Passed::Statement(text) => Some(text.chars().take(16).collect::<String>().trim().to_owned()),
        Passed::Ready => None,
    };
    passed.into_iter().flatten().filter_map(begins).collect()
}

#[sqlx::test(migrator = "ordering_api::MIGRATIONS")]
async fn the_end_of_a_grace_period_and_a_rejection_cost_four_statements_each(pool: PgPool) {
    let app = TestApp::spawn(&pool).await;
    let options = pool.connect_options();
    let wire = recording(options.get_host(), options.get_port()).await;
    let options = options.as_ref().clone().host("127.0.0.1").port(wire.address.port());
    let options = options.ssl_mode(PgSslMode::Disable).options([("role", "ordering_app")]);
    let service = database::connect_with(options, 1);
    let counted = (&wire, &service);

    let (mut ends, mut rejects) = (Vec::new(), Vec::new());
    // By the second order all is prepared.
    for _ in 0..2 {
        let id = app.order("alice", &checkout(&[(1, 2), (2, 1)], "22.50")).await;
        let timer = sqlx::query_scalar("select timer from customer_order where order_id = $1").bind(id);
        let mut ended = received("/ordering", &id.to_string(), 1, json!({"orderId": id}));
        ended.id = timer.fetch_one(&pool).await.unwrap();
        ends = cost(counted, &EndGracePeriod, ended).await;
        let rejected = json!({"orderId": id, "items": []});
        let rejected = received("/catalog", &id.to_string(), 1, rejected);
        rejects = cost(counted, &CancelWithoutStock, rejected).await;
        let kept: (String, i64) = sqlx::query_as(
            "select string_agg(status, ' ' order by version), count(distinct number) from order_change where order_id = $1",
        )
        .bind(id)
        .fetch_one(&pool)
        .await
        .unwrap();
        assert_eq!(kept, ("submitted awaiting_stock cancelled".to_owned(), 3));
    }
    assert_eq!(
        ends,
        ["select buyer_id,", "insert into inte", "insert into outb", "with changed as"],
        "the order, stock_requested, the reply's timer, the change"
    );
    assert_eq!(
        rejects,
        ["select buyer_id,", "delete from outb", "insert into inte", "with changed as"],
        "the order, the reply's timer, order_cancelled, the change"
    );
}
