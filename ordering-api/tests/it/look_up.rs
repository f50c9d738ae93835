//! Products that no event has told of yet are asked for at the catalog.

use serde_json::json;
use sqlx::PgPool;
use test_kit::catalog::{Answer, TestCatalog, item, response};

use crate::app::{TestApp, checkout, problem};

/// Makes the database that of a service whose queue was bound once, by a process before.
async fn subscribed_before(pool: &PgPool) {
    sqlx::query(
        "insert into inbox_version (consumer, source, key, event_type, key_version)
         values ('ordering', '/catalog', '999999', 'shop.catalog.product_added.v1', 1)",
    )
    .execute(pool)
    .await
    .unwrap();
}

async fn spawn(pool: &PgPool) -> (TestApp, TestCatalog) {
    let catalog = TestCatalog::spawn().await;
    let app = TestApp::spawn_with(pool, &[("APP__CATALOG__URL", &catalog.url)]).await;
    (app, catalog)
}

#[sqlx::test(migrator = "ordering_api::MIGRATIONS")]
async fn a_product_that_no_event_described_can_be_ordered(pool: PgPool) {
    let (app, catalog) = spawn(&pool).await;
    catalog.answer(7, Answer::Item(item(7, "12.50", 3)));
    catalog.answer(8, Answer::Item(item(8, "1.00", 1)));
    let body = checkout(&[(7, 2), (1, 1), (8, 1)], "36.00");
    let answer = app.check_out("alice", "k0", &body).await;
    assert_eq!(answer.headers()["retry-after"], "2", "a change could be announced before anybody listens");
    problem(answer, 503).await;
    assert_eq!(catalog.requests().len(), 0);

    subscribed_before(&pool).await;
    let id = app.order("alice", &body).await;
    let order = app.see("alice", id).await;
    assert_eq!(order["items"][0]["productName"], "Product 7");
    assert_eq!(order["items"][0]["unitPrice"], "12.50");
    app.order("bob", &body).await;
    assert_eq!(catalog.requests().len(), 2, "asked once for each unknown product, and then known");

    // Events up to the catalog's answer are old news; a newer one counts.
    app.reprice(7, "10.00", 2).await;
    app.order("alice", &checkout(&[(7, 1)], "12.50")).await;
    app.reprice(7, "13.00", 4).await;
    app.order("alice", &checkout(&[(7, 1)], "13.00")).await;
}

#[sqlx::test(migrator = "ordering_api::MIGRATIONS")]
async fn an_event_that_is_newer_than_the_catalogs_answer_stays(pool: PgPool) {
    let (app, catalog) = spawn(&pool).await;
    subscribed_before(&pool).await;
    // Only the price is known, and newer than the answer.
    app.reprice(7, "9.00", 5).await;
    catalog.answer(7, Answer::Item(item(7, "12.50", 4)));
    app.order("alice", &checkout(&[(7, 1)], "9.00")).await;

    // A removed product is known well enough, and what nobody sells is unknown.
    app.remove_product(2).await;
    for product in [2, 99] {
        let body = problem(app.check_out("alice", "k", &checkout(&[(product, 1)], "2.50")).await, 422).await;
        assert_eq!(body["type"], "/problems/unknown-product");
    }
    let asked = catalog.requests();
    assert!(asked.iter().all(|asked| !asked.contains("/items/2 ")), "{asked:?}");
    assert!(asked.iter().all(|asked| !asked.to_lowercase().contains("authorization")), "{asked:?}");
}

#[sqlx::test(migrator = "ordering_api::MIGRATIONS")]
async fn after_a_restore_too_an_event_older_than_the_catalogs_answer_is_old_news(pool: PgPool) {
    let (app, catalog) = spawn(&pool).await;
    subscribed_before(&pool).await;
    sqlx::query("update inbox_version set generation = 5").execute(&pool).await.unwrap();
    catalog.answer(7, Answer::Item(item(7, "12.50", 3)));
    app.order("alice", &checkout(&[(7, 1)], "12.50")).await;
    app.reprice_in(5, 7, "10.00", 2).await;
    app.order("alice", &checkout(&[(7, 1)], "12.50")).await;
}

#[sqlx::test(migrator = "ordering_api::MIGRATIONS")]
async fn a_product_that_a_restored_catalog_sells_again_can_be_ordered(pool: PgPool) {
    let app = TestApp::spawn(&pool).await;
    app.remove_product(1).await;
    app.reprice_in(5, 1, "10.00", 2).await;
    // Sent again, the removal from before the restore is old.
    app.remove_product(1).await;
    let body = checkout(&[(1, 1)], "10.00");
    app.order("alice", &body).await;
    app.remove_product_in(5, 1).await;
    problem(app.check_out("alice", "k", &body).await, 422).await;
}

#[sqlx::test(migrator = "ordering_api::MIGRATIONS")]
async fn what_the_catalog_answers_is_kept_though_it_does_not_answer_everything(pool: PgPool) {
    let (app, catalog) = spawn(&pool).await;
    subscribed_before(&pool).await;
    catalog.answer(7, Answer::Item(item(7, "12.50", 3)));
    catalog.answer(8, Answer::Raw(response("500 Internal Server Error", "", "")));
    let body = checkout(&[(7, 1), (8, 1)], "13.50");
    problem(app.check_out("alice", "k", &body).await, 503).await;

    catalog.answer(7, Answer::Silence);
    catalog.answer(8, Answer::Item(item(8, "1.00", 1)));
    app.order("alice", &body).await;
}

#[sqlx::test(migrator = "ordering_api::MIGRATIONS")]
async fn a_catalog_that_cannot_be_asked_means_later(pool: PgPool) {
    let (app, catalog) = spawn(&pool).await;
    subscribed_before(&pool).await;
    let mut dollars = item(7, "1.00", 3);
    dollars["currency"] = json!("USD");
    let mut nul = item(7, "1.00", 3);
    nul["name"] = json!("a\0b");
    for answer in [
        Answer::Item(json!({"id": 7})),
        Answer::Item(item(8, "1.00", 3)),
        Answer::Item(item(7, "0.00", 3)),
        Answer::Item(dollars),
        Answer::Item(nul),
        Answer::Raw(response("200 OK", "", "not json")),
        Answer::Raw(response("200 OK", "", &"x".repeat(100_000))),
        Answer::Raw(response("500 Internal Server Error", "", "")),
        Answer::Raw(Vec::new()),
        Answer::Silence,
    ] {
        catalog.answer(7, answer);
        let answer = app.check_out("alice", "k", &checkout(&[(1, 1), (7, 1)], "11.00")).await;
        assert_eq!(answer.headers()["retry-after"], "2");
        problem(answer, 503).await;
    }
    assert_eq!(app.orders().await, 0);
    app.order("alice", &checkout(&[(1, 1)], "10.00")).await;
}
