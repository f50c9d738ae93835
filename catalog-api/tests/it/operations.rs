//! What an operator is told of the log.

use serde_json::json;
use sqlx::PgPool;
use test_kit::{expired_token, token};

use crate::app::App;

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn an_operator_sees_what_is_not_published_yet_and_nobody_else_does(pool: PgPool) {
    let app = App::spawn(pool).await;
    app.product_priced_at("1.00").await;
    let ask = async |token: Option<String>| {
        let url = format!("http://{}/api/v1/outbox/status", app.address);
        let request = reqwest::Client::new().get(url);
        let request = if let Some(token) = token { request.bearer_auth(token) } else { request };
        request.send().await.expect("an answer")
    };
    let answer = ask(Some(token("olga", "ops"))).await;
    assert_eq!(answer.status(), 200);
    let status: serde_json::Value = answer.json().await.expect("JSON");
    assert_eq!((&status["log"]["pending"], &status["log"]["relays"]), (&json!(1), &json!(0)), "{status}");
    assert_eq!(status["progress"], json!({"committed": 1, "settled": 0}));
    assert_eq!(ask(None).await.status(), 401);
    assert_eq!(ask(Some(expired_token("olga", "ops"))).await.status(), 401);
    assert_eq!(ask(Some(token("mara", "catalog:write"))).await.status(), 403);
}
