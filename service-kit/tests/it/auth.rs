//! Which tokens count. The matrix of proof.md, section 5, as far as it is the kit's.

use std::process::Command;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use serde_json::{Value, json};
use service_kit::auth::{DEVELOPMENT_SECRET, Verifier};
use service_kit::settings::{AuthSettings, Mode};

use crate::service::{SECRET, Service, problem};

fn claims() -> Value {
    json!({"sub": "alice", "scope": "", "iss": "shop", "aud": "shop", "exp": get_current_timestamp() + 60})
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn sign(claims: &Value, algorithm: Algorithm, secret: &str) -> String {
    encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret.as_bytes())).expect("a token")
}

fn token(claims: &Value) -> String {
    sign(claims, Algorithm::HS256, SECRET)
}

async fn me(service: &Service, authorization: &str) -> reqwest::Response {
    let request = service.client.get(service.url("/me")).header("authorization", authorization);
    request.send().await.expect("an answer")
}

#[tokio::test]
async fn a_good_token_says_who_asks() {
    let service = Service::start();
    for scheme in ["Bearer", "bearer"] {
        let answer = me(&service, &format!("{scheme} {}", token(&claims()))).await;
        assert_eq!(answer.json::<String>().await.expect("JSON"), "alice");
    }
    let several = with("aud", json!(["other", "shop"]));
    assert_eq!(me(&service, &format!("Bearer {}", token(&several))).await.status(), 200);
}

#[tokio::test]
async fn a_date_is_any_number_a_list_may_be_one_text_and_null_is_absent() {
    let service = Service::start();
    let now = get_current_timestamp();
    let raw = |value: &str| serde_json::from_str::<Value>(value).expect("JSON");
    for (name, value) in [
        ("exp", raw(&format!("{now}e0")).as_f64().map_or(Value::Null, |at| json!(at + 60.5))),
        ("exp", raw("4.0e9")),
        ("exp", raw("1e300")),
        ("exp", raw("18446744073709551615")),
        ("nbf", raw(&format!("{now}.25"))),
        ("nbf", raw("-1.5")),
        ("nbf", raw("0")),
        ("nbf", Value::Null),
        ("iat", raw(&format!("{now}.999"))),
        ("iat", Value::Null),
        ("aud", json!(["bank", "shop"])),
        ("scope", Value::Null),
        ("scope", json!([])),
        ("scope", json!(["things:read", "ops"])),
    ] {
        let answer = me(&service, &format!("Bearer {}", token(&with(name, value.clone())))).await;
        assert_eq!(answer.status(), 200, "{name}: {value}");
    }
    for scope in [json!(["ops", "things:write"]), json!(["ops things:write"]), json!("ops  things:write")] {
        let request = service.client.post(service.url("/write"));
        let request =
            request.bearer_auth(token(&with("scope", scope.clone()))).json(&json!({"name": "a", "size": 1}));
        assert_eq!(request.send().await.expect("an answer").status(), 204, "{scope}");
    }
}

#[tokio::test]
async fn a_refusal_names_the_claim_at_fault() {
    let service = Service::start();
    let now = get_current_timestamp();
    for (name, value) in [
        ("exp", json!(now - 60)),
        ("exp", json!(0.5)),
        ("exp", json!(-1e300)),
        ("exp", json!("soon")),
        ("exp", json!((now + 60).to_string())),
        ("exp", json!([now + 60])),
        ("exp", json!(true)),
        ("exp", Value::Null),
        ("nbf", json!(now + 60)),
        ("nbf", json!(1e300)),
        ("nbf", json!("now")),
        ("iat", json!({})),
        ("iss", json!("mallory")),
        ("iss", json!(7)),
        ("iss", Value::Null),
        ("aud", json!("bank")),
        ("aud", json!(["bank", "broker"])),
        ("aud", json!([])),
        ("aud", json!(7)),
        ("aud", Value::Null),
        ("sub", json!("")),
        ("sub", json!("a\0b")),
        ("sub", json!(7)),
        ("sub", Value::Null),
        ("scope", json!(7)),
        ("scope", json!(["ops", 7])),
    ] {
        let answer = me(&service, &format!("Bearer {}", token(&with(name, value.clone())))).await;
        let problem = problem(answer, 401, "unauthorized").await;
        let detail = problem["detail"].as_str().expect("text");
        assert!(detail.contains(&format!("claim {name}")), "{name}: {value}: {detail}");
    }
}

#[tokio::test]
async fn without_a_token_the_answer_is_401_and_a_challenge() {
    let service = Service::start();
    let answer = service.get("/me").await;
    assert_eq!(answer.headers()["www-authenticate"], "Bearer realm=\"shop\"");
    problem(answer, 401, "unauthorized").await;
}

