//! What a new shop starts with.

use std::collections::BTreeSet;

use catalog_api::seed;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::app::{App, details, log_of};

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn the_seed_has_101_products_of_8_types_and_13_brands(pool: PgPool) {
    assert_eq!(seed::run(&pool).await.expect("seeded"), 101);
    let app = App::on(pool);
    assert_eq!(app.get_json("/catalogtypes").await.as_array().map(Vec::len), Some(8));
    assert_eq!(app.get_json("/catalogbrands").await.as_array().map(Vec::len), Some(13));
    let (mut ids, mut types, mut brands, mut names) =
        (Vec::new(), BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for page in 0..11 {
        let page = app.get_json(&format!("/items?pageIndex={page}")).await;
        assert_eq!(page["count"], 101);
        for item in page["data"].as_array().expect("a list") {
            ids.push(item["id"].as_i64().expect("an id"));
            types.insert(item["typeId"].as_i64());
            brands.insert(item["brandId"].as_i64());
            names.insert(item["name"].to_string());
            assert_ne!(item["description"], "", "{item}");
        }
    }
    assert_eq!(ids, (1..=101).collect::<Vec<i64>>());
    assert_eq!((types.len(), brands.len(), names.len()), (8, 13, 101));
    let next = app.post(&details()).await.json::<Value>().await.expect("JSON");
    assert_eq!(next["id"], json!(102), "the ids go on after the seed's");
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn every_seeded_product_is_announced_like_any_other(pool: PgPool) {
    seed::run(&pool).await.expect("seeded");
    let log = log_of(&pool).await;
    assert_eq!(log.len(), 101);
    for (row, id) in log.iter().zip(1_i64..) {
        assert_eq!(row.event_type, "shop.catalog.product_added.v1");
        assert_eq!((row.key.as_str(), row.key_version), (id.to_string().as_str(), 1));
        assert_eq!(row.payload["productId"], id);
    }
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn a_second_seed_changes_nothing(pool: PgPool) {
    let (one, two) = tokio::join!(seed::run(&pool), seed::run(&pool));
    let mut added = [one.expect("seeded"), two.expect("seeded")];
    added.sort_unstable();
    assert_eq!(added, [0, 101], "of two at once one does it");
    let app = App::on(pool);
    assert_eq!(app.delete(5).await.status(), 204);
    assert_eq!(seed::run(&app.pool).await.expect("nothing to do"), 0);
    assert_eq!(app.get("/items/5").await.status(), 404, "what was removed stays removed");
    assert_eq!(app.log().await.len(), 102);
}
