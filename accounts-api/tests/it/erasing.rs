//! Erasure.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::app::{PASSWORD, TestApp};

#[sqlx::test(migrator = "accounts_api::MIGRATIONS")]
async fn an_erased_user_leaves_an_id_and_nothing_else(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    let id = app.register("alice@example.org").await;
    // Somebody else has asked for the address, twice within the hour: the owner was told once.
    let rejected = [app.register("Alice@example.org").await, app.register("alice@example.org").await];
    let own = |method: Method| app.request_as(method, &format!("/{id}"), &id.to_string(), "");
    assert_eq!(own(Method::GET).send().await.unwrap().status(), 200);
    assert_eq!(own(Method::DELETE).send().await.unwrap().status(), 202);

    // The token still counts elsewhere, for an hour; here there is nobody any more.
    for answer in [own(Method::GET), own(Method::DELETE)] {
        assert_eq!(answer.send().await.unwrap().status(), 404);
    }
    let found = app.request_as(Method::GET, "?email=alice@example.org", &id.to_string(), "");
    assert_eq!(found.send().await.unwrap().status(), 404);
    assert_eq!(app.sign_in("alice@example.org", PASSWORD).await.status(), 401);
    assert_eq!(app.announced(id).await[2], ("user_deleted".to_owned(), json!({"userId": id})));

    // Once the event of the erasure has come back; the relay may not have marked what it has published yet.
    app.forget(id).await;
    app.forget(id).await;
    assert_eq!(app.announced(rejected[0]).await.last().unwrap().0, "user_deleted");
    assert_eq!(app.announced(rejected[1]).await.last().unwrap().0, "register_user");
    app.forget(rejected[0]).await;
    let erased = json!({"userId": id, "userName": "(erased)", "email": "erased@erased.invalid"});
    assert_eq!(app.announced(id).await[1], ("user_registered".to_owned(), erased));
    for table in ["integration_event_log", "registration", "app_user", "inbox", "inbox_waiting"] {
        let text = format!("select coalesce(string_agg(t::text, ' '), '') from {table} as t");
        let text: String = sqlx::query_scalar(sqlx::AssertSqlSafe(text)).fetch_one(&pool).await.unwrap();
        assert!(!text.contains("alice") && !text.contains("Alice"), "{table}: {text}");
    }
    // The address is free again.
    let again = app.register("alice@example.org").await;
    assert_eq!(app.see(again).await.unwrap()["status"], "registered");
}

#[sqlx::test(migrator = "accounts_api::MIGRATIONS")]
async fn whoever_heard_of_a_rejected_registration_is_told_when_it_is_forgotten(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    app.register("alice@example.org").await;
    let told = app.register("alice@example.org").await;
    let untold = app.register("alice@example.org").await;
    let a_month_later =
        "update app_user set created_at = created_at - interval '31 days' where user_id = any($1)";
    sqlx::query(a_month_later).bind([told, untold]).execute(&pool).await.unwrap();
    // The next rejection, of whichever address, takes them along.
    app.register("bob@example.org").await;
    app.register("bob@example.org").await;
    assert!(app.see(told).await.is_none() && app.see(untold).await.is_none());
    assert_eq!(app.announced(told).await[2], ("user_deleted".to_owned(), json!({"userId": told})));
    assert_eq!(app.announced(untold).await.len(), 1, "nobody has heard of it");
}

#[sqlx::test(migrator = "accounts_api::MIGRATIONS")]
async fn an_operator_erases_a_user_before_the_command_has_come(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    let body = json!({"userName": "Alice", "email": "alice@example.org", "password": PASSWORD});
    let id = app.ask(&body).await.json::<Value>().await.unwrap()["userId"].as_str().unwrap().parse().unwrap();
    let erased = app.request_as(Method::DELETE, &format!("/{id}"), "olga", "ops").send().await.unwrap();
    assert_eq!(erased.status(), 202);
    app.handle(&accounts_api::subscriptions::Register, id).await;
    assert!(app.see(id).await.is_none());
    assert_eq!(app.announced(id).await.len(), 1);
}
