//! What publishing, and waiting for something to publish, costs the database: statements, counted on the wire.

use std::time::Duration;

use sqlx::PgPool;
use test_kit::{Passed, Proxy, recording};

use crate::support::{LONG, Stage};

/// A wire to the server of the stage's log, and the log's URL over it.
async fn wire(stage: &Stage) -> (Proxy, String) {
    let server = stage.log.pool.connect_options();
    let wire = recording(server.get_host(), server.get_port()).await;
    let port = |port: u16| format!(":{port}/");
    let url = stage.log.url.replace(&port(server.get_port()), &port(wire.address.port()));
    assert_ne!(url, stage.log.url, "the relay's way goes over the wire");
    (wire, format!("{url}?sslmode=disable"))
}

fn statements(wire: &Proxy) -> Vec<String> {
    let statement = |passed| match passed {
        Passed::Statement(text) => Some(text),
        Passed::Ready => None,
    };
    wire.take().into_iter().flatten().filter_map(statement).collect()
}

#[sqlx::test(migrations = false)]
async fn a_relay_at_rest_asks_its_database_at_most_twice_a_second(pool: PgPool) {
    let stage = Stage::set(pool).await;
    // Another one, whose end it looks out for.
    let _neighbour = stage.relay().start();
    let (wire, url) = wire(&stage).await;
    let relay = stage.relay().env("APP__DATABASES__TEST__URL", &url).start();
    relay.until_ready(true).await;
    stage.log.raise("a", 1..=1).await;
    stage.log.drained().await;
    // The pauses between looks have grown to their longest within a few seconds.
    tokio::time::sleep(Duration::from_secs(3)).await;
    drop(wire.take());
    tokio::time::sleep(Duration::from_secs(4)).await;
    let asked = statements(&wire);
    assert!(asked.len() <= 10, "{} statements in 4 s: {asked:#?}", asked.len());
    assert!(!asked.is_empty(), "it is there and looks");
}

#[sqlx::test(migrations = false)]
async fn a_thousand_events_of_a_backlog_cost_at_most_five_statements(pool: PgPool) {
    let mut stage = Stage::set(pool).await;
    let (wire, url) = wire(&stage).await;
    stage.log.raise_many(1_000, 5).await;
    let relay = stage.relay().env("APP__DATABASES__TEST__URL", &url).start();
    for _ in 0..5_000 {
        stage.probe.next(LONG).await;
    }
    stage.log.drained().await;
    relay.until_ready(true).await;
    let all = statements(&wire);
    let is_mark = |text: &String| text.starts_with("with marked as");
    let last_mark = all.iter().rposition(is_mark).expect("they were marked");
    // What comes after it are the looks of a relay at rest: the longer this test took, the more.
    let marks = all.iter().filter(|text| is_mark(text)).count();
    let looks = all[..last_mark].iter().filter(|text| text.starts_with("with waiting as")).count();
    // A look reads a thousand events at most. A marking has no such limit: a relay that is held up for a moment
    // finds more of them confirmed.
    assert!(looks >= 5 && looks + marks <= 25, "{looks} looks and {marks} markings for 5,000 events");
}
