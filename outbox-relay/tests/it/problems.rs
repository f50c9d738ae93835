//! What a relay says is wrong, and what it refuses to do.

use serde_json::Value;
use sqlx::PgPool;
use test_kit::{Mode, Protocol, Proxy, eventually};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::support::{LONG, Stage, user};

#[sqlx::test(migrations = false)]
async fn the_relays_of_a_log_publish_to_one_place(pool: PgPool) {
    let mut stage = Stage::set(pool).await;
    let mut one = stage.relay().start();
    one.until_ready(true).await;
    let two = stage.relay().env("APP__BROKER__EXCHANGE", "other.events").start();
    stage.log.raise_many(100, 1).await;
    assert_eq!(stage.seen(100).await.len(), 100);
    stage.log.drained().await;
    eventually("the second one says why it does nothing", LONG, async || {
        let status: Value = two.get("/api/v1/outbox/status").await.json().await.unwrap();
        let problem = status[0]["relay"]["databaseProblem"].as_str()?.to_owned();
        (problem.contains("exchange shop.events in virtual host") && problem.contains("same place"))
            .then_some(())
    })
    .await;
    assert_eq!(two.get("/health/ready").await.status(), 503);

    // Nor does one that would name another source: subscribers keep the order of keys for each.
    let named = stage.relay().env("APP__DATABASES__TEST__SOURCE", "/other").start();
    eventually("the third one says the same of its source", LONG, async || {
        let status: Value = named.get("/api/v1/outbox/status").await.json().await.unwrap();
        let problem = status[0]["relay"]["databaseProblem"].as_str()?.to_owned();
        (problem.contains("as the source /test") && problem.contains("same place")).then_some(())
    })
    .await;
    drop(named);

    // A log moves to another exchange when no relay publishes to the old one.
    one.signal(test_kit::Signal::TERM);
    assert!(one.ended().await.success());
    two.until_ready(true).await;
    stage.log.raise("a", 1..=1).await;
    stage.log.drained().await;
}

/// A way to the broker on which it seems to be of another cluster; returns its URL.
async fn as_another_cluster(url: &str) -> String {
    let (user, rest) = url.rsplit_once('@').unwrap();
    let (server, vhost) = rest.rsplit_once('/').unwrap();
    let (server, listener) = (server.to_owned(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut broker = TcpStream::connect(&server).await.unwrap();
            tokio::spawn(async move {
                let (mut header, mut greeting) = ([0; 8], [0; 7]);
                client.read_exact(&mut header).await.unwrap();
                broker.write_all(&header).await.unwrap();
                broker.read_exact(&mut greeting).await.unwrap();
                let size = u32::from_be_bytes(greeting[3..].try_into().unwrap());
                let mut rest = vec![0; size as usize + 1];
                broker.read_exact(&mut rest).await.unwrap();
                // A name, a type and a length come before the first letter.
                let name = b"\x0ccluster_nameS";
                let at = rest.windows(name.len()).position(|bytes| bytes == name).unwrap();
                rest[at + name.len() + 4] ^= 1;
                client.write_all(&[&greeting[..], &rest].concat()).await.unwrap();
                tokio::io::copy_bidirectional(&mut client, &mut broker).await.ok();
            });
        }
    });
    format!("{user}@{address}/{vhost}")
}

#[sqlx::test(migrations = false)]
async fn the_relays_of_a_log_publish_to_one_broker_whatever_its_exchange_is_called(pool: PgPool) {
    let mut stage = Stage::set(pool).await;
    let elsewhere = as_another_cluster(&stage.vhost.url).await;
    let mut one = stage.relay().start();
    one.until_ready(true).await;
    let two = stage.relay().env("APP__BROKER__URL", &elsewhere).start();
    stage.log.raise_many(100, 1).await;
    assert_eq!(stage.seen(100).await.len(), 100);
    stage.log.drained().await;
    eventually("the second one says why it does nothing", LONG, async || {
        let status: Value = two.get("/api/v1/outbox/status").await.json().await.unwrap();
        let problem = status[0]["relay"]["databaseProblem"].as_str()?.to_owned();
        (problem.contains(" of the cluster ") && problem.contains("same place")).then_some(())
    })
    .await;
    // A third one is where the first is.
    let three = stage.relay().start();
    three.until_ready(true).await;
    drop(three);

    // A log moves to another broker when no relay publishes to the old one.
    one.signal(test_kit::Signal::TERM);
    assert!(one.ended().await.success());
    two.until_ready(true).await;
    stage.log.raise("a", 1..=1).await;
    stage.log.drained().await;
}

