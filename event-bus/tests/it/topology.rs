//! Queues that are there, queues that are not, and users who may not declare them.

use event_bus::{BrokerConfig, Subscriber, consumer::ConsumerHealth, relay::Publisher};
use lapin::{BasicProperties, options::BasicGetOptions};
use serde_json::json;
use sqlx::PgPool;
use test_kit::{User, Vhost, eventually};
use tokio_util::sync::CancellationToken;

use crate::support::{CountUp, LONG, RAISED, Stage, broker, raised};

/// The name of the subscriber.
const DESK: &str = "desk";

/// Its rights with the one to declare its queues, and without.
const ALL: [&str; 3] = [r"^desk\.", r"^desk\.", r"^(desk\.|shop\.events$)"];
const WITHOUT_CONFIGURE: [&str; 3] = ["^$", ALL[1], ALL[2]];

/// The broker of a virtual host, as this user.
fn broker_as(vhost: &Vhost, user: &User) -> BrokerConfig {
    let mut config = broker(vhost);
    config.url = user.url.clone().into();
    config
}

/// A subscriber as this user, until the token is cancelled.
async fn subscribe(pool: &PgPool, vhost: &Vhost, user: &User) -> (ConsumerHealth, CancellationToken) {
    sqlx::raw_sql(event_bus::inbox::SCHEMA).execute(pool).await.unwrap();
    let config = broker_as(vhost, user);
    let handler = CountUp { met: std::sync::Arc::default() };
    let subscriber = Subscriber::new(DESK, pool.clone(), config).handle(handler).unwrap();
    let (health, stop) = (subscriber.health(), CancellationToken::new());
    tokio::spawn(subscriber.run(stop.clone()));
    (health, stop)
}

#[sqlx::test(migrations = false)]
async fn a_queue_is_declared_with_its_type_and_its_single_active_consumer_alone(pool: PgPool) {
    let stage = Stage::set(pool).await;
    let arguments = stage.vhost.arguments(&stage.queue()).await;
    assert_eq!(arguments, json!({"x-queue-type": "quorum", "x-single-active-consumer": true}));
    assert_eq!(stage.vhost.arguments(&stage.dead()).await, json!({"x-queue-type": "quorum"}));
}

#[sqlx::test(migrations = false)]
async fn queues_that_were_declared_with_other_arguments_go_on_working(pool: PgPool) {
    let mut stage = Stage::set(pool).await;
    stage.stop.cancel();
    (&mut stage.running).await.unwrap();
    // As the first release declared them, and some that no release has.
    let redirect = "old.events.redirect";
    stage.vhost.put("exchanges", &format!("/{redirect}"), &json!({"type": "direct", "durable": true})).await;
    for (queue, arguments) in [
        (
            "old.events",
            json!({"x-queue-type": "quorum", "x-single-active-consumer": true, "x-delivery-limit": 100,
            "x-dead-letter-exchange": redirect, "x-dead-letter-routing-key": "dead",
            "x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish"}),
        ),
        ("old.events.dead", json!({"x-queue-type": "classic", "x-message-ttl": 60_000_000})),
    ] {
        let queue_of = json!({"durable": true, "arguments": arguments});
        stage.vhost.put("queues", &format!("/{queue}"), &queue_of).await;
    }
    let subscriber = Subscriber::new("old", stage.pool.clone(), broker(&stage.vhost));
    let subscriber = subscriber.handle(CountUp { met: std::sync::Arc::default() }).unwrap();
    let (health, stop) = (subscriber.health(), CancellationToken::new());
    let running = tokio::spawn(subscriber.run(stop.clone()));
    eventually("it consumes", LONG, async || health.is_connected().then_some(())).await;
    for event in [raised("a", 1, ""), raised("b", 1, "reject")] {
        let sent = stage.publisher.send(&event.outgoing()).await.unwrap();
        sent.outcome().await.unwrap();
    }
    assert_eq!(stage.until_applied(1).await, [("a".to_owned(), 1)]);
    let dead = async || stage.vhost.take("old.events.dead").await;
    let dead = eventually("the other is dead-lettered", LONG, dead).await;
    assert_eq!(dead.json()["subject"], "b");
    assert_eq!(health.problem(), None);
    stop.cancel();
    running.await.unwrap();
}

#[sqlx::test(migrations = false)]
async fn without_the_right_to_declare_its_queue_a_subscriber_says_what_to_declare_and_uses_what_is_there(
    pool: PgPool,
) {
    let vhost = test_kit::vhost().await;
    let user = vhost.user(DESK).await;
    vhost.permit(&user, WITHOUT_CONFIGURE).await;
    let (health, stop) = subscribe(&pool, &vhost, &user).await;
    for (kind, name, what, body) in [
        (
            "exchanges",
            "desk.events.redirect",
            "(direct, durable)",
            json!({"type": "direct", "durable": true}),
        ),
        (
            "queues",
            "desk.events.dead",
            "(durable, x-queue-type=quorum)",
            json!({"durable": true, "arguments": {"x-queue-type": "quorum"}}),
        ),
        (
            "queues",
            "desk.events",
            "(durable, x-queue-type=quorum, x-single-active-consumer=true)",
            json!({"durable": true, "arguments": {"x-queue-type": "quorum", "x-single-active-consumer": true}}),
        ),
    ] {
        let sentence = format!("{name} {what}, and this user may not declare it");
        eventually(&sentence, LONG, async || health.problem()?.contains(&sentence).then_some(())).await;
        vhost.put(kind, &format!("/{name}"), &body).await;
    }
    eventually("it consumes", LONG, async || health.is_connected().then_some(())).await;
    stop.cancel();
}

