//! The services' operator routes.

use std::time::Duration;

use anyhow::Result;
use chrono::{DateTime, Utc};
use reqwest::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::backends::{Backend, Trouble};
use crate::session::User;
use crate::settings::Settings;

/// How long a service may take: the board looks every second, and one that hangs must not stop it.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// How long an order, or a walk through the dead letters, may take.
const LONG: Duration = Duration::from_secs(12);

/// Events on a page of the log.
pub(super) const PAGE: usize = 25;

/// The services' operator routes. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct OpsApi {
    catalog: Backend,
    basket: Backend,
    relays: Vec<(String, Backend)>,
}

/// What of a log is not published yet.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Waiting {
    pub(super) pending: i64,
    pub(super) oldest_pending_age_seconds: f64,
    pub(super) failed: i64,
    pub(super) relays: i64,
}

/// How far a log has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) struct Progress {
    pub(super) committed: i64,
    pub(super) settled: i64,
}

/// What the catalog says of its own log.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Outbox {
    pub(super) log: Waiting,
    pub(super) progress: Progress,
}

/// How publishing stands in one relay's process, for one database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Standing {
    pub(super) published: u64,
    pub(super) database_problem: Option<String>,
    pub(super) broker_problem: Option<String>,
}

#[derive(Debug, Deserialize)]
struct SourceStatus {
    relay: Option<Standing>,
}

/// A relay, as the database knows it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) since: DateTime<Utc>,
    pub(super) alive: bool,
    pub(super) partitions: Vec<usize>,
}

#[derive(Debug, Deserialize)]
struct SourceRelays {
    relays: Vec<Member>,
}

/// What a subscriber's deliveries were.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Receipts {
    pub(super) first: u64,
    pub(super) redelivered_known: u64,
    pub(super) repeated: u64,
    pub(super) stale: u64,
}

/// What waits in a subscriber's queues.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Queues {
    pub(super) ready: u64,
    pub(super) consumers: u32,
    pub(super) retries: Vec<Retry>,
    pub(super) dead: u64,
    pub(super) unrouted: u64,
}

/// What waits for another try.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Retry {
    pub(super) delay_ms: u64,
    pub(super) messages: u64,
}

/// How the basket's subscription stands.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Inbox {
    pub(super) connected: bool,
    pub(super) in_hand: u64,
    pub(super) receipts: Receipts,
    pub(super) queues: Option<Queues>,
    pub(super) alerts_raised: Option<i64>,
    pub(super) problems: Vec<String>,
}

/// An event of the log; `deliveries` only where it was asked for alone.
#[expect(clippy::struct_field_names, reason = "the fields are named as the relay names them")]
#[derive(Debug, Clone, PartialEq, Deserialize)]
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
    pub(super) headers: Trace,
    pub(super) payload: serde_json::Value,
    #[serde(default)]
    pub(super) deliveries: Vec<Delivery>,
}

/// The trace that an event belongs to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Trace {
    pub(super) traceparent: Option<String>,
}

/// What became of an event at one subscriber.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Delivery {
    pub(super) consumer: String,
    pub(super) received: Option<Receipt>,
    pub(super) problem: Option<String>,
}

/// An entry of a subscriber's inbox.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Receipt {
    pub(super) received_at: DateTime<Utc>,
    pub(super) redelivered: bool,
    pub(super) applied: bool,
}

/// Some of the dead letters.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Letters {
    pub(super) count: u64,
    pub(super) data: Vec<Letter>,
}

/// A message that the basket could not handle.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Letter {
    pub(super) id: String,
    pub(super) event_id: Option<String>,
    pub(super) event_type: Option<String>,
    pub(super) reason: String,
    pub(super) failures: u64,
    pub(super) failed_at: Option<DateTime<Utc>>,
    pub(super) body: String,
    pub(super) body_bytes: usize,
}

impl OpsApi {
    /// `None` where no relay is configured.
    pub(super) fn new(settings: &Settings) -> Result<Option<Self>> {
        let Some(relay) = &settings.relay else { return Ok(None) };
        let mut relays = Vec::new();
        for (index, url) in relay.url.split(',').enumerate() {
            let name = if index == 0 { "relay".to_owned() } else { format!("relay-{}", index + 1) };
            relays.push((name, Backend::new("relay", "APP__RELAY__URL", url.trim())?));
        }
        Ok(Some(Self {
            catalog: Backend::new("catalogue", "", settings.service_url("catalog")?)?,
            basket: Backend::new("basket", "", settings.service_url("basket")?)?,
            relays,
        }))
    }

    /// The relays' names, in the order of their addresses.
    pub(super) fn relay_names(&self) -> Vec<String> {
        self.relays.iter().map(|(name, _)| name.clone()).collect()
    }

    pub(super) async fn outbox(&self, user: &User) -> Result<Outbox, Trouble> {
        get(&self.catalog, user, &["api", "v1", "outbox", "status"], &[]).await
    }

