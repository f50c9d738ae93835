//! What is refused, and how.

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::app::{PASSWORD, TestApp};

fn body(user_name: &str, email: &str, password: &str) -> Value {
    json!({"userName": user_name, "email": email, "password": password})
}

#[sqlx::test(migrator = "accounts_api::MIGRATIONS")]
async fn a_registration_that_cannot_be_is_refused_with_the_place(pool: PgPool) {
    let app = TestApp::spawn(&pool);
    let (long_name, long_local) = ("x".repeat(300), format!("{}@example.org", "a".repeat(243)));
    assert_eq!(long_local.len(), 255);
    let longest = "x".repeat(20_000);
    let (name, email) = ("Alice", "alice@example.org");
    for (field, body) in [
        ("userName", body("", email, PASSWORD)),
        ("userName", body("   ", email, PASSWORD)),
        ("userName", body(&long_name, email, PASSWORD)),
        ("userName", body("a\u{1b}[31m", email, PASSWORD)),
        ("userName", body("a\r\nBcc: b@example.org", email, PASSWORD)),
        ("userName", body("evil\u{202e}gpj.exe", email, PASSWORD)),
        ("userName", json!({"userName": 1, "email": email, "password": PASSWORD})),
        ("email", body(name, "alice", PASSWORD)),
        ("email", body(name, &long_local, PASSWORD)),
        ("email", body(name, "alice@example.org\r\nBcc: b@example.org", PASSWORD)),
        ("email", json!({"userName": name, "email": ["a@example.org"], "password": PASSWORD})),
        ("password", body(name, email, "short")),
        ("password", body(name, email, "password123")),
        ("password", body(name, email, &longest)),
        ("password", body(name, email, email)),
        ("password", body("Alice in Wonderland", email, "alice in wonderland")),
        ("password", json!({"userName": name, "email": email, "password": 1_234_567_890})),
    ] {
        let answer = app.ask(&body).await;
        assert_eq!(answer.status(), 400, "{body}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["type"], "/problems/validation");
        assert_eq!(problem["errors"][0]["pointer"], format!("#/{field}"), "{body}");
        assert!(!problem.to_string().contains("password123"));
    }
    for text in [
        r#"{"userName":"a","email":"a@example.org","password":"correct horse\u0000battery"}"#,
        r#"{"userName":"a\u0000","email":"a@example.org","password":"correct horse battery"}"#,
        r#"{"userName":"a","email":"a@example.org","password":"correct horse battery","admin":true}"#,
        r#"{"userName":"a","email":"a@example.org"}"#,
        r#"{"userName":"a","userName":"b","email":"a@example.org","password":"correct horse battery"}"#,
        r#"["a","a@example.org","correct horse battery"]"#,
        "{",
        "",
    ] {
        let request = app.client.post(app.url("/api/v1/users")).header("content-type", "application/json");
        assert_eq!(request.body(text.to_owned()).send().await.unwrap().status(), 400, "{text}");
    }
    let megabyte = app.ask(&body(name, email, &"x".repeat(1 << 20))).await;
    assert_eq!(megabyte.status(), 413);
    let form = app.client.post(app.url("/api/v1/users")).body("userName=a");
    assert_eq!(form.send().await.unwrap().status(), 415);
    let asked: i64 = sqlx::query_scalar("select count(*) from registration").fetch_one(&pool).await.unwrap();
    assert_eq!(asked, 0);

    for path in ["?email=alice", "?email=", "", "?email=a@example.org&x=1", "/x", "/1"] {
        let answer = app.request_as(reqwest::Method::GET, path, "olga", "ops").send().await.unwrap();
        assert_eq!(answer.status(), 400, "{path}");
    }
    for body in
        [json!({}), json!({"email": "a@example.org"}), json!({"email": 1, "password": "x"}), json!([])]
    {
        let answer = app.client.post(app.url("/api/v1/sessions")).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{body}");
    }
}

#[sqlx::test(migrator = "accounts_api::MIGRATIONS")]
async fn an_address_is_one_address_however_it_is_written(pool: PgPool) {
    let app = TestApp::spawn_with(&pool, &[("APP__PASSWORDS__MEMORY_KIB", "64")]);
    for (first, same) in [
        ("alice@example.org", "ALICE@EXAMPLE.ORG"),
        ("jos\u{e9}@example.org", "Jose\u{301}@example.org"),
        ("bob@bücher.example", "bob@XN--BCHER-KVA.example"),
    ] {
        let (first, second) = (app.register(first).await, app.register(same).await);
        assert_eq!(app.see(first).await.unwrap()["status"], "registered");
        assert_eq!(app.see(second).await.unwrap()["status"], "rejected");
        assert_eq!(app.sign_in(same, PASSWORD).await.status(), 200);
    }
    let tagged = app.register("alice+shop@example.org").await;
    assert_eq!(app.see(tagged).await.unwrap()["status"], "registered");
    // A name is text, and stays what it is.
    let body = body("<script>alert(1)</script>", "eve@example.org", PASSWORD);
    assert_eq!(app.ask(&body).await.status(), 202);
}
