//! The service under test, and what tests do with it.

use std::{net::IpAddr, time::Duration};

use accounts_api::subscriptions::{Forget, Register};
use event_bus::{Handler, Received};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use service_kit::link_token::{DEVELOPMENT_SECRET as LINKS, LinkKey, LinkSettings};
use service_kit::settings::Mode;
use sqlx::PgPool;
use test_kit::{Running, app_url, eventually, token};
use uuid::Uuid;

pub(crate) const PASSWORD: &str = "correct horse battery";

/// One process's worth of the service, without a broker: tests hand it the events.
pub(crate) struct TestApp {
    pub(crate) pool: PgPool,
    pub(crate) client: reqwest::Client,
    running: Running,
}

impl TestApp {
    /// Starts the service, with the shared secret for tokens that tests make.
    pub(crate) fn spawn(pool: &PgPool) -> Self {
        Self::spawn_with(pool, &[])
    }

    pub(crate) fn spawn_with(pool: &PgPool, settings: &[(&str, &str)]) -> Self {
        let url = app_url(pool, "accounts_app");
        let usual = [
            ("APP__LINKS__SECRET", LINKS),
            ("APP__DATABASE__URL", &url),
            ("APP__BROKER__URL", "amqp://127.0.0.1:1/%2f"),
        ];
        let running = Running::start(accounts_api::app, &[&usual, settings].concat());
        Self { pool: pool.clone(), client: reqwest::Client::new(), running }
    }

    /// The address of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.running.url())
    }

    /// A request with this token's subject and scopes, to a path below the users.
    pub(crate) fn request_as(&self, method: Method, path: &str, sub: &str, scope: &str) -> RequestBuilder {
        let request = self.client.request(method, self.url(&format!("/api/v1/users{path}")));
        request.bearer_auth(token(sub, scope))
    }

    /// Asks for a registration.
    pub(crate) async fn ask(&self, body: &Value) -> Response {
        self.client.post(self.url("/api/v1/users")).json(body).send().await.unwrap()
    }

    /// Asks for a registration and has its command handled: the id of the user, who may be rejected.
    pub(crate) async fn register(&self, email: &str) -> Uuid {
        let body = json!({"userName": "Alice", "email": email, "password": PASSWORD});
        // Who is told to try again does: a hundred at once are many for a busy machine.
        let answer = eventually("the registration is taken", Duration::from_secs(20), async || {
            let answer = self.ask(&body).await;
            (answer.status() != 503).then_some(answer)
        })
        .await;
        assert_eq!(answer.status(), 202, "{:?}", answer.text().await);
        let id: Uuid =
            answer.headers()["location"].to_str().unwrap()["/api/v1/users/".len()..].parse().unwrap();
        self.handle(&Register, id).await;
        id
    }

    /// The user as operators see them.
    pub(crate) async fn see(&self, id: Uuid) -> Option<Value> {
        let answer = self.request_as(Method::GET, &format!("/{id}"), "olga", "ops").send().await.unwrap();
        match answer.status().as_u16() {
            200 => Some(answer.json().await.unwrap()),
            404 => None,
            other => panic!("{other}"),
        }
    }

    pub(crate) async fn sign_in(&self, email: &str, password: &str) -> Response {
        self.sign_in_by(&self.client, email, password).await
    }

    pub(crate) async fn sign_in_by(&self, client: &reqwest::Client, email: &str, password: &str) -> Response {
        let body = json!({"email": email, "password": password});
        client.post(self.url("/api/v1/sessions")).json(&body).send().await.unwrap()
    }

    pub(crate) async fn validate(&self, id: Uuid, link: &str) -> Response {
        let url = self.url(&format!("/api/v1/users/{id}/validate?token={link}"));
        self.client.post(url).send().await.unwrap()
    }

    pub(crate) async fn handle<H: Handler>(&self, handler: &H, id: Uuid)
    where
        H::Payload: serde::de::DeserializeOwned,
    {
        let mut tx = self.pool.begin().await.unwrap();
        sqlx::query("set local role accounts_app").execute(&mut *tx).await.unwrap();
        handler.handle(&mut tx, &received(id)).await.unwrap();
        tx.commit().await.unwrap();
    }

    pub(crate) async fn forget(&self, id: Uuid) {
        self.handle(&Forget, id).await;
    }

    /// What is in the outbox of a user: the event's name and its payload.
    pub(crate) async fn announced(&self, id: Uuid) -> Vec<(String, Value)> {
        sqlx::query_as(
            "select split_part(event_type, '.', 3), payload from integration_event_log where key = $1 order by position",
        )
        .bind(id.to_string())
        .fetch_all(&self.pool)
        .await
        .unwrap()
    }
}

/// A client at another address of this machine.
pub(crate) fn client_at(address: [u8; 4]) -> reqwest::Client {
    reqwest::Client::builder().local_address(IpAddr::from(address)).build().unwrap()
}

/// What the service and the sender of mail derive links from.
pub(crate) fn links() -> LinkKey {
    LinkKey::new(&LinkSettings { secret: Some(LINKS.into()) }, Mode::Development).unwrap()
}

pub(crate) fn received<P: serde::de::DeserializeOwned>(id: Uuid) -> Received<P> {
    Received {
        source: "/accounts".to_owned(),
        ..Received::new(
            id.to_string(),
            1,
            serde_json::from_value(json!({"userId": id})).expect("the payload that the handler reads"),
        )
    }
}
