//! What a change costs the database. Counted, not timed: exact on any machine.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use service_kit::database;
use sqlx::PgPool;
use sqlx::postgres::PgSslMode;
use test_kit::{Passed, Wire, eventually};

use crate::app::App;

/// The service, with one connection that goes over a wire where everything is counted.
struct Counted {
    app: App,
    wire: Wire,
    service: PgPool,
}

impl Counted {
    async fn spawn(pool: PgPool) -> Self {
        let seeded = App::spawn(pool.clone()).await;
        assert_eq!(seeded.product_priced_at("1.00").await, 1);
        let options = pool.connect_options();
        let wire = Wire::to(options.get_host(), options.get_port()).await;
        let options = options.as_ref().clone().host("127.0.0.1").port(wire.address.port());
        let options = options.ssl_mode(PgSslMode::Disable).options([("role", "catalog_app")]);
        let service = database::connect_with(options, 1);
        Self { app: App::with(pool, &service), wire, service }
    }

    /// What passes for the fourth of four such changes (by then all is prepared), until the relay is woken
    /// up, which comes after the answer and once for many.
    async fn cost_of(&self, change: impl AsyncFn(u32)) -> (Vec<String>, usize) {
        for round in 1..=4 {
            self.wire.take();
            change(round).await;
            eventually("it is all over", Duration::from_secs(5), async || {
                (self.wire.has_seen("pg_notify") && self.service.num_idle() == 1).then_some(())
            })
            .await;
        }
        let is_wake_up =
            |passed: &Passed| matches!(passed, Passed::Statement(text) if text.contains("pg_notify"));
        let passed = self.wire.take();
        let own: Vec<_> = passed.into_iter().take_while(|passed| !is_wake_up(passed)).collect();
        let round_trips = own.iter().filter(|passed| **passed == Passed::Ready).count();
        let statements = own.into_iter().filter_map(|passed| match passed {
            Passed::Statement(text) => Some(text.chars().take(16).collect::<String>().trim().to_owned()),
            Passed::Ready => None,
        });
        (statements.collect(), round_trips)
    }
}

#[sqlx::test]
async fn a_price_change_costs_two_statements_and_three_round_trips(pool: PgPool) {
    let counted = Counted::spawn(pool).await;
    let (statements, round_trips) = counted
        .cost_of(async |round| {
            assert_eq!(counted.app.put_price(1, &format!("{round}.50")).await.status(), 200);
        })
        .await;
    assert_eq!(statements, ["select product_i", "with change as ("]);
    // One for each, and the pool's own when the connection comes back.
    assert_eq!(round_trips, 3);
    assert_eq!(counted.app.log().await.len(), 5);
}

#[sqlx::test]
async fn an_answer_that_is_kept_costs_a_transaction(pool: PgPool) {
    let counted = Counted::spawn(pool).await;
    let (statements, _) = counted
        .cost_of(async |round| {
            let request = counted.app.write(Method::PUT, "/items/1/price");
            let request = request.header("idempotency-key", format!("key-{round}"));
            let answer =
                request.json(&json!({"price": format!("{round}.50")})).send().await.expect("answered");
            assert_eq!(answer.status(), 200);
        })
        .await;
    assert_eq!(
        statements,
        [
            "BEGIN",
            "select pg_try_ad",
            "select fingerpri",
            "select product_i",
            "insert into idem",
            "with change as (",
            "COMMIT"
        ]
    );
}
