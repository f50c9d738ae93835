//! Least rights at the broker: what the users of `deploy/rabbitmq/definitions.json` can and cannot do.

use std::time::Duration;

use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind,
    options::{
        BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions,
        ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions,
        QueueDeleteOptions, QueuePurgeOptions,
    },
    types::FieldTable,
};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use suite_tests::{Buyer, Merchant, Suite};
use test_kit::{Vhost, eventually};

const DEFINITIONS: &str = include_str!("../../../../../deploy/rabbitmq/definitions.json");

/// How long anything may take on a busy machine.
const LONG: Duration = Duration::from_secs(30);

/// Something to do at the broker.
#[derive(Debug, Clone, Copy)]
enum Act {
    Publish { exchange: &'static str, key: &'static str },
    PublishAs { exchange: &'static str, key: &'static str, user: &'static str },
    Get(&'static str),
    Consume(&'static str),
    Purge(&'static str),
    DeleteQueue(&'static str),
    DeleteExchange(&'static str),
    DeclareQueue(&'static str),
    DeclareExchange(&'static str),
    Bind { queue: &'static str, exchange: &'static str, key: &'static str },
}
use Act::{
    Bind, Consume, DeclareExchange, DeclareQueue, DeleteExchange, DeleteQueue, Get, Publish, PublishAs, Purge,
};

impl Act {
    async fn on(self, channel: &Channel) -> lapin::Result<()> {
        let table = FieldTable::default;
        match self {
            Publish { exchange, key } => publish(channel, exchange, key, BasicProperties::default()).await,
            PublishAs { exchange, key, user } => {
                publish(channel, exchange, key, BasicProperties::default().with_user_id(user.into())).await
            }
            Get(queue) => channel.basic_get(queue.into(), BasicGetOptions::default()).await.map(drop),
            Consume(queue) => {
                let options = BasicConsumeOptions::default();
                channel.basic_consume(queue.into(), "".into(), options, table()).await.map(drop)
            }
            Purge(queue) => channel.queue_purge(queue.into(), QueuePurgeOptions::default()).await.map(drop),
            DeleteQueue(queue) => {
                channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.map(drop)
            }
            DeleteExchange(name) => {
                channel.exchange_delete(name.into(), ExchangeDeleteOptions::default()).await
            }
            DeclareQueue(name) => {
                let options = QueueDeclareOptions::durable();
                channel.queue_declare(name.into(), options, table()).await.map(drop)
            }
            DeclareExchange(name) => {
                let options = ExchangeDeclareOptions::default();
                channel.exchange_declare(name.into(), ExchangeKind::Fanout, options, table()).await
            }
            Bind { queue, exchange, key } => {
                let options = QueueBindOptions::default();
                channel.queue_bind(queue.into(), exchange.into(), key.into(), options, table()).await
            }
        }
    }
}

async fn publish(
    channel: &Channel,
    exchange: &str,
    key: &str,
    properties: BasicProperties,
) -> lapin::Result<()> {
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let options = BasicPublishOptions::default();
    channel.basic_publish(exchange.into(), key.into(), options, b"forged", properties).await?.await.map(drop)
}

/// A user with the rights of one of the file's, in a test's virtual host alone.
struct User(test_kit::User);

impl User {
    /// One like the file's user `name`.
    async fn like(name: &str, vhost: &Vhost) -> Self {
        let definitions: Value = serde_json::from_str(DEFINITIONS).unwrap();
        let named = |one: &&Value| one["user"] == name || one["name"] == name;
        let file = definitions["users"].as_array().unwrap().iter().find(named).expect("a user of the file");
        assert_eq!(file["tags"], json!([]), "no rights in the management of the broker");
        let user = vhost.user(name).await;
        for (kind, list) in [("permissions", "permissions"), ("topic-permissions", "topic_permissions")] {
            for rights in definitions[list].as_array().unwrap().iter().filter(named) {
                vhost.put(kind, &format!("/{}", user.name), rights).await;
            }
        }
        Self(user)
    }

    async fn connect(&self) -> Connection {
        Connection::connect(&self.0.url, ConnectionProperties::default()).await.expect("a user of the broker")
    }

    /// Tries each, on a channel of its own; all must be refused for this reason.
    async fn is_refused(&self, reason: &str, acts: &[Act]) {
        let (connection, name) = (self.connect().await, &self.0.name);
        for act in acts {
            let channel = connection.create_channel().await.unwrap();
            match act.on(&channel).await {
                Ok(()) => panic!("{name}: {act:?} was allowed"),
                Err(error) => assert!(error.to_string().contains(reason), "{name}: {act:?}: {error}"),
            }
        }
        connection.close(200, "OK".into()).await.unwrap();
    }
}

fn management() -> String {
    std::env::var("RABBITMQ_MANAGEMENT_URL").expect("run the tests with `cargo shop test`")
}

/// The suite at work, with each process under its own user of the broker.
async fn at_work() -> (Suite, User, User) {
    let suite = Suite::set_up().await;
    let (relay, basket) = (User::like("relay", &suite.vhost).await, User::like("basket", &suite.vhost).await);
    (suite, relay, basket)
}

#[tokio::test]
async fn with_no_more_rights_than_these_the_suite_works_and_each_user_keeps_to_its_own() {
    let (suite, relay, basket) = at_work().await;
    let catalog = suite.start_catalog(&[]);
    let baskets = suite.start_basket(&catalog, &[("APP__BROKER__URL", &basket.0.url)]);
    let status = async |base: &str, path: &str, pointer: &str| {
        let url = format!("{base}/api/v1/{path}/status");
        let asked = Client::new().get(url).bearer_auth(test_kit::token("olga", "ops")).send().await.ok()?;
        asked.json::<Value>().await.ok()?.pointer(pointer).cloned()
    };
    // Its queue is bound before anything is published: so nothing has nowhere to go.
    eventually("the basket consumes", LONG, async || {
        status(&baskets.url, "inbox", "/connected").await.filter(|connected| *connected == true)
    })
    .await;
    let running = suite.start_relay(&[("APP__BROKER__URL", &relay.0.url)]);
    let alice = Buyer::of(&baskets, "alice");
    alice.takes(7, 1).await;
    Merchant::of(&catalog).price(7, "123.45").await;
    alice.until_alerts(1).await;
    running.until_ready(true).await;

    let (events, unrouted) = ("shop.events", "shop.unrouted");
    let priced = "shop.catalog.product_price_changed.v1";
    relay
        .is_refused(
            "ACCESS_REFUSED",
            &[
                Publish { exchange: "", key: "basket.events" },
                Publish { exchange: "amq.topic", key: priced },
                Publish { exchange: "basket.events.redirect", key: "again" },
                Publish { exchange: events, key: "other.thing" },
                Get("basket.events"),
                Get("basket.events.dead"),
                Consume("basket.events"),
                Purge("basket.events"),
                Purge("basket.events.dead"),
                DeleteQueue("basket.events"),
                DeleteExchange("basket.events.redirect"),
                DeclareQueue("relay.own"),
                DeclareQueue("basket.events"),
                DeclareExchange("relay.own"),
                DeclareExchange(events),
                DeclareExchange(unrouted),
                DeleteExchange(events),
                Get(unrouted),
                Purge(unrouted),
                DeleteQueue(unrouted),
                Bind { queue: "basket.events", exchange: events, key: priced },
                Bind { queue: "basket.events.dead", exchange: "basket.events.redirect", key: "again" },
                Bind { queue: "basket.events", exchange: events, key: "#" },
                Bind { queue: unrouted, exchange: events, key: "shop.catalog.#" },
            ],
        )
        .await;
    basket
        .is_refused(
            "ACCESS_REFUSED",
            &[
                Publish { exchange: events, key: priced },
                Publish { exchange: events, key: "shop.basket.anything.v1" },
                Publish { exchange: unrouted, key: priced },
                Publish { exchange: "", key: "basket.events" },
                Publish { exchange: "amq.topic", key: priced },
                Get(unrouted),
                Consume(unrouted),
                Purge(unrouted),
                DeleteQueue(unrouted),
                DeleteExchange(events),
                DeclareQueue("ordering.events"),
                DeclareExchange("shop.own"),
                Bind { queue: "basket.events", exchange: events, key: "#" },
                Bind { queue: "basket.events", exchange: events, key: "shop.payment.payment_failed.v1" },
                Bind { queue: unrouted, exchange: events, key: priced },
            ],
        )
        .await;

    alice.takes(8, 1).await;
    Merchant::of(&catalog).price(8, "99.00").await;
    alice.until_alerts(2).await;

    // What operators look at needs no more.
    let look = [
        ("APP__CONSUMERS__BASKET__URL", suite.basket.url.as_str()),
        ("APP__BROKER__URL", relay.0.url.as_str()),
    ];
    let audit = suite.command("outbox-relay", &look).arg("audit").output().unwrap();
    let failure = String::from_utf8_lossy(&audit.stderr);
    assert!(failure.is_empty() && !audit.stdout.is_empty(), "{failure}");
    let seen = eventually("the relay counts unrouted events", LONG, async || {
        status(&running.url, "outbox", "/0/relay/unrouted").await.filter(|count| !count.is_null())
    });
    assert_eq!(seen.await, 0);
    assert_eq!(status(&baskets.url, "inbox", "/queues/dead").await, Some(json!(0)));
}

#[tokio::test]
async fn a_message_in_another_users_name_is_refused() {
    let (suite, relay, basket) = at_work().await;
    let _relay = suite.start_relay(&[("APP__BROKER__URL", &relay.0.url)]);
    let catalog = suite.start_catalog(&[]);
    let baskets = suite.start_basket(&catalog, &[("APP__BROKER__URL", &basket.0.url)]);
    baskets.until_ready(true).await;
    Buyer::of(&baskets, "alice").takes(7, 1).await;
    let priced = "shop.catalog.product_price_changed.v1";
    for user in ["basket", "admin", "guest"] {
        relay
            .is_refused("PRECONDITION_FAILED", &[PublishAs { exchange: "shop.events", key: priced, user }])
            .await;
    }
    for user in ["relay", "admin"] {
        let act = PublishAs { exchange: "basket.events.redirect", key: "again", user };
        basket.is_refused("PRECONDITION_FAILED", &[act]).await;
    }
}

#[tokio::test]
async fn no_user_gets_into_another_virtual_host_or_the_management() {
    let vhost = test_kit::vhost().await;
    let other = test_kit::vhost().await;
    let management = reqwest::Url::parse(&management()).unwrap();
    for name in ["relay", "basket"] {
        let user = User::like(name, &vhost).await;
        user.connect().await.close(200, "OK".into()).await.unwrap();
        let elsewhere =
            format!("{}/{}", user.0.url.rsplit_once('/').unwrap().0, other.url.rsplit_once('/').unwrap().1);
        assert!(Connection::connect(&elsewhere, ConnectionProperties::default()).await.is_err(), "{name}");
        for path in ["/api/overview", "/api/users", "/api/definitions", "/api/queues"] {
            let mut url = management.clone();
            url.set_username("").unwrap();
            url.set_password(None).unwrap();
            url.set_path(path);
            let request = Client::new().get(url).basic_auth(&user.0.name, Some(&user.0.password));
            assert_eq!(request.send().await.unwrap().status(), StatusCode::UNAUTHORIZED, "{name}: {path}");
        }
    }
}
