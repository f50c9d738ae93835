//! The operator routes of services and relays.

use std::time::Duration;

use anyhow::Result;
use futures_util::future::join_all;
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::answers::{DeadLetters, InboxStatus, WaitingKeys};
use crate::clients::{self, Client, ClientError};
use crate::session::User;
use crate::settings::{ServiceSettings, Settings, service_variable};

/// How long a status may take: the dashboard asks every second.
const STATUS_DEADLINE: Duration = Duration::from_millis(1_500);

/// How long an inbox status may take. The service itself waits up to 2 s for a broker that does not answer.
const INBOX_DEADLINE: Duration = Duration::from_millis(2_500);

/// How long an action, or listing dead letters, may take.
pub(super) const ACTION_DEADLINE: Duration = Duration::from_secs(12);

/// Clients of the services and relays, in the order of the settings. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct OpsApi {
    /// The services with an outbox.
    pub(super) publishers: Vec<Client>,
    /// The services with an inbox.
    pub(super) subscribers: Vec<Client>,
    pub(super) relays: Vec<Client>,
}

impl OpsApi {
    /// `None` where no relay is configured.
    pub(super) fn new(settings: &Settings) -> Result<Option<Self>> {
        let Some(relay) = &settings.relay else { return Ok(None) };
        let services = |is_wanted: fn(&ServiceSettings) -> bool| {
            let wanted = settings.services.iter().filter(move |(_, service)| is_wanted(service));
            let client = |(name, service): (&String, &ServiceSettings)| {
                Client::new(name, &service_variable(name), &service.url)
            };
            wanted.map(client).collect::<Result<Vec<_>>>()
        };
        let relays = relay.url.split(',').enumerate().map(|(index, url)| {
            let name = if index == 0 { "relay".to_owned() } else { format!("relay-{}", index + 1) };
            Client::new(&name, "APP__RELAY__URL", url.trim())
        });
        Ok(Some(Self {
            publishers: services(|service| service.publishes)?,
            subscribers: services(|service| service.subscribes)?,
            relays: relays.collect::<Result<_>>()?,
        }))
    }

    /// The first answer of a relay that is available.
    pub(super) async fn any_relay<T>(
        &self,
        ask: impl AsyncFn(&Client) -> clients::Result<T>,
    ) -> clients::Result<T> {
        let mut last =
            ClientError::Unavailable { service: "relay".to_owned(), cause: "no relay answers".to_owned() };
        for relay in &self.relays {
            match ask(relay).await {
                Err(error) if error.is_unavailable() => last = error,
                outcome => return outcome,
            }
        }
        Err(last)
    }

    /// An action on an event, by any relay.
    pub(super) async fn act_on_event(
        &self,
        user: &User,
        id: &str,
        action: &str,
        reason: Option<&str>,
    ) -> clients::Result<()> {
        self.any_relay(async |relay| act(relay, user, &["outbox", "events", id, action], reason).await).await
    }
}

/// The answers of several services, asked at the same time, each with the service's name.
pub(super) async fn ask_all<'a, T, F>(
    clients: &'a [Client],
    ask: impl Fn(&'a Client) -> F,
) -> Vec<(String, clients::Result<T>)>
where
    F: Future<Output = clients::Result<T>>,
{
    let answers = join_all(clients.iter().map(ask)).await;
    clients.iter().map(|client| client.service().to_owned()).zip(answers).collect()
}

/// Reads an operator route. `path` is what follows `/api/v1/`.
pub(super) async fn read<T: DeserializeOwned>(
    client: &Client,
    user: &User,
    path: &[&str],
    query: &[(&str, String)],
) -> clients::Result<T> {
    let path = [&["api", "v1"], path].concat();
    client.get(&path, query).by(user).deadline(STATUS_DEADLINE).json().await
}

/// Reads the status of a subscriber.
pub(super) async fn inbox_status(client: &Client, user: &User) -> clients::Result<InboxStatus> {
    let request = client.get(&["api", "v1", "inbox", "status"], &[]);
    request.by(user).deadline(INBOX_DEADLINE).json().await
}

/// Lists the dead letters of a subscriber.
pub(super) async fn dead_letters(client: &Client, user: &User) -> clients::Result<DeadLetters> {
    let request = client.get(&["api", "v1", "inbox", "dead-letters"], &[]);
    request.by(user).deadline(ACTION_DEADLINE).json().await
}

/// Lists the keys that wait in a subscriber's database.
pub(super) async fn waiting_keys(client: &Client, user: &User) -> clients::Result<WaitingKeys> {
    read(client, user, &["inbox", "waiting"], &[("pageSize", "100".to_owned())]).await
}

/// Posts an action. `path` is what follows `/api/v1/`.
pub(super) async fn act(
    client: &Client,
    user: &User,
    path: &[&str],
    reason: Option<&str>,
) -> clients::Result<()> {
    act_with(client, user, path, reason.map(|reason| json!({"reason": reason})).as_ref()).await
}

/// Posts an action with this body.
pub(super) async fn act_with(
    client: &Client,
    user: &User,
    path: &[&str],
    body: Option<&serde_json::Value>,
) -> clients::Result<()> {
    let path = [&["api", "v1"], path].concat();
    let request = client.request(Method::POST, &path, &[]).by(user).deadline(ACTION_DEADLINE);
    let request = if let Some(body) = body { request.body(body) } else { request };
    request.send().await.map(drop)
}
