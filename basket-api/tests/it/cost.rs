//! What events cost the database. Counted, not timed: exact on any machine.

use std::time::Duration;

use sqlx::PgPool;
use test_kit::{Passed, Proxy, eventually, recording, vhost};

use crate::{
    announced::{add, announce, change, consuming, taken_in},
    app::{SOON, Setup, app_url},
};

/// A wire to the server, and the address of the basket's database over it.
async fn wire(pool: &PgPool) -> (Proxy, String) {
    let options = pool.connect_options();
    let (host, port) = (options.get_host(), options.get_port());
    let wire = recording(host, port).await;
    let url = app_url(pool).replace(&format!("{host}:{port}"), &wire.address.to_string());
    (wire, format!("{url}&sslmode=disable"))
}

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

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn a_batch_of_price_changes_costs_six_statements_and_as_many_round_trips_however_long(pool: PgPool) {
    let vhost = vhost().await;
    let (wire, url) = wire(&pool).await;
    let over_wire = || Setup::of(&pool).with("APP__DATABASE__URL", url.clone());

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

    let transactions = transactions(wire.take().concat());
    assert!(transactions.len() <= 10, "{} transactions for 42 deliveries", transactions.len());
    // Those that repeat what is known have nothing to handle.
    let longest = transactions.iter().max_by_key(|(statements, _)| statements.len()).unwrap();
    assert_eq!(
        longest.0,
        ["BEGIN", "with delivery", "with newest", "with change", "set constraints", "COMMIT"]
    );
    for (statements, round_trips) in &transactions {
        // Preparing a statement, once for each connection, costs one more.
        assert!(*round_trips <= statements.len() + 3, "{statements:?} in {round_trips} round trips");
    }
    assert_eq!(transactions.last().unwrap().0.last().unwrap(), "COMMIT");
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn a_basket_at_rest_asks_its_database_at_most_once_a_second(pool: PgPool) {
    let vhost = vhost().await;
    let (wire, url) = wire(&pool).await;
    let app = consuming(Setup::of(&pool).with("APP__DATABASE__URL", url), &vhost).await;
    let new = add(1, "10.00");
    announce(&vhost, &new).await;
    assert!(taken_in(&pool, &new).await);
    // The effect is followed by one look at what waits.
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(wire.take());
    tokio::time::sleep(Duration::from_secs(5)).await;
    let asked: Vec<Passed> = wire.take().concat();
    let asked = asked.into_iter().filter(|passed| matches!(passed, Passed::Statement(_)));
    let asked: Vec<Passed> = asked.collect();
    assert!((1..=5).contains(&asked.len()), "{} statements in 5 s: {asked:#?}", asked.len());
    app.stop();
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn a_batch_reads_the_carts_of_its_own_products_and_no_others(pool: PgPool) {
    let vhost = vhost().await;
    consuming(Setup::of(&pool), &vhost).await.stop();
    let mut setting_up = pool.acquire().await.unwrap();
    // Each of the products 1 to 60 lies in one cart of 3,000, those that do not change in all of them.
    for statement in [
        "insert into product (product_id, name, picture_url, details_version, price, currency, price_version)
         select n, 'Product', '/pic', 1, 10, 'EUR', 1 from generate_series(1, 64) as n",
        "insert into cart (buyer_id) select 'buyer' || n from generate_series(1, 3000) as n",
        "insert into cart_line (buyer_id, product_id, quantity, unit_price, accepted_price)
         select 'buyer' || n, product_id, 1, 10, 10 from generate_series(1, 3000) as n
         join product on product_id > 60 or product_id = n",
        "vacuum analyze",
        // So that what this has read is known before the rest begins.
        "select pg_stat_force_next_flush()",
    ] {
        sqlx::raw_sql(statement).execute(&mut *setting_up).await.unwrap();
    }
    let mut last = None;
    for product in 1..=60 {
        let event = change(product, "10.00", "12.50", 2);
        announce(&vhost, &event).await;
        last = Some(event);
    }
    let before = read(&pool).await;
    let app = consuming(Setup::of(&pool), &vhost).await;
    assert!(taken_in(&pool, &last.unwrap()).await);
    app.stop();

    // What a session has read is known when it has ended.
    let read = eventually("what was read is known", SOON, async || {
        let read = read(&pool).await - before;
        (read > 0).then_some(read)
    })
    .await;
    // Each line twice and each cart once, and some rows that a change leaves behind.
    assert!(read <= 60 * 3 * 2, "{read} rows were read for 60 lines");
}

/// How many lines and carts have been read in this database, by index or without.
async fn read(pool: &PgPool) -> i64 {
    sqlx::query_scalar(
        "select (select sum(idx_tup_read) from pg_stat_user_indexes where relname in ('cart', 'cart_line'))::bigint
              + (select sum(seq_tup_read) from pg_stat_user_tables where relname in ('cart', 'cart_line'))::bigint",
    )
    .fetch_one(pool)
    .await
    .unwrap()
}
