//! The keys that sign tokens.

use accounts_api::{
    keys::store::{present_key, rotate_key, withdraw_keys},
    users::grant,
};
use reqwest::Method;
use serde_json::Value;
use service_kit::{
    auth::{DEVELOPMENT_KEY_ID, Verifier},
    settings::{AuthSettings, Mode},
};
use sqlx::PgPool;

use crate::app::{PASSWORD, TestApp, links};

fn verifier(app: &TestApp) -> Verifier {
    let jwks_url = Some(app.url("/.well-known/jwks.json"));
    Verifier::new(&AuthSettings { jwks_url, ..AuthSettings::default() }, Mode::Production).unwrap()
}

async fn published(app: &TestApp) -> Vec<String> {
    let answer = app.client.get(app.url("/.well-known/jwks.json")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let set: Value = answer.json().await.unwrap();
    let keys = set["keys"].as_array().unwrap();
    assert!(
        keys.iter().all(|key| key.get("d").is_none() && key["alg"] == "EdDSA" && key["kty"] == "OKP"),
        "{set}"
    );
    keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

async fn token(app: &TestApp) -> String {
    let answer = app.sign_in("alice@example.org", PASSWORD).await;
    answer.json::<Value>().await.unwrap()["accessToken"].as_str().unwrap().to_owned()
}

#[sqlx::test(migrator = "accounts_api::MIGRATIONS")]
async fn two_keys_count_while_one_is_replaced_and_a_withdrawn_one_no_more(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    // Another process of the same service, which checks tokens with the published keys.
    let other = TestApp::spawn_with(
        &pool,
        &[("APP__AUTH__SECRET", ""), ("APP__AUTH__JWKS_URL", &app.url("/.well-known/jwks.json"))],
    );
    let (first, second) = tokio::join!(published(&app), published(&other));
    assert_eq!(first, second);
    assert_eq!(first[1..], [DEVELOPMENT_KEY_ID.to_owned()]);

    let id = app.register("alice@example.org").await;
    let old = token(&other).await;
    let early = verifier(&app);
    assert_eq!(early.verify(&old).await.unwrap().subject, id.to_string());
    let me = other.client.request(Method::GET, other.url(&format!("/api/v1/users/{id}"))).bearer_auth(&old);
    assert_eq!(me.send().await.unwrap().status(), 200);

    rotate_key(pool.clone()).await.unwrap();
    let keys = published(&app).await;
    assert_eq!((keys.len(), &keys[1]), (3, &first[0]));
    let new = token(&app).await;
    // Who has asked before asks again for a key that is new to it.
    for token in [&old, &new] {
        assert!(early.verify(token).await.is_ok());
    }
    withdraw_keys(pool.clone()).await.unwrap();
    assert_eq!(published(&app).await.len(), 2);
    let late = verifier(&app);
    assert!(late.verify(&new).await.is_ok());
    assert_eq!(late.verify(&old).await.unwrap_err().status(), 401);
}

#[sqlx::test(migrator = "accounts_api::MIGRATIONS")]
async fn a_token_allows_what_was_granted_to_a_validated_user(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    let id = app.register("alice@example.org").await;
    let grant = || async {
        let email = "Alice@example.org".to_owned().try_into().unwrap();
        grant::Command { email, scopes: "ops orders:ship".to_owned() }.run(&pool).await.unwrap()
    };
    assert!(!grant().await);
    let scopes = async || verifier(&app).verify(&token(&app).await).await.unwrap().scopes;
    assert!(scopes().await.is_empty());
    app.validate(id, &links().sign(id, chrono::Utc::now())).await;
    assert!(grant().await);
    assert_eq!(scopes().await.into_iter().collect::<Vec<_>>(), ["ops", "orders:ship"]);
}

#[sqlx::test(migrator = "accounts_api::MIGRATIONS")]
async fn a_replaced_key_is_published_until_its_tokens_have_expired(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    let old = present_key(&pool).await.unwrap();
    rotate_key(pool.clone()).await.unwrap();
    assert!(published(&app).await.contains(&old.id().to_owned()));
    sqlx::query("update signing_key set replaced_at = now() - interval '25 hours' where key_id = $1")
        .bind(old.id())
        .execute(&pool)
        .await
        .unwrap();
    assert!(!published(&app).await.contains(&old.id().to_owned()));
    rotate_key(pool.clone()).await.unwrap();
    let left: i64 = sqlx::query_scalar("select count(*) from signing_key").fetch_one(&pool).await.unwrap();
    assert_eq!(left, 2);
}

#[sqlx::test(migrator = "accounts_api::MIGRATIONS")]
async fn in_production_the_development_key_is_not_published_and_the_private_keys_are_the_services_own(
    pool: PgPool,
) {
    let secret = "a secret of a test, of enough bytes";
    let app = TestApp::spawn_with(
        &pool,
        &[("APP__MODE", "production"), ("APP__AUTH__SECRET", secret), ("APP__LINKS__SECRET", secret)],
    );
    assert_eq!(published(&app).await.len(), 1);
    for (role, may) in [("accounts_app", true), ("accounts_relay", false), ("accounts_inbox_reader", false)] {
        let query = sqlx::query_scalar("select has_table_privilege($1, 'signing_key', 'select')");
        let can: bool = query.bind(role).fetch_one(&pool).await.unwrap();
        assert_eq!(can, may, "{role}");
    }
}

#[sqlx::test(migrator = "accounts_api::MIGRATIONS")]
async fn the_keys_are_published_while_the_database_is_away(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    let before = published(&app).await;
    sqlx::query("alter table signing_key rename to gone").execute(&pool).await.unwrap();
    assert_eq!(published(&app).await, before);
}
