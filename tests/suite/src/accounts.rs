//! What registers users and signs them in, beside a suite.

use std::net::TcpListener;

use reqwest::Method;
use serde_json::{Value, json};
use service_kit::{
    link_token::{DEVELOPMENT_SECRET, LinkKey, LinkSettings},
    settings::Mode,
};
use test_kit::Process;
use uuid::Uuid;

use crate::{
    Database, Settings, Suite,
    program::{migrate, start},
};

/// Accounts and a relay of its events, as processes.
pub struct Accounts {
    /// Accounts' process.
    pub accounts: Process,
    /// Accounts' database.
    pub database: Database,
    /// The relay's.
    pub relay: Process,
}

impl Accounts {
    /// Makes the database, and starts the processes.
    ///
    /// # Panics
    /// When the test servers, or the services' binaries, are not there.
    pub async fn open(suite: &Suite) -> Self {
        Self::open_with(suite, &[]).await
    }

    /// The same, with these settings over the usual ones.
    ///
    /// # Panics
    /// When the test servers, or the services' binaries, are not there.
    pub async fn open_with(suite: &Suite, settings: Settings<'_>) -> Self {
        let database = Database::create("accounts").await;
        let broker = ("APP__BROKER__URL", suite.vhost.url.as_str());
        // As every other program it checks tokens with the keys that accounts publishes, so the port is chosen here.
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (port, keys) = (free.port().to_string(), format!("http://{free}/.well-known/jwks.json"));
        let own = [
            ("APP__DATABASE__URL", database.url.as_str()),
            broker,
            ("APP__LINKS__SECRET", DEVELOPMENT_SECRET),
            ("APP__HTTP__PORT", &port),
            ("APP__AUTH__SECRET", ""),
            ("APP__AUTH__JWKS_URL", &keys),
        ];
        let own = [&own, settings].concat();
        migrate("accounts-api", &own);
        let accounts = start("accounts-api", &own);
        let of_relay = [("APP__DATABASES__ACCOUNTS__URL", database.url.as_str()), broker];
        let relay = start("outbox-relay", &[&of_relay, settings].concat());
        accounts.until_ready(true).await;
        Self { accounts, database, relay }
    }

    /// What has others check tokens with the keys that it publishes.
    pub fn trust(&self) -> [(&'static str, String); 2] {
        let url = format!("{}/.well-known/jwks.json", self.accounts.url);
        [("APP__AUTH__JWKS_URL", url), ("APP__AUTH__SECRET", String::new())]
    }

    /// The user who has this address, as operators see them.
    ///
    /// # Panics
    /// When accounts does not answer.
    pub async fn user(&self, email: &str) -> Option<Value> {
        let url = format!("{}/api/v1/users?email={email}", self.accounts.url);
        let request = reqwest::Client::new().request(Method::GET, url);
        let answer = request.bearer_auth(test_kit::signed_token("olga", "ops")).send().await.unwrap();
        (answer.status() == 200).then_some(answer.json().await.unwrap())
    }

    /// What stands behind the storefront's address in the mail to this user.
    ///
    /// # Panics
    /// Never.
    pub fn link(user: Uuid) -> String {
        let settings = LinkSettings { secret: Some(DEVELOPMENT_SECRET.into()) };
        let key = LinkKey::new(&settings, Mode::Development).unwrap();
        format!("/validate?user={user}&token={}", key.sign(user, chrono::Utc::now()))
    }

    /// Asks for a registration; the answer's status.
    ///
    /// # Panics
    /// When accounts does not answer.
    pub async fn register(&self, name: &str, email: &str, password: &str) -> u16 {
        let body = json!({"userName": name, "email": email, "password": password});
        let request = reqwest::Client::new().post(format!("{}/api/v1/users", self.accounts.url));
        request.json(&body).send().await.unwrap().status().as_u16()
    }
}
