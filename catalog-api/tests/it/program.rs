//! The real program: its subcommands, its settings, its end, and what it writes to its log.

use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use service_kit::auth::DEVELOPMENT_SECRET;
use sqlx::PgPool;
use test_kit::token;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use crate::app::{log_of, subscribed_before};

/// The URL of the database of `pool`, with the administrator's rights.
fn url(pool: &PgPool) -> String {
    let options = pool.connect_options();
    let database = options.get_database().expect("a database");
    let server = std::env::var("DATABASE_URL").expect("DATABASE_URL: run the tests with `cargo shop test`");
    let (server, _) = server.rsplit_once('/').expect("a URL with a database");
    format!("{server}/{database}")
}

/// The program with good settings, on the database of `pool` and a free port.
pub(crate) fn program(pool: &PgPool) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_catalog-api"));
    command
        .env("APP__MODE", "development")
        .env("APP__AUTH__SECRET", DEVELOPMENT_SECRET)
        .env("APP__DATABASE__URL", url(pool))
        .env("APP__BROKER__URL", "amqp://127.0.0.1:1/%2f")
        .env("APP__HTTP__PORT", "0")
        .env("APP__LOG__FORMAT", "json")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Starts the program; returns it, where it listens, and the rest of its log.
pub(crate) async fn serve(mut command: Command) -> (Child, String, BufReader<ChildStdout>) {
    let mut child = command.stderr(Stdio::inherit()).spawn().expect("the program");
    let mut log = BufReader::new(child.stdout.take().expect("output"));
    let listening = async {
        let mut line = String::new();
        while log.read_line(&mut line).await.expect("text") > 0 {
            let entry: Value = serde_json::from_str(&line).expect("a line of JSON");
            if let Some(address) = entry["address"].as_str() {
                return address.to_owned();
            }
            line.clear();
        }
        panic!("the program ended before it listened");
    };
    let address = tokio::time::timeout(Duration::from_secs(20), listening).await.expect("listening in time");
    (child, address, log)
}

async fn run(command: &mut Command) -> Output {
    tokio::time::timeout(Duration::from_secs(30), command.output()).await.expect("in time").expect("run")
}

#[sqlx::test(migrations = false)]
async fn an_empty_database_becomes_a_shop_however_often_it_is_asked_to(pool: PgPool) {
    let (mut one, mut two) = (program(&pool), program(&pool));
    let (one, two) = tokio::join!(run(one.arg("migrate")), run(two.arg("migrate")));
    assert!(one.status.success() && two.status.success(), "two at once: {one:?} {two:?}");
    for _ in 0..2 {
        let seeded = run(program(&pool).arg("seed")).await;
        assert!(seeded.status.success(), "{seeded:?}");
    }
    assert_eq!(log_of(&pool).await.len(), 101);
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn it_is_healthy_when_it_can_work_and_stops_when_told_to(pool: PgPool) {
    subscribed_before(&pool).await;
    let (mut child, address, _log) = serve(program(&pool)).await;
    let port = address.rsplit_once(':').expect("a port").1.to_owned();
    let healthy = run(program(&pool).arg("healthcheck").env("APP__HTTP__PORT", &port)).await;
    assert!(healthy.status.success(), "{healthy:?}");

    let pid = child.id().expect("running").to_string();
    let start = Instant::now();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().await.expect("kill").success());
    let status = tokio::time::timeout(Duration::from_secs(10), child.wait()).await.expect("in time");
    assert!(status.expect("waited").success(), "a clean end");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());

    let healthy = run(program(&pool).arg("healthcheck").env("APP__HTTP__PORT", &port)).await;
    assert_eq!(healthy.status.code(), Some(1));
}

