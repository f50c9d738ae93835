//! The routes of accounts-api that pages need.

use chrono::{DateTime, Utc};
use reqwest::Method;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::{Client, Request, Result};
use crate::session::User;
use crate::settings::{Settings, service_variable};

/// A client of accounts-api. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct AccountsClient(Client);

/// Where an account stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AccountStatus {
    Registered,
    Validated,
    /// One that this version does not know.
    #[serde(other)]
    Other,
}

/// A user, as they see themselves.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Account {
    pub(crate) user_name: String,
    pub(crate) email: String,
    pub(crate) status: AccountStatus,
    pub(crate) created_at: DateTime<Utc>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Session {
    access_token: SecretString,
}

impl AccountsClient {
    /// A client of the configured accounts; `None` in a shop without. Does not connect.
    pub(crate) fn new(settings: &Settings) -> anyhow::Result<Option<Self>> {
        let service = settings.services.get("accounts");
        let client = |url: &str| Client::new("account service", &service_variable("accounts"), url).map(Self);
        service.map(|service| client(&service.url)).transpose()
    }

    /// Asks for a registration; who has the address is told by mail.
    pub(crate) async fn register(
        &self,
        (name, email, password): (&str, &str, &str),
        visitor: Option<String>,
    ) -> Result<()> {
        let body = json!({"userName": name, "email": email, "password": password});
        let request = self.0.request(Method::POST, &["api", "v1", "users"], &[]);
        of(request, visitor).body(&body).send().await?;
        Ok(())
    }

    /// A token for this address and password.
    pub(crate) async fn sign_in(
        &self,
        (email, password): (&str, &str),
        visitor: Option<String>,
    ) -> Result<SecretString> {
        let body = json!({"email": email, "password": password});
        let request = self.0.request(Method::POST, &["api", "v1", "sessions"], &[]);
        let session: Session = of(request, visitor).body(&body).json().await?;
        Ok(session.access_token)
    }

    /// The user themselves.
    pub(crate) async fn own(&self, user: &User) -> Result<Account> {
        self.0.get(&["api", "v1", "users", &user.name], &[]).by(user).json().await
    }

    /// Erases the user themselves.
    pub(crate) async fn erase(&self, user: &User) -> Result<()> {
        let request = self.0.request(Method::DELETE, &["api", "v1", "users", &user.name], &[]);
        request.by(user).send().await?;
        Ok(())
    }

    /// Shows that a user has the link from the mail.
    pub(crate) async fn validate(&self, user: Uuid, token: &str) -> Result<()> {
        let path = ["api", "v1", "users", &user.to_string(), "validate"];
        let request = self.0.request(Method::POST, &path, &[("token", token.to_owned())]);
        request.send().await?;
        Ok(())
    }
}

/// Names the visitor, whom accounts slows down where they guess.
fn of(request: Request, visitor: Option<String>) -> Request {
    match visitor {
        Some(visitor) => request.header("x-forwarded-for", &visitor),
        None => request,
    }
}