    pub(super) async fn inbox(&self, user: &User) -> Result<Inbox, Trouble> {
        // The basket itself waits two seconds for a broker that does not answer.
        let request = self.basket.request(Method::GET, &["api", "v1", "inbox", "status"], &[]);
        request.by(user).deadline(PATIENCE + Duration::from_secs(1)).json_reply().await
    }

    /// How each relay's process stands, side by side.
    pub(super) async fn standings(&self, user: &User) -> Vec<Result<Standing, Trouble>> {
        let ask = self.relays.iter().map(|(_, relay)| async move {
            let status: Vec<SourceStatus> = get(relay, user, &["api", "v1", "outbox", "status"], &[]).await?;
            Ok(sum(status.into_iter().filter_map(|source| source.relay)))
        });
        futures_util::future::join_all(ask).await
    }

    /// The relays that the databases know, and the newest events, from the relay with this index.
    pub(super) async fn news(
        &self,
        relay: usize,
        user: &User,
        limit: usize,
    ) -> Result<(Vec<Member>, Vec<Event>), Trouble> {
        let Some((_, relay)) = self.relays.get(relay) else { return Err(self.nobody()) };
        let limit = [("limit", limit.to_string())];
        let (sources, events) = tokio::try_join!(
            get::<Vec<SourceRelays>>(relay, user, &["api", "v1", "outbox", "relays"], &[]),
            get(relay, user, &["api", "v1", "outbox", "events"], &limit),
        )?;
        Ok((sources.into_iter().flat_map(|source| source.relays).collect(), events))
    }

    /// A page of the log; one more than it shows, where there are more.
    pub(super) async fn events(
        &self,
        user: &User,
        filter: &[(&'static str, String)],
    ) -> Result<Vec<Event>, Trouble> {
        let query = [filter, &[("limit", (PAGE + 1).to_string())]].concat();
        self.any(async |relay| get(relay, user, &["api", "v1", "outbox", "events"], &query).await).await
    }

    pub(super) async fn event(&self, user: &User, id: &str) -> Result<Event, Trouble> {
        self.any(async |relay| get(relay, user, &["api", "v1", "outbox", "events", id], &[]).await).await
    }

    pub(super) async fn requeue(&self, user: &User, id: &str) -> Result<(), Trouble> {
        let path = ["api", "v1", "outbox", "events", id, "requeue"];
        self.any(async |relay| order(relay, user, &path, None).await).await
    }

    pub(super) async fn skip(&self, user: &User, id: &str, reason: &str) -> Result<(), Trouble> {
        let path = ["api", "v1", "outbox", "events", id, "skip"];
        self.any(async |relay| order(relay, user, &path, Some(reason)).await).await
    }

    pub(super) async fn letters(&self, user: &User) -> Result<Letters, Trouble> {
        let request = self.basket.request(Method::GET, &["api", "v1", "inbox", "dead-letters"], &[]);
        request.by(user).deadline(LONG).json_reply().await
    }

    pub(super) async fn replay(&self, user: &User, id: &str) -> Result<(), Trouble> {
        order(&self.basket, user, &["api", "v1", "inbox", "dead-letters", id, "replay"], None).await
    }

    pub(super) async fn discard(&self, user: &User, id: &str, reason: &str) -> Result<(), Trouble> {
        order(&self.basket, user, &["api", "v1", "inbox", "dead-letters", id, "discard"], Some(reason)).await
    }

    /// Asks one relay after the other, until one is there.
    async fn any<T>(&self, ask: impl AsyncFn(&Backend) -> Result<T, Trouble>) -> Result<T, Trouble> {
        let mut last = self.nobody();
        for (_, relay) in &self.relays {
            match ask(relay).await {
                Err(trouble) if trouble.is_away() => last = trouble,
                outcome => return outcome,
            }
        }
        Err(last)
    }

    #[expect(clippy::unused_self, reason = "reads as what it is")]
    fn nobody(&self) -> Trouble {
        Trouble::Away { service: "relay", why: "none answers".to_owned() }
    }
}

fn sum(standings: impl Iterator<Item = Standing>) -> Standing {
    standings.fold(Standing::default(), |sum, one| Standing {
        published: sum.published + one.published,
        database_problem: sum.database_problem.or(one.database_problem),
        broker_problem: sum.broker_problem.or(one.broker_problem),
    })
}

async fn get<T: DeserializeOwned>(
    service: &Backend,
    user: &User,
    path: &[&str],
    query: &[(&str, String)],
) -> Result<T, Trouble> {
    service.request(Method::GET, path, query).by(user).deadline(PATIENCE).json_reply().await
}

async fn order(service: &Backend, user: &User, path: &[&str], reason: Option<&str>) -> Result<(), Trouble> {
    let request = service.request(Method::POST, path, &[]).by(user).deadline(LONG);
    let request = if let Some(reason) = reason { request.json(&json!({"reason": reason})) } else { request };
    request.send().await.map(drop)
}
