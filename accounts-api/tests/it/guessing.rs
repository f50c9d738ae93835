//! Those who guess passwords.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::Value;
use sqlx::PgPool;
use test_kit::eventually;

use crate::app::{PASSWORD, TestApp, client_at};

#[sqlx::test(migrator = "accounts_api::MIGRATIONS")]
async fn who_guesses_a_thousand_times_is_slowed_down_and_the_owner_is_not(pool: PgPool) {
    // Tries do not come back while the test runs, and a hash is cheap: none is put off, however busy the machine is.
    let settings = [("APP__SIGN_IN__TRY_AGAIN_S", "3600"), ("APP__PASSWORDS__MEMORY_KIB", "64")];
    let app = TestApp::spawn_with(&pool, &settings);
    app.register("alice@example.org").await;
    let guesses = futures_util::stream::iter(0..1_000).map(|n| {
        let app = &app;
        async move {
            let guess = async || app.sign_in("alice@example.org", &format!("wrong password {n}")).await;
            let mut answer = guess().await;
            // Whom a busy service puts off comes back: it was no try.
            while answer.status() == 503 {
                answer = guess().await;
            }
            let again =
                answer.headers().get("retry-after").map(|at| at.to_str().unwrap().parse::<u64>().unwrap());
            (answer.status().as_u16(), again)
        }
    });
    let answers: Vec<(u16, Option<u64>)> = guesses.buffer_unordered(20).collect().await;
    let refused = answers.iter().filter(|(status, _)| *status == 401).count();
    assert!(refused == 10, "{refused}");
    for (status, again) in answers {
        assert!(
            status == 401 || (status == 429 && again.is_some_and(|again| (1..=3_600).contains(&again))),
            "{status}"
        );
    }
    // He does not get in with the right one either; the owner does, from another address.
    assert_eq!(app.sign_in("alice@example.org", PASSWORD).await.status(), 429);
    let owner = client_at([127, 0, 0, 2]);
    for _ in 0..12 {
        let answer = app.sign_in_by(&owner, "alice@example.org", PASSWORD).await;
        assert_eq!(answer.status(), 200);
        let session: Value = answer.json().await.unwrap();
        assert_eq!((&session["tokenType"], &session["expiresIn"]), (&"Bearer".into(), &3_600.into()));
    }
    // Who is no trusted proxy says nothing of others.
    let spoofed = app.client.post(app.url("/api/v1/sessions")).header("x-forwarded-for", "192.0.2.1");
    let body = serde_json::json!({"email": "alice@example.org", "password": PASSWORD});
    assert_eq!(spoofed.json(&body).send().await.unwrap().status(), 429);
}

#[sqlx::test(migrator = "accounts_api::MIGRATIONS")]
async fn a_trusted_proxy_says_who_its_clients_are(pool: PgPool) {
    let app = TestApp::spawn_with(
        &pool,
        &[
            ("APP__SIGN_IN__TRUSTED_PROXIES", "10.0.0.1, 127.0.0.1"),
            ("APP__SIGN_IN__TRIES_OF_CLIENT_WITH_ADDRESS", "1"),
            ("APP__PASSWORDS__MEMORY_KIB", "64"),
        ],
    );
    let sign_in = async |clients: &str| {
        let request = app.client.post(app.url("/api/v1/sessions")).header("x-forwarded-for", clients);
        let body = serde_json::json!({"email": "alice@example.org", "password": "x"});
        request.json(&body).send().await.unwrap().status().as_u16()
    };
    assert_eq!(sign_in("192.0.2.1").await, 401);
    assert_eq!(sign_in("192.0.2.1").await, 429);
    // What the client itself wrote stands before what the proxy has added.
    for written in ["198.51.100.7", "é", "x"] {
        assert_eq!(sign_in(&format!("{written}, 192.0.2.1")).await, 429, "{written}");
    }
    assert_eq!(sign_in("192.0.2.1, 192.0.2.2").await, 401);
    // What is no address counts as the proxy itself.
    assert_eq!(sign_in("x").await, 401);
    assert_eq!(sign_in("y").await, 429);
}

#[sqlx::test(migrator = "accounts_api::MIGRATIONS")]
async fn proxies_are_known_by_name_and_by_network_and_a_client_is_the_last_who_is_none(pool: PgPool) {
    let settings = |proxies| {
        [
            ("APP__AUTH__SECRET", service_kit::auth::DEVELOPMENT_SECRET),
            ("APP__SIGN_IN__TRUSTED_PROXIES", proxies),
            ("APP__SIGN_IN__TRIES_OF_CLIENT_WITH_ADDRESS", "1"),
            ("APP__PASSWORDS__MEMORY_KIB", "64"),
        ]
    };
    for (number, proxies) in ["localhost,10.0.0.0/8", "127.0.0.0/8, 10.0.0.0/8"].into_iter().enumerate() {
        let app = TestApp::spawn_with(&pool, &settings(proxies));
        let address = format!("alice-{number}@example.org");
        let sign_in = async |clients: &str| {
            let request = app.client.post(app.url("/api/v1/sessions")).header("x-forwarded-for", clients);
            let body = serde_json::json!({"email": address, "password": "x"});
            request.json(&body).send().await.unwrap().status().as_u16()
        };
        // Until the name is looked up the proxy itself is the client.
        eventually("two clients of one proxy are two", Duration::from_secs(20), async || {
            let each = rand_client();
            (sign_in(&each).await == 401 && sign_in(&each).await == 429).then_some(())
        })
        .await;
        assert_eq!(sign_in("192.0.2.1").await, 401, "{proxies}");
        assert_eq!(sign_in("192.0.2.1, 10.1.2.3").await, 429, "a proxy before this one");
        assert_eq!(sign_in("192.0.2.2, 10.1.2.3").await, 401);
        assert_eq!(sign_in("10.1.2.4, 10.1.2.3").await, 401, "a client in the network of the proxies");
    }
}

#[sqlx::test(migrator = "accounts_api::MIGRATIONS")]
async fn who_signs_in_after_a_change_of_cost_has_a_hash_of_the_present_cost(pool: PgPool) {
    let app_of = |memory| {
        let secret = ("APP__AUTH__SECRET", service_kit::auth::DEVELOPMENT_SECRET);
        TestApp::spawn_with(&pool, &[secret, ("APP__PASSWORDS__MEMORY_KIB", memory)])
    };
    let hash = async || -> String {
        sqlx::query_scalar("select password_hash from app_user").fetch_one(&pool).await.unwrap()
    };
    app_of("64").register("alice@example.org").await;
    let (app, old) = (app_of("128"), hash().await);
    assert_eq!(app.sign_in("alice@example.org", "a wrong password").await.status(), 401);
    assert_eq!(hash().await, old);
    for _ in 0..2 {
        assert_eq!(app.sign_in("alice@example.org", PASSWORD).await.status(), 200);
    }
    let new = hash().await;
    assert!(old.contains("$m=64,") && new.contains("$m=128,"), "{new}");
    assert_eq!(app.sign_in("alice@example.org", PASSWORD).await.status(), 200);
    assert_eq!(hash().await, new, "it is hashed anew once");
}

/// An address that no test has used.
fn rand_client() -> String {
    let [.., a, b] = uuid::Uuid::new_v4().into_bytes();
    format!("198.51.{a}.{b}")
}