#[sqlx::test(migrations = false)]
async fn status_exits_with_1_and_says_why_nothing_is_published_that_should_be(pool: PgPool) {
    let stage = Stage::set(pool).await;
    stage.log.raise("a", 1..=3).await;
    let (code, text, _) = stage.relay().output(&["status"]);
    assert!(code == 1 && text.contains("no relay runs"), "{text}");

    let (server, vhost) =
        stage.vhost.url.rsplit_once('@').map(|(_, rest)| rest.rsplit_once('/').unwrap()).unwrap();
    let wrong = format!("amqp://{}:wrong-password@{server}/{vhost}", user());
    let broken = stage.relay().env("APP__BROKER__URL", &wrong).env("APP__RELAY__NAME", "broken").start();
    let status = eventually("the status names the relay without a broker", LONG, async || {
        let (code, text, _) = stage.relay().output(&["status", "--json"]);
        (code == 1 && text.contains("relay broken: no broker: ")).then_some(text)
    })
    .await;
    let status: Value = serde_json::from_str(&status).unwrap();
    let problems = status[0]["problems"].as_array().unwrap();
    assert!(problems.iter().any(|problem| problem == "3 events are pending and no relay can publish them"));
    drop(broken);

    let relay = stage.relay().start();
    stage.log.drained().await;
    eventually("all is well", LONG, async || (stage.relay().output(&["status"]).0 == 0).then_some(())).await;
    drop(relay);
}

#[sqlx::test(migrations = false)]
async fn a_setting_that_can_never_work_ends_the_relay_at_its_start(pool: PgPool) {
    let stage = Stage::set(pool).await;
    for (setting, name, value) in [
        ("broker.url", "APP__BROKER__URL", "kafka://localhost/shop"),
        ("broker.url", "APP__BROKER__URL", "amqp://one,two/shop"),
        ("broker.url", "APP__BROKER__URL", "amqp://localhost:99999/shop"),
        ("broker.url", "APP__BROKER__URL", "amqp://localhost/shop?colour=red"),
        ("databases.test.url", "APP__DATABASES__TEST__URL", "mysql://localhost/shop"),
        ("databases.test.source", "APP__DATABASES__TEST__SOURCE", &"x".repeat(256)),
        ("databases.test.url", "APP__DATABASES__TEST__URL", "postgres://localhost:port/shop"),
        ("databases.test.url", "APP__DATABASES__TEST__URL", "postgres://localhost/shop?colour=red"),
        ("relay.retention_days", "APP__RELAY__RETENTION_DAYS", "2500000"),
    ] {
        let (code, _, error) = stage.relay().env(name, value).output(&["run"]);
        assert!(code == 1 && error.contains(setting), "{value}: {code} {error}");
        assert_eq!(error.lines().filter(|line| line.starts_with("outbox-relay: ")).count(), 1, "{error}");
    }
}

#[sqlx::test(migrations = false)]
async fn the_log_says_why_the_broker_is_unavailable_again_when_the_reason_changes(pool: PgPool) {
    let stage = Stage::set(pool).await;
    let (_, rest) = stage.vhost.url.rsplit_once('@').unwrap();
    let (server, vhost) = rest.rsplit_once('/').unwrap();
    let (host, port) = server.rsplit_once(':').unwrap();
    let proxy = Proxy::open(host, port.parse().unwrap(), Protocol::Amqp).await.unwrap();
    proxy.set(Mode::Refused);
    let wrong = format!("amqp://{}:wrong-password@{}/{vhost}", user(), proxy.address);
    let relay = stage.relay().env("APP__BROKER__URL", &wrong).start();
    let reason = async || {
        let status: Value = relay.get("/api/v1/outbox/status").await.json().await.unwrap();
        status[0]["relay"]["brokerProblem"].as_str().unwrap_or_default().to_owned()
    };
    let refused = eventually("nobody is there", LONG, async || {
        Some(reason().await).filter(|reason| !reason.is_empty() && reason != "not connected yet")
    })
    .await;
    assert!(relay.log().contains(&refused), "{}", relay.log());
    proxy.pass();
    let password = eventually("the password is wrong", LONG, async || {
        Some(reason().await).filter(|reason| reason.contains("ACCESS_REFUSED"))
    })
    .await;
    assert_ne!(refused, password);
    assert!(relay.log().contains("ACCESS_REFUSED"), "{}", relay.log());
    assert!(!password.contains("wrong-password"), "{password}");
}
