//! Types for which there is no handler: not any more, or not in this process.

use std::sync::Arc;

use event_bus::Handler;
use sqlx::PgPool;
use test_kit::eventually;

use crate::support::{CountUp, LONG, Raised, Sent, Stage, broker, raised};

#[sqlx::test(migrations = false)]
async fn a_type_whose_handler_was_removed_is_unbound_and_its_events_are_ignored(pool: PgPool) {
    const REMOVED: &str = "shop.test.counter_lowered.v1";
    let stage = Stage::set(pool).await;
    stage.vhost.bind(&stage.queue(), REMOVED).await;
    let removed = || {
        let id = uuid::Uuid::now_v7();
        format!(
            r#"{{"specversion":"1.0","id":"{id}","source":"/x","type":"{REMOVED}","subject":"a","sequence":"1","data":{{}}}}"#
        )
    };
    let cloud = || lapin::BasicProperties::default().with_content_type("application/cloudevents+json".into());
    eventually("it reaches no queue but that for unrouted events", LONG, async || {
        stage.vhost.publish("shop.events", REMOVED, removed().as_bytes(), cloud()).await;
        stage.vhost.take("shop.unrouted").await
    })
    .await;
    stage.send(&raised("a", 1, "")).await;
    stage.until_applied(1).await;
    assert!(stage.vhost.take(&stage.dead()).await.is_none(), "it is nobody's fault");
}

/// As [`CountUp`], of a type that only a newer release knows.
struct Lowered(CountUp);

impl Handler for Lowered {
    const EVENT_TYPE: &'static str = "shop.test.counter_lowered.v1";
    type Payload = Raised;

    async fn handle(
        &self,
        tx: &mut sqlx::Transaction<'_, sqlx::Postgres>,
        event: &event_bus::Received<Raised>,
    ) -> Result<(), event_bus::HandleError> {
        self.0.handle(tx, event).await
    }
}

#[sqlx::test(migrations = false)]
async fn while_processes_are_replaced_the_events_of_a_new_handler_are_left_to_the_new_ones(pool: PgPool) {
    let stage = Stage::set(pool).await;
    let newer = event_bus::Subscriber::new(&stage.consumer, stage.pool.clone(), broker(&stage.vhost))
        .handle(Lowered(CountUp { met: Arc::default() }))
        .and_then(|subscriber| subscriber.handle(CountUp { met: Arc::default() }))
        .unwrap();
    let health = newer.health();
    // The older process is the one that consumes.
    let running = tokio::spawn(newer.run(stage.stop.clone()));
    eventually("the newer one stands by", LONG, async || health.is_connected().then_some(())).await;
    let lowered = |version| Sent { event_type: "shop.test.counter_lowered.v1", ..raised("a", version, "") };
    for version in 1..=3 {
        stage.send(&lowered(version)).await;
    }
    stage.send(&raised("b", 1, "")).await;
    let mut applied = stage.until_applied(4).await;
    applied.sort();
    let a = |version| ("a".to_owned(), version);
    assert_eq!(applied, [a(1), a(2), a(3), ("b".to_owned(), 1)]);
    assert!(stage.vhost.take(&stage.dead()).await.is_none());
    stage.stop.cancel();
    running.await.unwrap();
}

#[sqlx::test(migrations = false)]
async fn while_processes_are_replaced_an_event_of_a_new_handler_that_waits_is_no_dead_letter(pool: PgPool) {
    let stage = Stage::set(pool).await;
    let newer = event_bus::Subscriber::new(&stage.consumer, stage.pool.clone(), broker(&stage.vhost))
        .handle(Lowered(CountUp { met: Arc::default() }))
        .unwrap();
    let health = newer.health();
    let running = tokio::spawn(newer.run(stage.stop.clone()));
    eventually("the newer one stands by", LONG, async || health.is_connected().then_some(())).await;
    stage.hold("a").await;
    stage.send(&Sent { event_type: Lowered::EVENT_TYPE, ..raised("a", 1, "wait") }).await;
    stage.until_waiting(1).await;
    let at_once = "update inbox_waiting set next_attempt_at = now(), failures = 1";
    let reasons = "select reason from inbox_waiting where reason like 'no handler%'";
    eventually("the older process has tried it", LONG, async || {
        // Which of the two tries it is chance.
        sqlx::raw_sql(at_once).execute(&stage.pool).await.unwrap();
        sqlx::query(reasons).fetch_optional(&stage.pool).await.unwrap()
    })
    .await;
    stage.release("a").await;
    eventually("the newer process has tried it", LONG, async || {
        sqlx::raw_sql(at_once).execute(&stage.pool).await.unwrap();
        (stage.applied().await == [("a".to_owned(), 1)]).then_some(())
    })
    .await;
    assert!(stage.vhost.take(&stage.dead()).await.is_none());
    stage.stop.cancel();
    running.await.unwrap();
}