#[sqlx::test(migrations = false)]
async fn it_is_not_ready_on_a_database_that_was_not_migrated(pool: PgPool) {
    let (_child, address, _log) = serve(program(&pool)).await;
    let health = async |path: &str| {
        let answer = reqwest::get(format!("http://{address}/health/{path}")).await.expect("an answer");
        answer.status().as_u16()
    };
    assert_eq!((health("live").await, health("ready").await), (200, 503));
    assert!(run(program(&pool).arg("migrate")).await.status.success());
    subscribed_before(&pool).await;
    assert_eq!(health("ready").await, 200);
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn a_wrong_setting_ends_the_program_and_is_named_in_one_line(pool: PgPool) {
    for (name, value, told) in [
        ("APP__HTTP__PORT", "eighty", "APP__HTTP__PORT"),
        ("APP__HTTP__PROT", "80", "prot"),
        ("APP__DATABASE__URL", "mysql://x", "APP__DATABASE__URL"),
        ("APP__DATABASE__URL", "", "database"),
        ("APP__AUTH__SECRET", "short", "auth.secret"),
        ("APP__MODE", "production", "development secret"),
        ("APP__LOG__FILTER", "info,sqlx=loud", "log.filter"),
        ("APP__LOG__FILTER", "shop[span]=debug", "log.filter"),
    ] {
        let output = run(program(&pool).env(name, value)).await;
        assert_eq!(output.status.code(), Some(1), "{name}={value}");
        let error = String::from_utf8(output.stderr).expect("text");
        assert!(error.starts_with("catalog-api: ") && error.contains(told), "{name}={value}: {error}");
        assert_eq!(error.trim_end().lines().count(), 1, "{error}");
        assert!(!error.contains("short\"") && !error.contains(DEVELOPMENT_SECRET), "{error}");
    }
    let missing = run(program(&pool).args(["--config", "/no/such/file.toml"])).await;
    assert!(String::from_utf8_lossy(&missing.stderr).contains("/no/such/file.toml"));
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn a_port_that_is_taken_is_said_so(pool: PgPool) {
    let (_child, address, _log) = serve(program(&pool)).await;
    let port = address.rsplit_once(':').expect("a port").1;
    let output = run(program(&pool).env("APP__HTTP__PORT", port)).await;
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).expect("text");
    assert!(error.contains(port) && error.contains("APP__HTTP__PORT"), "{error}");
}

#[sqlx::test(migrator = "catalog_api::MIGRATIONS")]
async fn no_secret_token_or_payload_is_logged_at_any_level(pool: PgPool) {
    sqlx::raw_sql("insert into product_type values (1, 'T'); insert into product_brand values (1, 'B')")
        .execute(&pool)
        .await
        .expect("a type and a brand");
    let mut command = program(&pool);
    command.env("APP__LOG__FILTER", "trace");
    let (mut child, address, mut log) = serve(command).await;
    let reading = tokio::spawn(async move {
        let mut text = String::new();
        log.read_to_string(&mut text).await.map(|_| text)
    });
    let bearer = token("a-person-of-flesh-and-blood", "catalog:write");
    let client = reqwest::Client::new();
    let items = format!("http://{address}/api/v1/catalog/items");
    let body = json!({"name": "An unheard-of name", "price": "1", "typeId": 1, "brandId": 1});
    let added = client.post(&items).bearer_auth(&bearer).header("idempotency-key", "k").json(&body);
    assert_eq!(added.send().await.expect("an answer").status(), 201);
    let wrong = client.post(&items).bearer_auth(format!("{bearer}x")).json(&body);
    assert_eq!(wrong.send().await.expect("an answer").status(), 401);

    let pid = child.id().expect("running").to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().await.expect("kill").success());
    assert!(child.wait().await.expect("waited").success());
    let log = reading.await.expect("read").expect("text");
    assert!(log.contains("/api/v1/catalog/items") && log.contains("TRACE"), "the log is on: {log:.2000}");
    let signature = bearer.rsplit_once('.').expect("a token").1;
    let secrets = [DEVELOPMENT_SECRET, signature, "a-person-of-flesh-and-blood", "An unheard-of name"];
    for secret in secrets {
        assert!(!log.contains(secret), "the log has {secret}");
    }
    let password = url(&pool).split_once("://").and_then(|(_, rest)| {
        let (user, _) = rest.split_once('@')?;
        user.split_once(':').map(|(_, password)| password.to_owned())
    });
    if let Some(password) = password.filter(|password| !password.is_empty()) {
        assert!(!log.contains(&password), "the log has the database's password");
    }
}
