//! Changing products.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::app::{App, details, details_with, header, problem};

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn a_new_product_is_where_the_answer_says(pool: PgPool) {
    let app = App::spawn(pool).await;
    let answer = app.post(&details()).await;
    assert_eq!(answer.status(), 201);
    assert_eq!(header(&answer, "etag"), "\"1\"");
    let location = header(&answer, "location");
    let item: Value = answer.json().await.expect("JSON");
    assert_eq!(location, format!("/api/v1/catalog/items/{}", item["id"]));
    assert_eq!(app.get_json(&format!("/items/{}", item["id"])).await, item);
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn description_and_stock_may_be_left_out(pool: PgPool) {
    let app = App::spawn(pool).await;
    let body = json!({"name": "  Tarn  ", "price": 12.5, "typeId": 1, "brandId": 2});
    let item: Value = app.post(&body).await.json().await.expect("JSON");
    assert_eq!(
        (&item["name"], &item["price"], &item["description"]),
        (&json!("Tarn"), &json!("12.50"), &json!(""))
    );
    for name in ["availableStock", "restockThreshold", "maxStockThreshold"] {
        assert_eq!(item[name], 0);
    }
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn prices_are_taken_as_strings_and_as_exact_numbers(pool: PgPool) {
    let app = App::spawn(pool).await;
    let id = app.product_priced_at("1").await;
    for (sent, kept) in [
        ("\"12.5\"", "12.50"),
        ("12.5", "12.50"),
        ("0.29", "0.29"),
        ("9999999.99", "9999999.99"),
        ("\"0.01\"", "0.01"),
        ("100", "100.00"),
        ("1e1", "10.00"),
    ] {
        let request = app.write(Method::PUT, &format!("/items/{id}/price"));
        let request = request.header("content-type", "application/json");
        let answer = request.body(format!("{{\"price\": {sent}}}")).send().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{sent}");
        assert_eq!(answer.json::<Value>().await.expect("JSON")["price"], kept, "{sent}");
        assert_eq!(app.price_of(id).await, kept, "{sent}");
    }
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn replacing_a_product_changes_every_field(pool: PgPool) {
    let app = App::spawn(pool).await;
    let id = app.product_priced_at("12.50").await;
    let body = json!({
        "name": "Beck", "description": "new", "price": "9.99", "typeId": 2, "brandId": 2,
        "availableStock": 1, "restockThreshold": 2, "maxStockThreshold": 3,
    });
    let answer = app.put(id, &body).await;
    assert_eq!(answer.status(), 200);
    let etag = header(&answer, "etag");
    let item: Value = answer.json().await.expect("JSON");
    for (name, value) in body.as_object().expect("an object") {
        assert_eq!(&item[name], value, "{name}");
    }
    assert_eq!(etag, format!("\"{}\"", item["version"]));
    assert_eq!(app.get_json(&format!("/items/{id}")).await, item);
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn a_product_that_is_removed_is_gone(pool: PgPool) {
    let app = App::spawn(pool).await;
    let id = app.product_priced_at("12.50").await;
    let answer = app.delete(id).await;
    assert_eq!((answer.status().as_u16(), answer.bytes().await.expect("nothing").len()), (204, 0));
    problem(app.get(&format!("/items/{id}")).await, 404, "not-found").await;
    problem(app.get(&format!("/items/{id}/pic")).await, 404, "not-found").await;
    problem(app.delete(id).await, 404, "not-found").await;
    problem(app.put(id, &details()).await, 404, "not-found").await;
    problem(app.put_price(id, "1").await, 404, "not-found").await;
    assert!(app.product_priced_at("1").await > id, "an id is not given again");
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn a_stale_if_match_is_412_and_changes_nothing(pool: PgPool) {
    let app = App::spawn(pool).await;
    let id = app.product_priced_at("10.00").await;
    app.put_price(id, "11.00").await;
    let routes = [
        (Method::PUT, format!("/items/{id}"), Some(details())),
        (Method::PUT, format!("/items/{id}/price"), Some(json!({"price": "1.00"}))),
        (Method::DELETE, format!("/items/{id}"), None),
    ];
    let send = async |method: &Method, path: &str, body: &Option<Value>, tag: &str| {
        let mut request = app.write(method.clone(), path).header("if-match", tag);
        if let Some(body) = body {
            request = request.json(body);
        }
        request.send().await.expect("an answer")
    };
    for (method, path, body) in &routes {
        for stale in ["\"1\"", "\"3\"", "W/\"2\"", "nonsense", "\"1\", \"3\""] {
            problem(send(method, path, body, stale).await, 412, "precondition-failed").await;
        }
    }
    assert_eq!((app.price_of(id).await.as_str(), app.announced_of(id).await.len()), ("11.00", 1));
    for (method, path, body) in &routes {
        let version = app.get_json(&format!("/items/{id}")).await["version"].clone();
        let answer = send(method, path, body, &format!("\"0\", \"{version}\"")).await;
        assert!(answer.status().is_success(), "{method} {path}");
    }
    let other = app.product_priced_at("10.00").await;
    let any = app.write(Method::DELETE, &format!("/items/{other}")).header("if-match", "*");
    assert_eq!(any.send().await.expect("an answer").status(), 204);
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn an_unknown_type_or_brand_is_422(pool: PgPool) {
    let app = App::spawn(pool).await;
    let id = app.product_priced_at("12.50").await;
    for (field, pointer) in [("typeId", "#/typeId"), ("brandId", "#/brandId")] {
        let body = details_with(field, json!(99));
        for answer in [app.post(&body).await, app.put(id, &body).await] {
            let problem = problem(answer, 422, "unprocessable").await;
            assert_eq!(problem["errors"][0]["pointer"], pointer);
        }
    }
    assert_eq!(app.get_json("/items").await["count"], 1);
    assert_eq!(app.log().await.len(), 1);
}
