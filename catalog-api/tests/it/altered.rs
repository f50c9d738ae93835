//! Tables that are altered, and statements that are discarded, under a running service.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use service_kit::database;
use sqlx::PgPool;

use crate::app::App;

/// Several requests of each kind at once, all of which must be answered as if nothing had happened.
async fn serves(app: &App, id: i64, prices: [u32; 4]) {
    let reads = ["/items", "/items?name=t", "/catalogtypes", "/catalogbrands"].map(str::to_owned);
    let reads = reads.into_iter().chain([format!("/items/{id}")]).map(async |path| {
        let answer = app.get(&path).await;
        assert_eq!(answer.status(), 200, "{path}: {}", answer.text().await.expect("text"));
    });
    let changes = prices.map(async |price| {
        let request = app.write(Method::PUT, &format!("/items/{id}/price"));
        let request = request.header("idempotency-key", format!("key {price}").replace(' ', "-"));
        let answer = request.json(&json!({"price": format!("{price}.00")})).send().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{}", answer.text().await.expect("text"));
    });
    tokio::join!(join_all(reads), join_all(changes));
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn an_altered_column_fails_no_request(pool: PgPool) {
    let app = App::spawn(pool).await;
    let id = app.product_priced_at("12.50").await;
    serves(&app, id, [1, 2, 3, 4]).await;
    for (number, change) in (1..).zip([
        "alter table product alter column price type numeric(14,2)",
        "alter table product alter column name type varchar(1000)",
        "alter table product_type alter column name type varchar(1000)",
        "alter table idempotency alter column body type varchar(1000000)",
    ]) {
        sqlx::raw_sql(change).execute(&app.pool).await.expect("altered");
        serves(&app, id, [1, 2, 3, 4].map(|price| number * 10 + price)).await;
    }
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn discarded_statements_fail_no_request(pool: PgPool) {
    let options = pool.connect_options().as_ref().clone().options([("role", "catalog_app")]);
    let service = database::connect_with(options, 4);
    let app = App::spawn_with(pool, &service).await;
    let id = app.product_priced_at("12.50").await;
    serves(&app, id, [1, 2, 3, 4]).await;
    let mut connections = Vec::new();
    for _ in 0..4 {
        connections.push(service.acquire().await.expect("a connection"));
    }
    for connection in &mut connections {
        sqlx::raw_sql("deallocate all").execute(&mut **connection).await.expect("discarded");
    }
    drop(connections);
    serves(&app, id, [11, 12, 13, 14]).await;
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn a_discarded_statement_fails_no_picture(pool: PgPool) {
    let service = database::connect_with(pool.connect_options().as_ref().clone(), 1);
    let app = App::spawn_with(pool, &service).await;
    let path = format!("/items/{}/pic", app.product_priced_at("12.50").await);
    for _ in 0..2 {
        assert_eq!(app.get(&path).await.status(), 200);
        let mut connection = service.acquire().await.expect("a connection");
        sqlx::raw_sql("deallocate all").execute(&mut *connection).await.expect("discarded");
    }
}
