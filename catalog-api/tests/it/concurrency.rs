//! Many at once on one product.

use futures_util::future::join_all;
use serde_json::json;
use sqlx::PgPool;

use crate::app::{App, details_with};

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn concurrent_price_changes_lose_no_update_and_no_event(pool: PgPool) {
    let app = App::spawn(pool).await;
    let id = app.product_priced_at("1.00").await;
    for round in 0_u32..10 {
        let (one, two) = (format!("{}.10", round + 2), format!("{}.20", round + 2));
        let (first, second) = tokio::join!(app.put_price(id, &one), app.put_price(id, &two));
        assert_eq!((first.status().as_u16(), second.status().as_u16()), (200, 200));
    }
    let log = app.log().await;
    assert_eq!(log.len(), 21, "each change is announced");
    let versions: Vec<i64> = log.iter().map(|row| row.key_version).collect();
    assert_eq!(versions, (1..=21).collect::<Vec<i64>>(), "the log has them in the order of their versions");
    // Each change saw the one before it: the old price of an event is the new price of the last.
    let mut price = json!("1.00");
    for row in &log[1..] {
        assert_eq!(row.payload["oldPrice"], price, "{row:?}");
        price = row.payload["newPrice"].clone();
    }
    let item = app.get_json(&format!("/items/{id}")).await;
    assert_eq!((&item["price"], &item["version"]), (&price, &json!(21)));
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn a_crowd_of_different_changes_ends_in_the_state_that_the_log_tells(pool: PgPool) {
    let app = App::spawn(pool).await;
    let id = app.product_priced_at("1.00").await;
    let changes = (0..30).map(|number| {
        let app = &app;
        async move {
            let status = match number % 3 {
                0 => app.put_price(id, &format!("{number}.50")).await.status(),
                1 => app.put(id, &details_with("name", json!(format!("Tarn {number}")))).await.status(),
                _ => app.put(id, &details_with("price", json!(format!("{number}.75")))).await.status(),
            };
            assert_eq!(status, 200);
        }
    });
    join_all(changes).await;
    let (mut name, mut price, mut version) = (json!(null), json!(null), 0);
    for row in app.log().await {
        assert!(row.key_version > version, "{row:?}");
        version = row.key_version;
        name = row.payload["name"].clone();
        for field in ["price", "newPrice"] {
            if let Some(value) = row.payload.get(field) {
                price = value.clone();
            }
        }
    }
    let item = app.get_json(&format!("/items/{id}")).await;
    assert_eq!((&item["name"], &item["price"]), (&name, &price));
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn of_two_changes_for_one_version_one_is_refused(pool: PgPool) {
    let app = App::spawn(pool).await;
    let id = app.product_priced_at("1.00").await;
    let change = async |price: &str| {
        let request =
            app.write(reqwest::Method::PUT, &format!("/items/{id}/price")).header("if-match", "\"1\"");
        request.json(&json!({"price": price})).send().await.expect("an answer").status().as_u16()
    };
    let mut statuses = [change("2.00"), change("3.00")].into_iter().collect::<Vec<_>>();
    let mut statuses = [statuses.remove(0).await, statuses.remove(0).await];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412]);

    let answers = join_all((0..8).map(|number| {
        let app = &app;
        async move {
            let request =
                app.write(reqwest::Method::PUT, &format!("/items/{id}/price")).header("if-match", "\"2\"");
            request
                .json(&json!({"price": format!("{number}.99")}))
                .send()
                .await
                .expect("an answer")
                .status()
                .as_u16()
        }
    }))
    .await;
    assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|status| **status == 412).count(), 7, "{answers:?}");
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn a_client_that_hangs_up_leaves_no_transaction_open(pool: PgPool) {
    let app = App::spawn(pool).await;
    let id = app.product_priced_at("1.00").await;
    for attempt in 0..40_u64 {
        let request = app.write(reqwest::Method::PUT, &format!("/items/{id}/price"));
        let sending = request.json(&json!({"price": format!("{}.00", attempt + 2)})).send();
        // Gone at many different moments; what was asked for may have happened or not.
        drop(tokio::time::timeout(std::time::Duration::from_micros(attempt * 150), sending).await);
    }
    test_kit::eventually("no session is in a transaction", std::time::Duration::from_secs(10), async || {
        let open: i64 = sqlx::query_scalar(
            "select count(*) from pg_stat_activity
              where datname = current_database() and state like 'idle in transaction%'",
        )
        .fetch_one(&app.pool)
        .await
        .expect("activity");
        (open == 0).then_some(())
    })
    .await;
    // In one statement: a request whose client has gone may still be at work.
    let (product, log): (i64, i64) = sqlx::query_as(
        "select (select version from product), (select max(key_version) from integration_event_log)",
    )
    .fetch_one(&app.pool)
    .await
    .expect("versions");
    assert_eq!(product, log, "no change without its event");
    assert_eq!(app.put_price(id, "99.00").await.status(), 200);
}
