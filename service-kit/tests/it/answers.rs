//! Problems, request ids, traces, health, metrics and documentation.

use anyhow::bail;
use reqwest::Method;
use serde_json::{Value, json};
use service_kit::server::{Readiness, document};
use service_kit::settings::AuthSettings;

use crate::service::{ABOUT, SECRET, Service, problem};

#[tokio::test]
async fn a_fault_in_a_body_is_named_by_its_place() {
    let service = Service::start();
    for (body, pointer) in [
        (r#"{"name":"a"}"#, "#/size"),
        (r#"{"name":"a","size":1,"colour":"red"}"#, "#/colour"),
        (r#"{"name":"a","size":300}"#, "#/size"),
        (r#"{"name":"a","size":1e400}"#, "#/size"),
        (r#"{"name":"\ud800","size":1}"#, "#/name"),
        (r#"{"name":"a","size":"two"}"#, "#/size"),
        (r#"{"name":"a","size":1,"size":2}"#, "#/size"),
        (r#"{"name":"a","size":1,"parts":[{"weight":1},{"weight":-1}]}"#, "#/parts/1/weight"),
        (r#"{"name":"a","size":1,"parts":[{"w/~ü":1}]}"#, "#/parts/0/w~1~0%C3%BC"),
        ("[]", "#"),
        (r#"["a",1]"#, "#"),
    ] {
        let answer = problem(service.post(body).await, 400, "validation").await;
        assert_eq!(answer["errors"][0]["pointer"], pointer, "{body}: {answer}");
    }
}

#[tokio::test]
async fn a_body_that_is_not_json_is_400() {
    let service = Service::start();
    for body in ["", "{", "nonsense", r#"{"name":"a","size":1} more"#, r#"{"name":"a","size":NaN}"#] {
        problem(service.post(body).await, 400, "validation").await;
    }
    problem(service.post(vec![b'"', 0xFF, 0xFE, b'"']).await, 400, "validation").await;
    let deep = "[".repeat(900);
    problem(service.post(deep).await, 400, "validation").await;
}

#[tokio::test]
async fn nul_is_refused_and_a_written_out_escape_is_not() {
    let service = Service::start();
    problem(service.post(r#"{"name":"a\u0000","size":1}"#).await, 400, "validation").await;
    assert_eq!(service.post(r#"{"name":"a\\u0000","size":1}"#).await.status(), 200);
}

#[tokio::test]
async fn another_media_type_is_415() {
    let service = Service::start();
    for media_type in ["text/plain", "application/xml", "multipart/form-data", "application/jsonx"] {
        let request = service.client.post(service.url("/things")).header("content-type", media_type);
        let answer = request.body(r#"{"name":"a","size":1}"#).send().await.expect("an answer");
        problem(answer, 415, "unsupported-media-type").await;
    }
    let request = service.client.post(service.url("/things"));
    problem(request.body("{}").send().await.expect("an answer"), 415, "unsupported-media-type").await;
    let request =
        service.client.post(service.url("/things")).header("content-type", "Application/JSON; charset=utf-8");
    let answer = request.body(r#"{"name":"a","size":1}"#).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn a_compressed_body_is_415() {
    let service = Service::start();
    let post = async |encoding: &str| {
        let request = service.client.post(service.url("/things")).header("content-type", "application/json");
        let request = request.header("content-encoding", encoding).body(r#"{"name":"a","size":1}"#);
        request.send().await.expect("an answer")
    };
    for encoding in ["gzip", "br", "identity, gzip"] {
        let answer = post(encoding).await;
        assert_eq!(answer.headers()["accept-encoding"], "identity", "{encoding}");
        problem(answer, 415, "unsupported-media-type").await;
    }
    for encoding in ["identity", "Identity"] {
        assert_eq!(post(encoding).await.status(), 200, "{encoding}");
    }
}

#[tokio::test]
async fn a_wrong_query_or_path_is_400_and_named() {
    let service = Service::start();
    for (path, name) in [
        ("/things?pageSize=256", "pageSize"),
        ("/things?pageSize=two", "pageSize"),
        ("/things?page=1", "page"),
        ("/things?type=a%00b", "type"),
        ("/things/seven", "id"),
        ("/things/99999999999999999999", "id"),
        ("/things/%FF", "id"),
    ] {
        let answer = problem(service.get(path).await, 400, "validation").await;
        assert_eq!(answer["errors"][0]["parameter"], name, "{path}: {answer}");
    }
}

#[tokio::test]
async fn an_unknown_route_is_404_and_a_wrong_method_405_with_allow() {
    let service = Service::start();
    problem(service.get("/nowhere").await, 404, "not-found").await;
    for (method, path, allow) in [
        (Method::DELETE, "/things", "GET, HEAD, POST"),
        (Method::POST, "/things/7", "GET, HEAD"),
        (Method::GET, "/write", "POST"),
        (Method::PUT, "/health/live", "GET, HEAD"),
    ] {
        let answer = service.client.request(method, service.url(path)).send().await.expect("an answer");
        assert_eq!(answer.headers()["allow"], allow);
        problem(answer, 405, "method-not-allowed").await;
    }
}

#[tokio::test]
async fn head_is_answered_like_get_without_the_body() {
    let service = Service::start();
    let answer = service.client.head(service.url("/things/7")).send().await.expect("an answer");
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["content-length"]),
        (200, &"1".parse().expect("1"))
    );
    assert_eq!(answer.bytes().await.expect("no body").len(), 0);
}

#[tokio::test]
async fn an_internal_cause_is_not_told() {
    let service = Service::start();
    let answer = problem(service.get("/broken").await, 500, "internal-server-error").await;
    assert!(!answer.to_string().contains("only the log"), "{answer}");
}

#[tokio::test]
async fn a_request_id_is_echoed_if_it_can_be_and_made_if_not() {
    let service = Service::start();
    let ask = async |id: Option<&str>| {
        let request = service.client.get(service.url("/trace"));
        let request = match id {
            Some(id) => request.header("x-request-id", id),
            None => request,
        };
        let answer = request.send().await.expect("an answer");
        let echoed = answer.headers()["x-request-id"].to_str().expect("text").to_owned();
        let seen: (String, String, Option<String>) = answer.json().await.expect("JSON");
        assert_eq!(seen.0, echoed, "the handler and the client see the same id");
        echoed
    };
    assert_eq!(ask(Some("abc-123")).await, "abc-123");
    for refused in [None, Some("two words"), Some(""), Some("x".repeat(129).as_str())] {
        assert_eq!(ask(refused).await.len(), 36);
    }
}

#[tokio::test]
async fn a_valid_trace_context_is_honoured_and_an_invalid_one_replaced() {
    let service = Service::start();
    let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let ask = async |parent: &str| {
        let request = service.client.get(service.url("/trace"));
        let request = request.header("traceparent", parent).header("tracestate", "vendor=1");
        let answer = request.send().await.expect("an answer");
        answer.json::<(String, String, Option<String>)>().await.expect("JSON")
    };
    let (_, parent, state) = ask(good).await;
    assert_eq!((parent.as_str(), state.as_deref()), (good, Some("vendor=1")));
    let later = good.replacen("00", "cc", 1) + "-what-the-future-brings";
    assert_eq!(ask(&later).await.1, good, "a later version is read as far as it is known");
    for bad in [
        "",
        "00-0-0-0",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
    ] {
        let (_, parent, state) = ask(bad).await;
        assert_ne!(parent, bad);
        assert_eq!((parent.len(), state), (55, None));
    }
}

#[tokio::test]
async fn every_answer_has_the_security_headers() {
    let service = Service::start();
    for path in ["/things", "/nowhere", "/me", "/health/live"] {
        let answer = service.get(path).await;
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(answer.headers()["content-security-policy"], "default-src 'none'; frame-ancestors 'none'");
        assert_eq!(answer.headers()["cache-control"], "no-store");
    }
}

#[tokio::test]
async fn readiness_follows_its_checks_and_liveness_does_not() {
    let auth = AuthSettings { secret: Some(SECRET.into()), ..AuthSettings::default() };
    let readiness = Readiness::new()
        .check("one", || async { Ok(()) })
        .check("two", || async { bail!("host db-7 is away") });
    let service = Service::with(&auth, readiness);
    assert_eq!(service.get("/health/live").await.status(), 200);
    let answer = service.get("/health/ready").await;
    assert_eq!(answer.status(), 503);
    let body: Value = answer.json().await.expect("JSON");
    assert_eq!(body, json!({"status": "failing", "checks": {"one": "ok", "two": "failing"}}));
}

#[tokio::test]
async fn requests_are_measured_by_route_not_by_path() {
    let service = Service::start();
    service.get("/things/424242").await;
    service.get("/no/such/path").await;
    let text = service.get("/metrics").await.text().await.expect("text");
    assert!(text.contains("build_info{version=\"0.0.0\""), "{text}");
    assert!(text.contains(r#"http_route="/things/{id}""#), "{text}");
    assert!(text.contains(r#"http_route="unmatched""#), "{text}");
    assert!(!text.contains("424242") && !text.contains("/no/such"), "{text}");
}

#[tokio::test]
async fn the_documentation_is_served_without_a_network() {
    let service = Service::start();
    let document_served: Value = service.get("/openapi.json").await.json().await.expect("JSON");
    assert_eq!(document_served["openapi"], "3.1.0");
    assert_eq!(document_served["info"]["title"], "Trial");
    for path in ["/things/{id}", "/health/ready", "/metrics"] {
        assert!(document_served["paths"][path].is_object(), "{path}");
    }
    let made = document(&ABOUT, |_| ());
    assert_eq!(
        document_served["components"]["schemas"]["Problem"],
        json!(made)["components"]["schemas"]["Problem"]
    );

    assert_eq!(service.get("/docs").await.headers()["location"], "/docs/");
    let page = service.get("/docs/").await;
    assert_eq!(page.status(), 200);
    let html = page.text().await.expect("text");
    assert!(!html.contains("http://") && !html.contains("https://"), "nothing comes from elsewhere: {html}");
    assert_eq!(service.get("/docs/swagger-ui-bundle.js").await.status(), 200);
}