#[tokio::test]
async fn a_token_that_does_not_count_is_401() {
    let service = Service::start();
    let now = get_current_timestamp();
    let good = token(&claims());
    let parts: Vec<&str> = good.split('.').collect();
    let part = |value: &Value| {
        let signed = sign(value, Algorithm::HS256, SECRET);
        signed.split('.').nth(1).map(ToOwned::to_owned).expect("a payload")
    };
    let critical = Header { crit: Some(vec!["b64".to_owned()]), ..Header::default() };
    let critical = encode(&critical, &claims(), &EncodingKey::from_secret(SECRET.as_bytes()));
    let mut without_expiry = claims();
    without_expiry.as_object_mut().expect("an object").remove("exp");
    let mut without_subject = claims();
    without_subject.as_object_mut().expect("an object").remove("sub");
    for (what, refused) in [
        ("expired", token(&with("exp", json!(now - 60)))),
        ("not yet valid", token(&with("nbf", json!(now + 60)))),
        ("wrong issuer", token(&with("iss", json!("mallory")))),
        ("wrong audience", token(&with("aud", json!("bank")))),
        ("no expiry", token(&without_expiry)),
        ("no subject", token(&without_subject)),
        ("empty subject", token(&with("sub", json!("")))),
        ("NUL in the subject", token(&with("sub", json!("a\0b")))),
        ("subject is a number", token(&with("sub", json!(7)))),
        ("endless subject", token(&with("sub", json!("x".repeat(129))))),
        ("wrong key", sign(&claims(), Algorithm::HS256, "another-secret-with-more-than-32-bytes")),
        ("the development secret", sign(&claims(), Algorithm::HS256, DEVELOPMENT_SECRET)),
        ("another algorithm", sign(&claims(), Algorithm::HS512, SECRET)),
        ("alg none", format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{}.", parts[1])),
        ("alg none, signed", format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{}.{}", parts[1], parts[2])),
        ("claims exchanged", format!("{}.{}.{}", parts[0], part(&with("sub", json!("bob"))), parts[2])),
        ("an extension that must be known", critical.expect("a token")),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        ("two parts", format!("{}.{}", parts[0], parts[1])),
        ("nonsense", "nonsense".to_owned()),
        ("huge", token(&with("pad", json!("x".repeat(20_000))))),
    ] {
        let answer = me(&service, &format!("Bearer {refused}")).await;
        assert_eq!(answer.status(), 401, "{what}");
        let challenge = answer.headers()["www-authenticate"].to_str().expect("text").to_owned();
        assert_eq!(challenge, "Bearer realm=\"shop\", error=\"invalid_token\"", "{what}");
        problem(answer, 401, "unauthorized").await;
    }
    for malformed in ["Bearer", "Bearer ", "Basic YTpi", &good] {
        problem(me(&service, malformed).await, 401, "unauthorized").await;
    }
}

#[tokio::test]
async fn a_missing_scope_is_403_before_the_body_is_looked_at() {
    let service = Service::start();
    let post = async |scope: &str| {
        let request = service.client.post(service.url("/write"));
        let request = request.bearer_auth(token(&with("scope", json!(scope))));
        request.header("content-type", "application/json").body("nonsense").send().await.expect("an answer")
    };
    for scope in ["", "things:read", "things:writer ops", "THINGS:WRITE"] {
        let answer = post(scope).await;
        assert!(answer.headers()["www-authenticate"].to_str().expect("text").contains("insufficient_scope"));
        problem(answer, 403, "forbidden").await;
    }
    problem(post("ops things:write").await, 400, "validation").await;
}

#[test]
fn weak_and_published_secrets_are_refused_at_start() {
    let start = |secret: Option<&str>, url: Option<&str>, mode| {
        let settings = AuthSettings {
            secret: secret.map(Into::into),
            jwks_url: url.map(Into::into),
            ..AuthSettings::default()
        };
        Verifier::new(&settings, mode).map(|_| ()).map_err(|error| format!("{error:#}"))
    };
    assert_eq!(start(Some(SECRET), None, Mode::Production), Ok(()));
    assert_eq!(start(Some(DEVELOPMENT_SECRET), None, Mode::Development), Ok(()));
    for (secret, url, mode, names) in [
        (Some(DEVELOPMENT_SECRET), None, Mode::Production, "APP__MODE"),
        (Some("only-31-bytes-are-not-enough-ok"), None, Mode::Development, "auth.secret"),
        (None, None, Mode::Development, "APP__AUTH__SECRET"),
        (Some(SECRET), Some("https://issuer/keys"), Mode::Production, "auth.jwks_url"),
        (None, Some("not a url"), Mode::Production, "auth.jwks_url"),
    ] {
        let error = start(secret, url, mode).expect_err("refused");
        assert!(error.contains(names), "{error}");
        assert!(!error.contains(SECRET) && !error.contains("only-31"), "a secret is not repeated: {error}");
    }
}

#[test]
fn the_issuers_keys_are_not_fetched_through_a_proxy_of_the_environment() {
    // The environment of this process stays as it is: another test runs once more in one of its own.
    let test = "jwks::a_key_that_the_issuer_has_just_published_counts_at_once";
    let mut again = Command::new(std::env::current_exe().expect("this program"));
    again.args(["--exact", test]).env("HTTP_PROXY", "http://127.0.0.1:1");
    let output = again.env_remove("NO_PROXY").env_remove("no_proxy").output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}
