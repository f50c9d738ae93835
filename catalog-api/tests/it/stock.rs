//! Stock and reservations over HTTP.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::app::{App, details_with, problem};
use crate::reservations::{product_with, release, request, sell, stock};

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn a_change_of_the_stock_is_seen_by_those_who_have_an_older_version(pool: PgPool) {
    let app = App::spawn(pool.clone()).await;
    let product = product_with(&app, 5).await;
    let path = format!("/items/{product}");
    let known = app.get(&path).await.headers()["etag"].clone();
    request(&pool, Uuid::new_v4(), &[(product, 1)]).await;
    let again =
        app.request(Method::GET, &path).header("if-none-match", known).send().await.expect("an answer");
    assert_eq!(again.status(), 200);
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn the_stock_that_can_be_sold_is_set_beside_what_is_reserved(pool: PgPool) {
    let app = App::spawn(pool.clone()).await;
    let product = product_with(&app, 5).await;
    request(&pool, Uuid::new_v4(), &[(product, 2)]).await;
    let put = |body: Value| app.write(Method::PUT, &format!("/items/{product}/stock")).json(&body).send();
    let answer = put(json!({"availableStock": 40})).await.expect("an answer");
    assert_eq!(answer.status(), 200);
    assert!(!answer.headers().contains_key("event-id"), "the stock stays inside the catalog");
    assert_eq!(stock(&app, product).await, (40, 2));
    for wrong in
        [json!({"availableStock": -1}), json!({"availableStock": 1_000_001}), json!({}), json!({"stock": 1})]
    {
        problem(put(wrong).await.expect("an answer"), 400, "validation").await;
    }
    let stale = app.write(Method::PUT, &format!("/items/{product}/stock")).header("if-match", "\"1\"");
    let stale = stale.json(&json!({"availableStock": 1})).send().await.expect("an answer");
    problem(stale, 412, "precondition-failed").await;
    let stranger =
        app.request(Method::PUT, &format!("/items/{product}/stock")).json(&json!({"availableStock": 1}));
    problem(stranger.send().await.expect("an answer"), 401, "unauthorized").await;
    let absent = app.write(Method::PUT, "/items/999/stock").json(&json!({"availableStock": 1}));
    problem(absent.send().await.expect("an answer"), 404, "not-found").await;
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn what_an_order_gives_back_has_room_in_the_stock(pool: PgPool) {
    let app = App::spawn(pool.clone()).await;
    let (product, order) = (product_with(&app, 5).await, Uuid::new_v4());
    request(&pool, order, &[(product, 5)]).await;
    let path = format!("/items/{product}/stock");
    let put = |pieces: i64| app.write(Method::PUT, &path).json(&json!({"availableStock": pieces})).send();
    let refused = problem(put(999_996).await.expect("an answer"), 400, "validation").await;
    let sentence = "5 pieces are reserved for orders: at most 999995 can be available beside them";
    assert_eq!(refused["detail"], sentence);
    let whole = app.put(product, &details_with("availableStock", json!(999_996))).await;
    assert_eq!(problem(whole, 400, "validation").await["detail"], sentence);
    assert_eq!(put(999_995).await.expect("an answer").status(), 200);
    release(&pool, order).await;
    assert_eq!(stock(&app, product).await, (1_000_000, 0));
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn merchants_see_what_is_reserved_for_which_order(pool: PgPool) {
    let app = App::spawn(pool.clone()).await;
    let product = product_with(&app, 5).await;
    let (sold, rejected, open) = (Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4());
    request(&pool, sold, &[(product, 1)]).await;
    request(&pool, rejected, &[(product, 9)]).await;
    request(&pool, open, &[(product, 2)]).await;
    sell(&pool, sold).await.expect("sold");

    let page = async |query: &str| -> Value {
        let answer =
            app.write(Method::GET, &format!("/reservations{query}")).send().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{query}");
        answer.json().await.expect("JSON")
    };
    let all = page("").await;
    assert_eq!((&all["pageIndex"], &all["pageSize"], &all["count"]), (&json!(0), &json!(10), &json!(3)));
    let seen: Vec<(&Value, &Value, &Value)> = all["data"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| (&one["orderId"], &one["state"], &one["items"]))
        .collect();
    let items = |quantity: i64| json!([{"productId": product, "quantity": quantity}]);
    assert_eq!(
        seen,
        [
            (&json!(open), &json!("reserved"), &items(2)),
            (&json!(rejected), &json!("rejected"), &json!([])),
            (&json!(sold), &json!("sold"), &items(1)),
        ],
        "newest first"
    );
    let reserved = page("?state=reserved").await;
    assert_eq!((&reserved["count"], &reserved["data"][0]["orderId"]), (&json!(1), &json!(open)));
    let last = page("?pageIndex=2&pageSize=1").await;
    assert_eq!((&last["count"], &last["data"][0]["orderId"]), (&json!(3), &json!(sold)));

    for query in ["?state=lost", "?pageSize=0", "?pageSize=101", "?pageIndex=-1", "?page=1"] {
        let answer =
            app.write(Method::GET, &format!("/reservations{query}")).send().await.expect("an answer");
        problem(answer, 400, "validation").await;
    }
    assert_eq!(app.get("/reservations").await.status(), 401, "it is not public");
}
