//! What services and relays answer on their operator routes, as far as the control room reads it.

use chrono::{DateTime, Utc};
use serde::Deserialize;

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
    #[serde(default = "no_effect")]
    pub(super) effect: String,
}

/// An older relay does not say why there is none.
fn no_effect() -> String {
    "no effect until now".to_owned()
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
