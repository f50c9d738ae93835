//! Registration: a request, its command, and what comes of it.

use std::collections::BTreeMap;

use accounts_api::subscriptions::Register;
use chrono::Utc;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::app::{PASSWORD, TestApp, links};

#[sqlx::test(migrator = "accounts_api::MIGRATIONS")]
async fn a_registration_is_a_command_that_has_the_id_alone(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    let body = json!({"userName": "Alice", "email": "Alice+shop@Example.org", "password": PASSWORD});
    let answer = app.ask(&body).await;
    assert_eq!(answer.status(), 202);
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    let id: Uuid = answer.json::<Value>().await.unwrap()["userId"].as_str().unwrap().parse().unwrap();
    assert_eq!(location, format!("/api/v1/users/{id}"));
    assert_eq!(app.announced(id).await, [("register_user".to_owned(), json!({"userId": id}))]);
    assert!(app.see(id).await.is_none());

    app.handle(&Register, id).await;
    let seen = app.see(id).await.unwrap();
    assert_eq!(seen["userId"], json!(id));
    assert_eq!((&seen["userName"], &seen["email"]), (&json!("Alice"), &json!("Alice+shop@example.org")));
    assert_eq!(seen["status"], "registered");
    let announced = app.announced(id).await;
    let registered = json!({"userId": id, "userName": "Alice", "email": "Alice+shop@example.org"});
    assert_eq!(announced[1..], [("user_registered".to_owned(), registered)]);

    // The command comes again.
    app.handle(&Register, id).await;
    assert_eq!(app.announced(id).await.len(), 2);
    // No password anywhere, and no hash but in its place.
    for table in ["integration_event_log", "registration", "app_user"] {
        let rows: Vec<String> =
            sqlx::query_scalar(sqlx::AssertSqlSafe(format!("select t::text from {table} as t")))
                .fetch_all(&pool)
                .await
                .unwrap();
        assert!(rows.iter().all(|row| !row.contains(PASSWORD)));
        assert!(table == "app_user" || rows.iter().all(|row| !row.contains("argon2")), "{table}");
    }
}

#[sqlx::test(migrator = "accounts_api::MIGRATIONS")]
async fn of_a_hundred_registrations_of_one_address_at_once_one_gets_it(pool: PgPool) {
    let app = TestApp::spawn_with(
        &pool,
        &[
            ("APP__AUTH__SECRET", service_kit::auth::DEVELOPMENT_SECRET),
            ("APP__PASSWORDS__MEMORY_KIB", "64"),
            ("APP__SIGN_IN__REGISTRATIONS_OF_INBOX", "100"),
        ],
    );
    let asked = (0..100).map(|n| {
        let (app, email) = (&app, ["alice@example.org", "ALICE@EXAMPLE.ORG"][n % 2]);
        async move { app.register(email).await }
    });
    let ids = join_all(asked).await;
    let mut statuses: BTreeMap<String, u32> = BTreeMap::new();
    let mut announced: BTreeMap<String, u32> = BTreeMap::new();
    for id in &ids {
        let seen = app.see(*id).await.unwrap();
        *statuses.entry(seen["status"].as_str().unwrap().to_owned()).or_default() += 1;
        for (name, _) in app.announced(*id).await {
            *announced.entry(name).or_default() += 1;
        }
    }
    assert_eq!(statuses, BTreeMap::from([("registered".to_owned(), 1), ("rejected".to_owned(), 99)]));
    assert_eq!((announced["register_user"], announced["user_registered"]), (100, 1));
    // The owner is told, and not flooded. Those that came at one moment do not see each other.
    let told = announced["registration_rejected"];
    assert!((1..99).contains(&told), "{told}");
    let found = app.request_as(Method::GET, "?email=alice@example.org", "olga", "ops").send().await.unwrap();
    assert_eq!(found.json::<Value>().await.unwrap()["status"], "registered");
}

