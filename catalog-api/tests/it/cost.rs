//! What a change costs the database. Counted, not timed: exact on any machine.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use service_kit::database;
use sqlx::PgPool;
use sqlx::postgres::PgSslMode;
use test_kit::{Passed, Proxy, eventually, recording};

use crate::app::App;

/// A connection that has rested for longer is asked whether it is well before it is used, at the cost of a round trip.
const AT_WORK: Duration = Duration::from_secs(1);

/// The service, with one connection that goes over a wire where everything is counted.
struct Counted {
    app: App,
    wire: Proxy,
    service: PgPool,
}

impl Counted {
    async fn spawn(pool: PgPool) -> Self {
        let seeded = App::spawn(pool.clone()).await;
        assert_eq!(seeded.product_priced_at("1.00").await, 1);
        let options = pool.connect_options();
        let wire = recording(options.get_host(), options.get_port()).await;
        let options = options.as_ref().clone().host("127.0.0.1").port(wire.address.port());
        let options = options.ssl_mode(PgSslMode::Disable).options([("role", "catalog_app")]);
        let service = database::connect_with(options, 1);
        Self { app: App::with(pool, &service), wire, service }
    }

    /// What passes for the fourth of such changes (by then all is prepared), or the first after it for which no
    /// connection has rested, until the relay is woken up, which comes after the answer and once for many.
    async fn cost_of(&self, change: impl AsyncFn(u32)) -> (Vec<String>, usize) {
        let mut since_the_last = Instant::now();
        for round in 1..=40 {
            let began = Instant::now();
            self.wire.take();
            change(round).await;
            eventually("it is all over", Duration::from_secs(5), async || {
                (self.wire.has_seen("pg_notify") && self.service.num_idle() == 1).then_some(())
            })
            .await;
            if round >= 4 && since_the_last.elapsed() < AT_WORK {
                break;
            }
            since_the_last = began;
        }
        let is_wake_up =
            |passed: &Passed| matches!(passed, Passed::Statement(text) if text.contains("pg_notify"));
        let passed = self.wire.take().into_iter();
        let own: Vec<_> =
            passed.flat_map(|passed| passed.into_iter().take_while(|passed| !is_wake_up(passed))).collect();
        let round_trips = own.iter().filter(|passed| **passed == Passed::Ready).count();
        let statements = own.into_iter().filter_map(|passed| match passed {
            Passed::Statement(text) => Some(text.chars().take(16).collect::<String>().trim().to_owned()),
            Passed::Ready => None,
        });
        (statements.collect(), round_trips)
    }
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn a_price_change_costs_five_statements_and_six_round_trips(pool: PgPool) {
    let counted = Counted::spawn(pool).await;
    let (statements, round_trips) = counted
        .cost_of(async |round| {
            assert_eq!(counted.app.put_price(1, &format!("{round}.50")).await.status(), 200);
            assert_eq!(counted.app.log().await.len(), round as usize + 1);
        })
        .await;
    assert_eq!(statements, ["BEGIN", "select product_i", "update product", "insert into inte", "COMMIT"]);
    assert_eq!(round_trips, 6, "the last one gives the connection back");
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
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
            "update product",
            "insert into inte",
            "insert into idem",
            "COMMIT"
        ]
    );
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn a_product_that_is_read_costs_one_statement_and_two_round_trips(pool: PgPool) {
    let counted = Counted::spawn(pool).await;
    // The second round trip, which gives the connection back, comes after the answer.
    let read = async || {
        assert_eq!(counted.app.get("/items/1").await.status(), 200);
        eventually("the connection is back", Duration::from_secs(5), async || {
            (counted.service.num_idle() == 1).then_some(())
        })
        .await;
    };
    read().await;
    let mut passed = Vec::new();
    for _ in 0..40 {
        let began = Instant::now();
        read().await;
        counted.wire.take();
        for _ in 0..3 {
            read().await;
        }
        passed = counted.wire.take().concat();
        if began.elapsed() < AT_WORK {
            break;
        }
    }
    let round_trips = passed.iter().filter(|passed| **passed == Passed::Ready).count();
    assert_eq!((passed.len() - round_trips, round_trips), (3, 6), "{passed:?}");
}
