//! A product is put into a cart while its price is being changed. Locks that the test holds in the
//! database force either to be first.

use std::time::Duration;

use basket_api::subscriptions::{RemoveProduct, RepriceBaskets};
use event_bus::BatchHandler;
use serde_json::json;
use sqlx::{PgPool, Postgres, Transaction};
use test_kit::{eventually, vhost};

use crate::{
    announced::{announce, change, handed_out, remove, spawn, taken_in},
    app::{SOON, TestApp, add_product, handle, received, reprice, repriced},
};

/// Waits until a session of the service waits for a lock in its statement that has this in it.
async fn somebody_waits(pool: &PgPool, statement: &str) {
    eventually(&format!("somebody waits in {statement:?}"), SOON, async || {
        let waiting: bool = sqlx::query_scalar(
            "select exists (select from pg_stat_activity
                            where datname = current_database() and wait_event_type = 'Lock'
                              and position($1 in query) > 0)",
        )
        .bind(statement)
        .fetch_one(pool)
        .await
        .unwrap();
        waiting.then_some(())
    })
    .await;
}

async fn begin_reprice(tx: &mut Transaction<'_, Postgres>) {
    let event = received(1, 2, repriced(1, "10.00", "12.50", 2));
    RepriceBaskets.handle_batch(tx, &[event]).await.unwrap();
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn an_item_added_behind_a_price_change_gets_the_new_price(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    add_product(&pool, 1, "10.00").await;
    let mut repricing = pool.begin().await.unwrap();
    begin_reprice(&mut repricing).await;

    let adding = app.put("alice", 1, 1);
    let commit = async {
        somebody_waits(&pool, "for share").await;
        repricing.commit().await.unwrap();
    };
    let (added, ()) = tokio::join!(adding, commit);
    assert_eq!(added.status(), 200);
    let basket = app.see("alice").await;
    assert_eq!(basket["items"][0]["unitPrice"], "12.50");
    assert_eq!(basket["items"][0]["oldUnitPrice"], json!(null), "the buyer never saw another price");
    assert_eq!(app.alerts("alice").await["count"], 0);
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn an_item_added_before_a_price_change_gets_the_new_price_and_an_alert(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    add_product(&pool, 1, "10.00").await;
    add_product(&pool, 2, "1.00").await;
    app.fill("alice", 2, 1).await;
    // Alice's cart is locked, so that her request has read the old price and waits.
    let mut blocker = pool.begin().await.unwrap();
    sqlx::query("select from cart where buyer_id = 'alice' for update").execute(&mut *blocker).await.unwrap();

    let adding = app.put("alice", 1, 1);
    let repricing = async {
        somebody_waits(&pool, "select version from cart").await;
        let change = reprice(&pool, 1, "10.00", "12.50", 2);
        let release = async {
            // The price change waits for the product, which Alice's request holds.
            somebody_waits(&pool, "with newest as").await;
            blocker.commit().await.unwrap();
        };
        tokio::join!(change, release)
    };
    let (added, (event, ())) = tokio::join!(adding, repricing);
    assert_eq!(added.status(), 200);
    let basket = app.see("alice").await;
    assert_eq!(basket["items"][1]["unitPrice"], "12.50");
    assert_eq!(basket["items"][1]["oldUnitPrice"], "10.00");
    let alerts = app.alerts("alice").await;
    assert_eq!((&alerts["count"], &alerts["data"][0]["eventId"]), (&json!(1), &json!(event)));
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn an_item_deleted_before_a_price_change_raises_no_alert(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    add_product(&pool, 1, "10.00").await;
    app.fill("alice", 1, 1).await;
    app.fill("bob", 1, 1).await;
    // Deleted, but not committed: the price change sees the line, and must look again once it has the cart.
    let mut deleting = pool.begin().await.unwrap();
    sqlx::query("select from cart where buyer_id = 'alice' for update")
        .execute(&mut *deleting)
        .await
        .unwrap();
    sqlx::query("delete from cart_line where buyer_id = 'alice'").execute(&mut *deleting).await.unwrap();
    let commit = async {
        somebody_waits(&pool, "), newer_cart as (").await;
        deleting.commit().await.unwrap();
    };
    tokio::join!(reprice(&pool, 1, "10.00", "12.50", 2), commit);
    assert_eq!(app.alerts("alice").await["count"], 0);
    assert_eq!(app.alerts("bob").await["count"], 1);

    let mut deleting = pool.begin().await.unwrap();
    sqlx::query("select from cart where buyer_id = 'bob' for update").execute(&mut *deleting).await.unwrap();
    sqlx::query("delete from cart_line where buyer_id = 'bob'").execute(&mut *deleting).await.unwrap();
    let commit = async {
        somebody_waits(&pool, "), newer_cart as (").await;
        deleting.commit().await.unwrap();
    };
    let removed = received(1, 3, json!({"productId": 1, "version": 3}));
    tokio::join!(handle(&pool, &RemoveProduct, std::slice::from_ref(&removed)), commit);
    assert_eq!(app.alerts("bob").await["count"], 1);
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn alerts_of_a_buyer_are_numbered_in_the_order_of_their_commits(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    for product in [1, 2] {
        add_product(&pool, product, "10.00").await;
        app.fill("alice", product, 1).await;
    }
    let mut first = pool.begin().await.unwrap();
    begin_reprice(&mut first).await;
    let second = reprice(&pool, 2, "10.00", "11.00", 2);
    let commit = async {
        // Not before the first has committed may the second take its alert's id.
        somebody_waits(&pool, "), newer_cart as (").await;
        first.commit().await.unwrap();
    };
    tokio::join!(second, commit);
    let alerts = app.alerts("alice").await;
    let products: Vec<_> = alerts["data"].as_array().unwrap().iter().map(|a| &a["productId"]).collect();
    assert_eq!(products, [2, 1], "newest first");
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn buyers_and_price_changes_in_a_crowd_end_at_the_right_price(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    let buyers: Vec<String> = (0..6).map(|n| format!("buyer{n}")).collect();
    for product in 1..=3 {
        add_product(&pool, product, "1.00").await;
    }
    let shopping = futures_util::future::join_all(buyers.iter().enumerate().map(|(turn, buyer)| {
        let app = &app;
        async move {
            for step in 0..10_i64 {
                let product = (step + i64::try_from(turn).unwrap()) % 3 + 1;
                assert_eq!(app.put(buyer, product, step + 1).await.status(), 200);
                if step % 4 == 3 {
                    app.acknowledge(buyer).await;
                }
            }
        }
    }));
    let repricing = async {
        for version in 2..=15 {
            let (old, new) = (format!("{}.00", version - 1), format!("{version}.00"));
            let run: Vec<_> = (1..=3)
                .map(|product| received(product, version, repriced(product, &old, &new, version)))
                .collect();
            handle(&pool, &RepriceBaskets, &run).await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::join!(shopping, repricing);
    for buyer in &buyers {
        let basket = app.see(buyer).await;
        assert_eq!(basket["items"].as_array().unwrap().len(), 3);
        for item in basket["items"].as_array().unwrap() {
            assert_eq!(item["unitPrice"], "15.00", "{basket}");
        }
    }
    let wrong: i64 = sqlx::query_scalar(
        "select count(*) from (select event_id, buyer_id from alert group by 1, 2 having count(*) > 1) as twice",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(wrong, 0);
}

#[sqlx::test(migrator = "basket_api::MIGRATIONS")]
async fn a_batch_and_a_request_that_wait_for_each_other_both_get_through(pool: PgPool) {
    let vhost = vhost().await;
    let app = spawn(&pool, &vhost).await;
    for product in 1..=3 {
        add_product(&pool, product, "10.00").await;
    }
    app.fill("alice", 1, 1).await;
    app.fill("bob", 3, 1).await;
    let lock = "select from cart where buyer_id = $1 for update";
    // While the service waits for Bob's cart, two events come in that share the next batch.
    let mut bobs = pool.begin().await.unwrap();
    sqlx::query(lock).bind("bob").execute(&mut *bobs).await.unwrap();
    let first = change(3, "10.00", "11.00", 2);
    announce(&vhost, &first).await;
    somebody_waits(&pool, "), newer_cart as (").await;
    let mut alices = pool.begin().await.unwrap();
    sqlx::query(lock).bind("alice").execute(&mut *alices).await.unwrap();
    let (repriced, removed) = (change(1, "10.00", "12.50", 2), remove(2, 2));
    announce(&vhost, &repriced).await;
    announce(&vhost, &removed).await;
    handed_out(&vhost).await;
    bobs.rollback().await.unwrap();
    assert!(taken_in(&pool, &first).await);

    // The batch is the first to get Alice's cart, and wants product 2; her request has it, and wants the cart.
    somebody_waits(&pool, "), newer_cart as (").await;
    let release = async {
        somebody_waits(&pool, "select version from cart").await;
        alices.rollback().await.unwrap();
    };
    let (put, ()) = tokio::join!(app.put("alice", 2, 1), release);
    assert!(taken_in(&pool, &repriced).await);
    assert!(taken_in(&pool, &removed).await);
    eventually("a deadlock was broken", SOON, async || {
        let deadlocks: i64 =
            sqlx::query_scalar("select deadlocks from pg_stat_database where datname = current_database()")
                .fetch_one(&pool)
                .await
                .unwrap();
        (deadlocks > 0).then_some(())
    })
    .await;
    // Whoever was first: the request, and its line was told of the removal; or the removal.
    let both = usize::from(put.status() == 200);
    assert!(both == 1 || put.status() == 404, "{}", put.status());
    assert_eq!(app.see("alice").await["items"].as_array().unwrap().len(), 1 + both);
    assert_eq!(app.alerts("alice").await["count"], 1 + both);
}
