//! Events over a real broker, and the service as a process.

use std::process::Command;

use lapin::BasicProperties;
use serde_json::{Value, json};
use sqlx::PgPool;
use test_kit::{Process, Vhost, app_url, beside_this_program, vhost};
use uuid::Uuid;

use crate::app::{Mailbox, registered, settings, until};

/// A database and a virtual host of their own, with a mailbox.
pub(crate) struct Shop {
    pool: PgPool,
    vhost: Vhost,
    pub(crate) mailbox: Mailbox,
}

impl Shop {
    pub(crate) async fn set_up(pool: &PgPool) -> Self {
        let vhost = vhost().await;
        Self { pool: pool.clone(), vhost, mailbox: Mailbox::start().await }
    }

    pub(crate) async fn start(&self, point: Option<&str>) -> Process {
        let point = point.map(|point| ("CRASH_POINT", point));
        self.start_with(point.as_slice()).await
    }

    /// Starts the service with these variables over the usual ones.
    pub(crate) async fn start_with(&self, variables: &[(&str, &str)]) -> Process {
        let database = app_url(&self.pool, "notifier_app");
        let mut settings = settings(&database, &self.mailbox.smtp);
        settings.extend([
            ("APP__MODE", "development"),
            ("APP__HTTP__PORT", "0"),
            ("APP__AUTH__SECRET", service_kit::auth::DEVELOPMENT_SECRET),
            ("APP__BROKER__URL", &self.vhost.url),
            ("APP__LOG__FILTER", "debug"),
        ]);
        settings.extend(variables);
        let mut command = Command::new(beside_this_program("notifier").unwrap());
        command.env_clear().envs(settings);
        let process = Process::start("notifier", command);
        process.until_ready(true).await;
        process
    }

    /// Announces a registration, as the relay of accounts would; returns the event's id.
    pub(crate) async fn announce(&self, user: Uuid, payload: &Value) -> Uuid {
        let (id, event_type) = (Uuid::now_v7(), "shop.accounts.user_registered.v1");
        let message = json!({
            "specversion": "1.0", "id": id, "source": "/accounts", "type": event_type, "subject": user,
            "time": chrono::Utc::now().to_rfc3339(), "datacontenttype": "application/json",
            "partitionkey": user, "sequence": "1", "data": payload,
        });
        for _ in 0..2 {
            let properties = BasicProperties::default()
                .with_content_type("application/cloudevents+json".into())
                .with_delivery_mode(2);
            self.vhost.publish("shop.events", event_type, message.to_string().as_bytes(), properties).await;
        }
        id
    }
}

#[sqlx::test(migrator = "notifier::MIGRATIONS")]
async fn who_registers_while_the_notifier_is_down_is_welcomed_once_when_it_is_back(pool: PgPool) {
    let shop = Shop::set_up(&pool).await;
    drop(shop.start(None).await);
    let mut events = Vec::new();
    for number in 0..5 {
        let user = Uuid::now_v7();
        let payload = registered(user, "Ann", &format!("ann-{number}@buyers.example"));
        events.push(shop.announce(user, &payload).await);
    }
    shop.mailbox.fault(json!({"fault": "refuse", "code": 550, "times": 1})).await;
    let again = shop.start(None).await;
    shop.mailbox.until_well().await;
    let mails = shop.mailbox.until(4).await;
    for mail in &mails {
        let id = mail["messageId"].as_str().unwrap().split('@').next().unwrap().parse().unwrap();
        assert!(events.contains(&id), "{mail}");
        events.retain(|event| *event != id);
        until(&pool, id, "sent").await;
    }
    let [refused] = events[..] else { panic!("each once, and one is refused: {mails:?}") };
    until(&pool, refused, "failed").await;
    let log = again.log();
    assert!(log.contains("a mail is sent") && log.contains("a mail has failed"), "{log}");
    assert!(!log.contains("buyers.example"), "no address is logged: {log}");
}
