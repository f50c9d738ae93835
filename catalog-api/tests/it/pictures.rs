//! Pictures.

use reqwest::Method;
use serde_json::json;
use sqlx::PgPool;

use crate::app::{App, details_with, header};

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn every_product_has_a_picture_that_can_be_kept(pool: PgPool) {
    let app = App::spawn(pool).await;
    let id = app.product_priced_at("1.00").await;
    let path = format!("/items/{id}/pic");
    let answer = app.get(&path).await;
    assert_eq!((answer.status().as_u16(), header(&answer, "content-type").as_str()), (200, "image/svg+xml"));
    assert_eq!(header(&answer, "cache-control"), "public, max-age=86400");
    let tag = header(&answer, "etag");
    let picture = answer.text().await.expect("text");
    assert!(picture.starts_with("<svg") && picture.contains("Tarn 2 trekking tent"), "{picture}");

    app.put_price(id, "2.00").await;
    let kept = app.request(Method::GET, &path).header("if-none-match", &tag).send().await.expect("an answer");
    assert_eq!(kept.status(), 304, "a price is not in the picture");
    app.put(id, &details_with("name", json!("Beck"))).await;
    let changed =
        app.request(Method::GET, &path).header("if-none-match", &tag).send().await.expect("an answer");
    assert_eq!(changed.status(), 200);
    assert_ne!(header(&changed, "etag"), tag);
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn a_name_cannot_draw(pool: PgPool) {
    let app = App::spawn(pool).await;
    let id = app.product_priced_at("1.00").await;
    let mut body = details_with("name", json!("</svg><script>alert(1)</script>"));
    body["brandId"] = json!(2);
    app.put(id, &body).await;
    let answer = app.get(&format!("/items/{id}/pic")).await;
    assert_eq!(header(&answer, "content-security-policy"), "default-src 'none'; frame-ancestors 'none'");
    let picture = answer.text().await.expect("text");
    assert!(!picture.contains("<script"), "{picture}");
    assert!(picture.contains("Moor &amp; &lt;hen&gt;"), "{picture}");
}