#[sqlx::test(migrator = "accounts_api::MIGRATIONS")]
async fn an_address_that_nobody_proved_in_an_hour_is_free_again(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    let status = async |id| app.see(id).await.map(|user| user["status"].as_str().unwrap().to_owned());
    let first = app.register("alice@example.org").await;
    let soon = app.register("alice@example.org").await;
    assert_eq!(status(soon).await.as_deref(), Some("rejected"));
    let an_hour_later =
        "update app_user set created_at = created_at - interval '61 minutes' where user_id = $1";
    sqlx::query(an_hour_later).bind(first).execute(&pool).await.unwrap();
    let later = app.register("Alice@example.org").await;
    assert_eq!((status(later).await.as_deref(), status(first).await), (Some("registered"), None));
    assert_eq!(app.announced(first).await[2], ("user_deleted".to_owned(), json!({"userId": first})));
    // The mail of the one who came first proves nothing for them any more.
    assert_eq!(app.validate(first, &links().sign(first, Utc::now())).await.status(), 410);
    assert_eq!(status(later).await.as_deref(), Some("registered"));

    // Who has proved it keeps it.
    let proved = "update app_user set status = 'validated', validated_at = now(), created_at = created_at - interval '1 year'
                   where user_id = $1";
    sqlx::query(proved).bind(later).execute(&pool).await.unwrap();
    let other = app.register("alice@example.org").await;
    assert_eq!(status(other).await.as_deref(), Some("rejected"));
    assert_eq!(status(later).await.as_deref(), Some("validated"));
}

#[sqlx::test(migrator = "accounts_api::MIGRATIONS")]
async fn who_asks_does_not_learn_whether_an_address_is_registered(pool: PgPool) {
    let app = TestApp::spawn_with(
        &pool,
        &[
            ("APP__AUTH__SECRET", service_kit::auth::DEVELOPMENT_SECRET),
            ("APP__SIGN_IN__BEFORE_VALIDATION", "false"),
        ],
    );
    let alice = app.register("alice@example.org").await;
    let (taken, free) = ("Alice@example.org", "bob@example.org");

    // Registration.
    let mut answers = Vec::new();
    for email in [taken, free] {
        let answer = app
            .ask(&json!({"userName": "Mallory", "email": email, "password": "a password of mallory"}))
            .await;
        let (status, headers) = (answer.status(), answer.headers().keys().cloned().collect::<Vec<_>>());
        let fields: Vec<String> =
            answer.json::<serde_json::Map<String, Value>>().await.unwrap().keys().cloned().collect();
        answers.push((status, headers, fields));
    }
    assert_eq!(answers[0], answers[1]);

    // Sign-in, also with the password of one's own registration: it is not validated.
    let mallory: Vec<Uuid> =
        sqlx::query_scalar("select user_id from registration").fetch_all(&pool).await.unwrap();
    for id in mallory {
        app.handle(&Register, id).await;
    }
    let mut answers = Vec::new();
    for (email, password) in [
        (taken, "a password of mallory"),
        (free, "a password of mallory"),
        ("carol@example.org", "x"),
        ("", ""),
    ] {
        let answer = app.sign_in(email, password).await;
        let status = answer.status();
        let mut body: Value = answer.json().await.unwrap();
        body["request_id"] = Value::Null;
        answers.push((status, body));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0] && answer.0 == 401), "{answers:?}");

    // Looking for others, with a token of one's own.
    let other = Uuid::now_v7().to_string();
    for path in [
        "?email=alice@example.org",
        "?email=nobody@example.org",
        &format!("/{alice}"),
        &format!("/{}", Uuid::now_v7()),
    ] {
        for method in [Method::GET, Method::DELETE] {
            if method == Method::DELETE && path.starts_with('?') {
                continue;
            }
            for sub in [other.as_str(), "alice"] {
                let answer = app.request_as(method.clone(), path, sub, "").send().await.unwrap();
                assert_eq!(answer.status(), 404, "{path}");
            }
        }
    }
    // Oneself.
    for path in ["?email=ALICE@example.org".to_owned(), format!("/{alice}")] {
        let answer = app.request_as(Method::GET, &path, &alice.to_string(), "").send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
    }
}

/// Half of a known address's sign-ins take no longer than half of an unknown one's, give or take.
#[sqlx::test(migrator = "accounts_api::MIGRATIONS")]
async fn a_sign_in_takes_as_long_for_an_unknown_address(pool: PgPool) {
    let app = TestApp::spawn_with(
        &pool,
        &[
            ("APP__AUTH__SECRET", service_kit::auth::DEVELOPMENT_SECRET),
            ("APP__SIGN_IN__TRIES_OF_CLIENT_WITH_ADDRESS", "60"),
        ],
    );
    app.register("alice@example.org").await;
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..15 {
        for (email, times) in ["alice@example.org", "nobody@example.org"].into_iter().zip(&mut times) {
            let began = std::time::Instant::now();
            assert_eq!(app.sign_in(email, "a wrong password").await.status(), 401);
            times.push(began.elapsed());
        }
    }
    let fastest = times.map(|times| times.into_iter().min().unwrap().as_secs_f64());
    let ratio = fastest[0] / fastest[1];
    assert!((0.5..2.0).contains(&ratio), "{fastest:?}");
}
