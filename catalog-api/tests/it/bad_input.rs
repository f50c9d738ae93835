//! Requests that cannot be meant: refused as the contract says, never 5xx, and nothing changes.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::app::{App, details, details_with, problem};

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn ids_that_are_no_ids_are_400(pool: PgPool) {
    let app = App::spawn(pool).await;
    let zeros = "0".repeat(30_000);
    for id in [
        "0",
        "-1",
        "+1",
        "%2B1",
        "01",
        &zeros,
        "abc",
        "1.5",
        "99999999999999999999",
        "1e3",
        "%00",
        "0x1",
        "%C3%28",
        "1;drop",
    ] {
        for (method, rest) in [
            (Method::GET, ""),
            (Method::GET, "/pic"),
            (Method::PUT, ""),
            (Method::PUT, "/price"),
            (Method::DELETE, ""),
        ] {
            let request = app.write(method.clone(), &format!("/items/{id}{rest}"));
            let request = match (&method, rest) {
                (&Method::PUT, "") => request.json(&details()),
                (&Method::PUT, _) => request.json(&json!({"price": "1"})),
                _ => request,
            };
            let answer = request.send().await.expect("an answer");
            let problem = problem(answer, 400, "validation").await;
            assert_eq!(problem["errors"][0]["parameter"], "id", "{method} {id}{rest}: {problem}");
        }
    }
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn wrong_filters_are_400_and_named(pool: PgPool) {
    let app = App::spawn(pool).await;
    let many = (1..=101).map(|id| id.to_string()).collect::<Vec<_>>().join(",");
    for (query, name) in [
        ("pageSize=0", "pageSize"),
        ("pageSize=101", "pageSize"),
        ("pageSize=-1", "pageSize"),
        ("pageSize=ten", "pageSize"),
        ("pageSize=1.5", "pageSize"),
        ("pageIndex=-1", "pageIndex"),
        ("pageIndex=4294967296", "pageIndex"),
        ("pageIndex=x", "pageIndex"),
        ("typeId=0", "typeId"),
        ("typeId=-3", "typeId"),
        ("typeId=x", "typeId"),
        ("typeId=2147483648", "typeId"),
        ("brandId=0", "brandId"),
        ("ids=1,,2", "ids"),
        ("ids=0", "ids"),
        ("ids=1,x", "ids"),
        (&format!("ids={many}"), "ids"),
        ("name=a%00b", "name"),
        ("name=a%E2%80%8Bb", "name"),
        (&format!("name={}", "x".repeat(101)), "name"),
        ("colour=red", "colour"),
        ("pageSize=1&pageSize=2", "pageSize"),
    ] {
        let problem = problem(app.get(&format!("/items?{query}")).await, 400, "validation").await;
        assert_eq!(problem["errors"][0]["parameter"], name, "{query}: {problem}");
    }
    let most = (1..=100).map(|id| id.to_string()).collect::<Vec<_>>().join(",");
    assert_eq!(app.get(&format!("/items?ids={most}&pageSize=100")).await.status(), 200);
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn wrong_bodies_are_400_and_say_where(pool: PgPool) {
    let app = App::spawn(pool).await;
    let id = app.product_priced_at("12.50").await;
    let log = app.log().await;
    for (field, value) in [
        ("name", Value::Null),
        ("price", Value::Null),
        ("typeId", Value::Null),
        ("brandId", Value::Null),
        ("name", json!("")),
        ("name", json!("   ")),
        ("name", json!("x".repeat(101))),
        ("name", json!("a\0b")),
        ("name", json!("a\nb")),
        ("name", json!("\u{200b}")),
        ("name", json!(7)),
        ("description", json!("x".repeat(4001))),
        ("description", json!("a\0b")),
        ("description", json!("a\u{202e}b")),
        ("typeId", json!(0)),
        ("typeId", json!("1")),
        ("typeId", json!(1.5)),
        ("brandId", json!(-1)),
        ("brandId", json!(3_000_000_000_u32)),
        ("availableStock", json!(-1)),
        ("availableStock", json!(1_000_001)),
        ("availableStock", json!("7")),
        ("maxStockThreshold", json!(2)),
        ("id", json!(7)),
        ("colour", json!("red")),
    ] {
        let body = details_with(field, value.clone());
        for answer in [app.post(&body).await, app.put(id, &body).await] {
            let problem = problem(answer, 400, "validation").await;
            assert_eq!(problem["errors"][0]["pointer"], format!("#/{field}"), "{field} {value}: {problem}");
        }
    }
    assert_eq!(app.get_json("/items").await["count"], 1);
    assert_eq!(app.log().await, log);
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn wrong_prices_are_400_everywhere(pool: PgPool) {
    let app = App::spawn(pool).await;
    let id = app.product_priced_at("12.50").await;
    for price in [
        "0",
        "-1",
        "\"0\"",
        "\"-12.50\"",
        "12.345",
        "\"12.345\"",
        "10000000",
        "\"10000000.00\"",
        "1e9",
        "1e400",
        "1e-3",
        "\"NaN\"",
        "\"Infinity\"",
        "\"-Infinity\"",
        "\"\"",
        "\"12,50\"",
        "\"1e2\"",
        "\"0x10\"",
        "null",
        "true",
        "[]",
        "{}",
        "[12.50]",
        "\"12.50\\u0000\"",
        "\" 12.50\"",
        "99999999999999999999999999999999999999999999999999999999999999999999999999999999",
    ] {
        let full = details().to_string().replace("\"12.50\"", price);
        for (method, path, body) in [
            (Method::PUT, format!("/items/{id}/price"), format!("{{\"price\": {price}}}")),
            (Method::PUT, format!("/items/{id}"), full.clone()),
            (Method::POST, "/items".to_owned(), full),
        ] {
            let request = app.write(method, &path).header("content-type", "application/json").body(body);
            let problem = problem(request.send().await.expect("an answer"), 400, "validation").await;
            assert_eq!(problem["errors"][0]["pointer"], "#/price", "{price}: {problem}");
        }
    }
    for body in [
        "{\"price\": NaN}",
        "{\"price\": Infinity}",
        "{\"price\": 012}",
        "{\"price\": .5}",
        "{\"price\": +1}",
    ] {
        let request = app.write(Method::PUT, &format!("/items/{id}/price"));
        let request = request.header("content-type", "application/json").body(body);
        problem(request.send().await.expect("an answer"), 400, "validation").await;
    }
    assert_eq!((app.price_of(id).await.as_str(), app.announced_of(id).await.len()), ("12.50", 0));
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn what_is_no_json_body_is_refused(pool: PgPool) {
    let app = App::spawn(pool).await;
    let id = app.product_priced_at("12.50").await;
    let send = async |method: Method, path: &str, media_type: &str, body: Vec<u8>| {
        let request = app.write(method, path).header("content-type", media_type).body(body);
        request.send().await.expect("an answer")
    };
    let good = |path: &str| {
        let body = if path.ends_with("/price") { json!({"price": "1"}) } else { details() };
        body.to_string().into_bytes()
    };
    for (method, path) in [
        (Method::POST, "/items".to_owned()),
        (Method::PUT, format!("/items/{id}")),
        (Method::PUT, format!("/items/{id}/price")),
    ] {
        for body in [b"".to_vec(), b"{".to_vec(), b"[]".to_vec(), b"null".to_vec(), b"nonsense".to_vec()] {
            let answer = send(method.clone(), &path, "application/json", body).await;
            problem(answer, 400, "validation").await;
        }
        let broken = [b"{\"name\": \"".to_vec(), vec![0xC3, 0x28, 0xFF], b"\"}".to_vec()].concat();
        problem(send(method.clone(), &path, "application/json", broken).await, 400, "validation").await;
        for media_type in ["text/plain", "application/x-www-form-urlencoded", "application/xml"] {
            let answer = send(method.clone(), &path, media_type, good(&path)).await;
            problem(answer, 415, "unsupported-media-type").await;
        }
        let huge = vec![b' '; 3_000_000];
        problem(send(method.clone(), &path, "application/json", huge).await, 413, "too-large").await;
    }
    assert_eq!(app.log().await.len(), 1);
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn unknown_routes_and_methods_are_refused(pool: PgPool) {
    let app = App::spawn(pool).await;
    problem(app.get("/nothing").await, 404, "not-found").await;
    for (method, path, allow) in [
        (Method::DELETE, "/items", "GET, HEAD, POST"),
        (Method::PATCH, "/items/1", "GET, HEAD, PUT, DELETE"),
        (Method::GET, "/items/1/price", "PUT"),
        (Method::POST, "/catalogtypes", "GET, HEAD"),
    ] {
        let answer = app.write(method, path).send().await.expect("an answer");
        assert_eq!(answer.headers()["allow"], allow, "{path}");
        problem(answer, 405, "method-not-allowed").await;
    }
}
