//! The operator routes of services and relays.

use std::time::Duration;

use anyhow::Result;
use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use reqwest::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

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

/// The status of a service's outbox.
#[derive(Debug, Deserialize)]
pub(super) struct OutboxStatus {
    pub(super) log: LogStatus,
    pub(super) progress: Progress,
}

/// The events of an outbox that are not published yet, and the number of relays that are alive.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LogStatus {
    pub(super) pending: i64,
    pub(super) oldest_pending_age_seconds: f64,
    pub(super) failed: i64,
    pub(super) relays: i64,
}

/// How many events were ever committed, and how many of these are published or skipped.
#[derive(Debug, Deserialize)]
pub(super) struct Progress {
    pub(super) committed: i64,
    pub(super) settled: i64,
}

/// What a relay process says about one database.
#[derive(Debug, Deserialize)]
pub(super) struct RelayStatus {
    pub(super) database: String,
    pub(super) relay: Option<Publishing>,
    /// What an operator should act on, of all relays of the database.
    #[serde(default)]
    pub(super) problems: Vec<String>,
}

/// How many events a relay process has published from a database, and what keeps it from publishing.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Publishing {
    pub(super) published: u64,
    pub(super) database_problem: Option<String>,
    pub(super) broker_problem: Option<String>,
    /// The unroutable events of all services.
    pub(super) unrouted: Option<u64>,
    #[serde(default)]
    pub(super) held_back: Vec<HeldType>,
}

/// A type of which events wait, because the broker does not take them.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HeldType {
    pub(super) event_type: String,
    pub(super) reason: String,
    pub(super) since: DateTime<Utc>,
    pub(super) waiting: u64,
}

/// The scheduled events that are due first, and how many there are.
#[derive(Debug, Deserialize)]
pub(super) struct ScheduledEvents {
    pub(super) count: usize,
    pub(super) data: Vec<ScheduledEvent>,
    pub(super) problems: Vec<String>,
}

/// An event that is to be announced later.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ScheduledEvent {
    pub(super) scheduled_id: String,
    pub(super) database: String,
    pub(super) due: DateTime<Utc>,
    pub(super) event_type: String,
    pub(super) key: String,
    pub(super) created_at: DateTime<Utc>,
}

/// The relays that publish from one database, the oldest first.
#[derive(Debug, Deserialize)]
pub(super) struct DatabaseRelays {
    pub(super) database: String,
    pub(super) relays: Vec<RegisteredRelay>,
}

/// A relay in a database's registry, and the partitions that it owns there.
#[derive(Debug, Deserialize)]
pub(super) struct RegisteredRelay {
    pub(super) name: String,
    pub(super) since: DateTime<Utc>,
    pub(super) alive: bool,
    pub(super) partitions: Vec<usize>,
}

/// The status of a service's inbox and queues.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InboxStatus {
    pub(super) connected: bool,
    pub(super) in_hand: u64,
    pub(super) receipts: Receipts,
    /// Absent while the broker is unavailable.
    pub(super) queues: Option<Queues>,
    /// Absent while the database is unavailable.
    pub(super) waiting: Option<Waiting>,
    /// Only from a service that raises alerts.
    pub(super) alerts_raised: Option<i64>,
    pub(super) problems: Vec<String>,
}

/// The deliveries to a process since its start, by their outcome.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Receipts {
    pub(super) first: u64,
    pub(super) redelivered_known: u64,
    pub(super) repeated: u64,
    pub(super) stale: u64,
    pub(super) waiting: u64,
}

/// The events that wait in a service's database, for another try or behind one that does.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Waiting {
    pub(super) events: i64,
    pub(super) blocked_keys: i64,
}

/// The messages in a service's queues. `unrouted` counts the messages of all services, where the service may know.
#[derive(Debug, Deserialize)]
pub(super) struct Queues {
    pub(super) ready: u64,
    pub(super) consumers: u32,
    pub(super) dead: u64,
    pub(super) unrouted: Option<u64>,
}

/// An event of an outbox. A list has no `deliveries`.
#[expect(clippy::struct_field_names, reason = "the fields are named as the relay names them")]
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Event {
    pub(super) database: String,
    pub(super) event_id: String,
    pub(super) event_type: String,
    pub(super) key: String,
    pub(super) key_version: i64,
    pub(super) partition: i16,
    pub(super) state: String,
    pub(super) times_sent: i32,
    pub(super) created_at: DateTime<Utc>,
    pub(super) published_at: Option<DateTime<Utc>>,
    pub(super) last_error: Option<String>,
    pub(super) skipped_at: Option<DateTime<Utc>>,
    pub(super) skipped_by: Option<String>,
    pub(super) skip_reason: Option<String>,
    pub(super) headers: serde_json::Value,
    pub(super) payload: serde_json::Value,
    #[serde(default)]
    pub(super) deliveries: Vec<Delivery>,
}

/// What one subscriber's inbox says about an event, or why it cannot be read.
#[derive(Debug, Deserialize)]
pub(super) struct Delivery {
    pub(super) consumer: String,
    pub(super) received: Option<Receipt>,
    pub(super) problem: Option<String>,
}

/// An entry of a subscriber's inbox.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Receipt {
    pub(super) received_at: DateTime<Utc>,
    pub(super) redelivered: bool,
    pub(super) applied: bool,
}

/// The first dead letters of a subscriber, and how many there are.
#[derive(Debug, Deserialize)]
pub(super) struct DeadLetters {
    pub(super) count: usize,
    pub(super) data: Vec<DeadLetter>,
}

/// A message that a subscriber could not handle.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeadLetter {
    pub(super) id: String,
    pub(super) event_id: Option<String>,
    pub(super) event_type: Option<String>,
    pub(super) reason: String,
    pub(super) failures: u64,
    pub(super) failed_at: Option<DateTime<Utc>>,
    pub(super) body: String,
    pub(super) body_bytes: usize,
}

/// The first keys that wait in a subscriber's database, and how many there are.
#[derive(Debug, Deserialize)]
pub(super) struct WaitingKeys {
    pub(super) count: usize,
    pub(super) data: Vec<WaitingKey>,
}

/// The event of a key that failed, and how many later ones are behind it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WaitingKey {
    pub(super) key: String,
    pub(super) event_id: String,
    pub(super) event_type: String,
    pub(super) failures: i32,
    pub(super) reason: Option<String>,
    pub(super) next_attempt_at: Option<DateTime<Utc>>,
    pub(super) blocked_at: Option<DateTime<Utc>>,
    pub(super) behind: i64,
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
