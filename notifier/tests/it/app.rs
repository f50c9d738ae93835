//! The service under test, the mailbox, and what tests do with them.

use std::time::Duration;

use event_bus::{HandleError, Handler, Received};
use notifier::subscriptions::{ForgetUser, Welcome};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use sqlx::PgPool;
use test_kit::{Running, app_url, eventually, token};
use uuid::Uuid;

/// How long anything may take that a test waits for.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// The address of tests.
pub(crate) const ANN: &str = "ann@buyers.example";

/// The secret that signs links.
pub(crate) const LINKS: &str = service_kit::link_token::DEVELOPMENT_SECRET;

/// The mailbox.
pub(crate) struct Mailbox {
    running: Running,
    /// Where it takes mail.
    pub(crate) smtp: String,
}

impl Mailbox {
    pub(crate) async fn start() -> Self {
        let running = Running::start(mailbox::app, &[("APP__SMTP__PORT", "0")]);
        let status = status(&running).await;
        Self { smtp: format!("smtp://{}", status["smtp"].as_str().unwrap()), running }
    }

    /// The mails, newest first.
    pub(crate) async fn mails(&self) -> Vec<Value> {
        let body = reqwest::get(format!("{}/api/messages", self.running.url())).await.unwrap();
        let body: Value = body.json().await.unwrap();
        body["messages"].as_array().unwrap().clone()
    }

    /// Waits until there are so many mails.
    pub(crate) async fn until(&self, count: usize) -> Vec<Value> {
        eventually(&format!("{count} mails have come"), SOON, async || {
            let mails = self.mails().await;
            (mails.len() >= count).then_some(mails)
        })
        .await
    }

    /// Has it do something wrong.
    pub(crate) async fn fault(&self, fault: Value) {
        let request = reqwest::Client::new().put(format!("{}/api/fault", self.running.url())).json(&fault);
        assert_eq!(request.send().await.unwrap().status(), 204);
    }

    /// Waits until what was to go wrong has done so, as often as it was to.
    pub(crate) async fn until_well(&self) {
        eventually("the fault has happened", SOON, async || {
            (status(&self.running).await["fault"]["fault"] == "none").then_some(())
        })
        .await;
    }
}

async fn status(running: &Running) -> Value {
    reqwest::get(format!("{}/api/status", running.url())).await.unwrap().json().await.unwrap()
}

/// The settings of a service with this database and this server.
pub(crate) fn settings<'a>(database: &'a str, smtp: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("APP__DATABASE__URL", database),
        ("APP__SMTP__URL", smtp),
        ("APP__STOREFRONT__URL", "https://shop.example/"),
        ("APP__LINKS__SECRET", LINKS),
        ("APP__WORKER__POLL_MS", "20"),
        ("APP__WORKER__FIRST_PAUSE_MS", "20"),
        ("APP__WORKER__LONGEST_PAUSE_MS", "100"),
        ("APP__WORKER__DEADLINE_MS", "1000"),
        ("APP__WORKER__LEASE_MS", "6000"),
        ("APP__WORKER__REFUSALS", "3"),
    ]
}

/// The service.
pub(crate) struct TestApp(Running);

impl TestApp {
    /// Starts it with this server; without a broker.
    pub(crate) fn spawn(pool: &PgPool, smtp: &str) -> Self {
        let database = app_url(pool, "notifier_app");
        let mut settings = settings(&database, smtp);
        settings.push(("APP__BROKER__URL", "amqp://127.0.0.1:1/%2f"));
        Self(Running::start(notifier::app, &settings))
    }

    /// An operator's request.
    pub(crate) fn operate(&self, method: Method, path: &str) -> RequestBuilder {
        self.request(method, path).bearer_auth(token("olga", "ops"))
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        reqwest::Client::new().request(method, format!("{}{path}", self.0.url()))
    }

    pub(crate) async fn see(&self, path: &str) -> Value {
        let answer = self.operate(Method::GET, path).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.json().await.unwrap()
    }
}

/// Has an event handled, and returns its id; the error is what the handler says of it.
pub(crate) async fn handle<H: Handler>(
    pool: &PgPool,
    handler: &H,
    key: &str,
    payload: Value,
) -> Result<Uuid, HandleError> {
    let event =
        Received::new(key, 1, serde_json::from_value(payload).expect("the payload that the handler reads"));
    let mut tx = pool.begin().await.unwrap();
    sqlx::query("set local role notifier_app").execute(&mut *tx).await.unwrap();
    handler.handle(&mut tx, &event).await?;
    tx.commit().await.unwrap();
    Ok(event.id)
}

/// The payload of a registration.
pub(crate) fn registered(user: Uuid, name: &str, email: &str) -> Value {
    json!({"userId": user, "userName": name, "email": email})
}

/// Has the event handled that a user has registered; returns its id.
pub(crate) async fn register(pool: &PgPool, user: Uuid, name: &str, email: &str) -> Uuid {
    handle(pool, &Welcome, &user.to_string(), registered(user, name, email)).await.unwrap()
}

/// Has the event handled that somebody with Ann's address has registered.
pub(crate) async fn register_ann(pool: &PgPool) -> Uuid {
    register(pool, Uuid::now_v7(), "Ann", ANN).await
}

/// Has the event handled that a user is gone.
pub(crate) async fn delete(pool: &PgPool, user: Uuid) {
    handle(pool, &ForgetUser, &user.to_string(), json!({"userId": user})).await.unwrap();
}

/// Waits until the mail is in this state.
pub(crate) async fn until(pool: &PgPool, mail: Uuid, state: &str) {
    eventually(&format!("the mail is {state}"), SOON, async || {
        (state_of(pool, mail).await == state).then_some(())
    })
    .await;
}

/// The state of a mail; nothing, if there is none.
pub(crate) async fn state_of(pool: &PgPool, mail: Uuid) -> String {
    let query = sqlx::query_scalar("select state from mail where mail_id = $1");
    query.bind(mail).fetch_optional(pool).await.unwrap().unwrap_or_default()
}

/// Why the last try to send a mail came to nothing.
pub(crate) async fn problem(pool: &PgPool, mail: Uuid) -> String {
    let query = sqlx::query_scalar("select problem from mail where mail_id = $1");
    query.bind(mail).fetch_one(pool).await.unwrap()
}
