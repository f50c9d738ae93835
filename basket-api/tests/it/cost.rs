//! What events cost the database. Counted, not timed: exact on any machine.

use sqlx::PgPool;
use test_kit::{Passed, Wire, vhost};

use crate::{
    app::{Setup, app_url},
    events::{add, announce, change, consuming, taken_in},
};

/// The transactions that passed the wire, each as its statements' beginnings, with its round trips.
fn transactions(passed: Vec<Passed>) -> Vec<(Vec<String>, usize)> {
    let mut transactions: Vec<(Vec<String>, usize)> = Vec::new();
    let mut is_open = false;
    for passed in passed {
        match (passed, transactions.last_mut()) {
            (Passed::Statement(text), _) if text == "BEGIN" => {
                transactions.push((vec![text], 0));
                is_open = true;
            }
            (Passed::Statement(text), Some((statements, _))) if is_open => {
                statements.push(text.split_whitespace().take(2).collect::<Vec<_>>().join(" "));
            }
            (Passed::Ready, Some((statements, round_trips))) if is_open => {
                *round_trips += 1;
                is_open = statements.last().is_none_or(|statement| statement != "COMMIT");
            }
            _ => {}
        }
    }
    transactions
}

#[sqlx::test]
async fn a_batch_of_price_changes_costs_five_statements_and_as_many_round_trips_however_long(pool: PgPool) {
    let vhost = vhost().await;
    let options = pool.connect_options();
    let (host, port) = (options.get_host(), options.get_port());
    let wire = Wire::to(host, port).await;
    let url = app_url(&pool).replace(&format!("{host}:{port}"), &wire.address.to_string());
    let over_wire = || Setup::of(&pool).with("APP__DATABASE__URL", format!("{url}&sslmode=disable"));

    let app = consuming(over_wire(), &vhost).await;
    let products = 1..=20;
    for product in products.clone() {
        let new = add(product, "10.00");
        announce(&vhost, &new).await;
        if product == 20 {
            assert!(taken_in(&pool, &new).await);
        }
    }
    app.fill("alice", 1, 1).await;
    app.stop();

    // They wait in the queue, so that batches are long; some are there twice.
    let mut last = None;
    for version in 2..=3 {
        for product in products.clone() {
            let event = change(product, "10.00", &format!("1{version}.00"), version);
            announce(&vhost, &event).await;
            last = Some(event);
        }
        announce(&vhost, last.as_ref().unwrap()).await;
    }
    wire.take();
    let app = consuming(over_wire(), &vhost).await;
    assert!(taken_in(&pool, &last.unwrap()).await);
    app.stop();

    let transactions = transactions(wire.take());
    assert!(transactions.len() <= 10, "{} transactions for 42 deliveries", transactions.len());
    // Those that repeat what is known have nothing to handle.
    let longest = transactions.iter().max_by_key(|(statements, _)| statements.len()).unwrap();
    assert_eq!(longest.0, ["BEGIN", "with delivery", "with newest", "with change", "COMMIT"]);
    for (statements, round_trips) in &transactions {
        // Preparing a statement, once for each connection, costs one more.
        assert!(*round_trips <= statements.len() + 3, "{statements:?} in {round_trips} round trips");
    }
    assert_eq!(transactions.last().unwrap().0.last().unwrap(), "COMMIT");
}
