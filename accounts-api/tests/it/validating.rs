//! The link in the mail.

use chrono::{TimeDelta, Utc};
use reqwest::Method;
use serde_json::Value;
use sqlx::PgPool;
use uuid::Uuid;

use crate::app::{PASSWORD, TestApp, links};

async fn kind(answer: reqwest::Response) -> (u16, String) {
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap();
    (status, body["type"].as_str().unwrap_or_default().to_owned())
}

#[sqlx::test(migrator = "accounts_api::MIGRATIONS")]
async fn a_link_validates_the_address_once_and_only_by_post(pool: PgPool) {
    let app = TestApp::spawn_with(
        &pool,
        &[
            ("APP__AUTH__SECRET", service_kit::auth::DEVELOPMENT_SECRET),
            ("APP__SIGN_IN__BEFORE_VALIDATION", "false"),
        ],
    );
    let id = app.register("alice@example.org").await;
    assert_eq!(app.sign_in("alice@example.org", PASSWORD).await.status(), 401);
    let link = links().sign(id, Utc::now());

    let url = app.url(&format!("/api/v1/users/{id}/validate?token={link}"));
    let shown: Value = app.client.get(&url).send().await.unwrap().json().await.unwrap();
    assert_eq!((shown["method"].as_str(), shown["status"].as_str()), (Some("POST"), Some("registered")));
    assert_eq!(app.see(id).await.unwrap()["status"], "registered");

    let validated = app.validate(id, &link).await;
    assert_eq!(validated.status(), 200);
    assert_eq!(app.see(id).await.unwrap()["status"], "validated");
    let announced = app.announced(id).await;
    assert_eq!(announced[2].0, "user_validated");
    assert_eq!(announced[2].1["email"], "alice@example.org");
    assert_eq!(app.sign_in("ALICE@example.org", PASSWORD).await.status(), 200);

    assert_eq!(kind(app.validate(id, &link).await).await, (410, "/problems/link-used".to_owned()));
    assert_eq!(kind(app.client.get(&url).send().await.unwrap()).await.0, 410);
    assert_eq!(app.announced(id).await.len(), 3);
}

#[sqlx::test(migrator = "accounts_api::MIGRATIONS")]
async fn forged_expired_and_other_users_links_are_refused(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    let (id, rejected) = (app.register("alice@example.org").await, app.register("alice@example.org").await);
    let now = Utc::now();
    let (good, old) = (links().sign(id, now), links().sign(id, now - TimeDelta::hours(25)));
    let forged = "/problems/link-invalid".to_owned();
    for link in ["x", "", &links().sign(rejected, now), &good.replace('.', ".A"), &"x".repeat(5_000)] {
        assert_eq!(kind(app.validate(id, link).await).await, (400, forged.clone()), "{link}");
    }
    assert_eq!(kind(app.validate(id, &old).await).await, (410, "/problems/link-expired".to_owned()));
    let nobody = Uuid::now_v7();
    for gone in [nobody, rejected] {
        assert_eq!(kind(app.validate(gone, &links().sign(gone, now)).await).await.0, 410);
    }
    for path in [
        format!("/{id}/validate"),
        format!("/{id}/validate?token=a&token=b"),
        "/x/validate?token=a".to_owned(),
    ] {
        let url = app.url(&format!("/api/v1/users{path}"));
        for method in [Method::GET, Method::POST] {
            let answer = app.client.request(method, &url).send().await.unwrap();
            assert_eq!(answer.status(), 400, "{path}");
        }
    }
    assert_eq!(app.see(id).await.unwrap()["status"], "registered");
}