#[sqlx::test(migrations = false)]
async fn with_the_right_to_declare_its_queue_a_subscriber_needs_no_other(pool: PgPool) {
    let vhost = test_kit::vhost().await;
    let user = vhost.user(DESK).await;
    vhost.permit(&user, ALL).await;
    let (health, stop) = subscribe(&pool, &vhost, &user).await;
    eventually("it consumes", LONG, async || health.is_connected().then_some(())).await;
    // The depth of the queue for unrouted events is not its business on every version of the broker.
    let config = broker_as(&vhost, &user);
    let depths = event_bus::relay::depths(&config, DESK, "test").await.unwrap();
    assert_eq!((depths.ready, depths.consumers, depths.dead), (0, 1, 0));
    stop.cancel();
}

#[sqlx::test(migrations = false)]
async fn with_the_right_to_write_to_it_a_user_sees_the_depth_of_a_queue_and_takes_nothing(pool: PgPool) {
    let mut stage = Stage::set(pool).await;
    stage.stop.cancel();
    (&mut stage.running).await.unwrap();
    for version in 1..=3 {
        let sent = stage.publisher.send(&raised("a", version, "").outgoing()).await.unwrap();
        sent.outcome().await.unwrap();
    }
    let user = stage.vhost.user("auditor").await;
    stage.vhost.permit(&user, ["^$", r"\.events(\.dead)?$", "^$"]).await;
    let config = broker_as(&stage.vhost, &user);
    let ready = async || {
        let depths = event_bus::relay::depths(&config, &stage.consumer, "test").await.unwrap();
        (depths.ready == 3).then_some(())
    };
    eventually("the three are counted", LONG, ready).await;
}

#[tokio::test]
async fn the_exchange_for_events_is_declared_by_who_may_and_asked_for_by_who_may_not() {
    let vhost = test_kit::vhost().await;
    vhost.delete("exchanges", "/shop.events").await;
    let user = vhost.user("relay").await;
    vhost.permit(&user, ["^$", r"^shop\.(events|unrouted)$", "^$"]).await;
    let config = broker_as(&vhost, &user);
    let Err(error) = Publisher::connect(&config, "relay").await else { panic!("there is no exchange") };
    let source = std::error::Error::source(&error).unwrap().to_string();
    let wanted = "there is no exchange shop.events (topic, durable, alternate-exchange=shop.unrouted), and this \
                  user may not declare it: declare it, or give the user the right to configure it";
    assert_eq!(source, wanted);
    Publisher::connect(&broker(&vhost), "administrator").await.unwrap().close().await;
    Publisher::connect(&config, "relay").await.unwrap().close().await;
}

#[tokio::test]
async fn unrouted_events_and_dead_letters_outlast_thirty_looks() {
    let vhost = test_kit::vhost().await;
    let declared = json!({"durable": true, "arguments": {"x-queue-type": "quorum"}});
    vhost.put("queues", "/desk.events.dead", &declared).await;
    vhost.publish("", "desk.events.dead", b"dead", BasicProperties::default()).await;
    vhost.publish("shop.events", RAISED, b"nobody wants it", BasicProperties::default()).await;
    for queue in ["desk.events.dead", "shop.unrouted"] {
        for _ in 0..30 {
            // A look: taken, and returned by the end of the connection.
            let connection = vhost.connect().await;
            let channel = connection.create_channel().await.unwrap();
            let look = async || channel.basic_get(queue.into(), BasicGetOptions::default()).await.unwrap();
            eventually("it is there", LONG, look).await;
            connection.close(200, "OK".into()).await.unwrap();
        }
    }
}

#[tokio::test]
async fn the_definitions_are_imported_over_the_queues_of_an_older_release() {
    let vhost = test_kit::vhost().await;
    let (queue, old) = (
        "shop.unrouted",
        json!({"x-queue-type": "quorum", "x-max-length": 100_000, "x-overflow": "drop-head"}),
    );
    vhost.delete("queues", &format!("/{queue}")).await;
    vhost.put("queues", &format!("/{queue}"), &json!({"durable": true, "arguments": old})).await;
    vhost.define().await;
    assert_eq!(vhost.arguments(queue).await, old);
    vhost.publish("shop.events", RAISED, b"nobody wants it", BasicProperties::default()).await;
    eventually("it is kept there", LONG, async || vhost.take(queue).await).await;
}
