//! A subscriber's dead letters: listing them, handling them again, and discarding them.
//!
//! Each of these takes messages off the queue without acknowledging them, and returns them by closing its
//! connection, so a killed process loses nothing. Two of them at once share the queue between them.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use lapin::{
    BasicProperties,
    message::{BasicGetMessage, Delivery},
    options::{BasicAckOptions, BasicGetOptions},
};
use uuid::Uuid;

use super::{
    BrokerConfig, BrokerError, PublishError, Publisher,
    connection::{Connected, deadline},
    depths::absent_as_none,
    headers,
    topology::{self, SubscriberTopology},
};

/// How much of a body is listed, in bytes.
const BODY_LIMIT: usize = 4 * 1024;

/// How long one scan of the queue may take, unless another time is wanted.
pub(super) const SCAN_LIMIT: Duration = Duration::from_secs(8);

/// Every scan counts as a delivery, and some versions of the broker drop a message after twenty of them. A message
/// that was delivered this often is replaced by a copy, whose count starts again.
const MAX_DELIVERIES: u64 = 10;

/// A message that a subscriber could not handle.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    /// Its id here: its message id or, where it has none, a hash of its body.
    pub id: String,
    /// The event's id, where it has one.
    pub event_id: Option<Uuid>,
    /// The type that it came with; it may be unknown.
    pub event_type: Option<String>,
    /// What it is about, where it says so.
    pub key: Option<String>,
    /// Why it was dead-lettered.
    pub reason: String,
    /// How often handling it has failed.
    pub failures: u64,
    /// When it was dead-lettered; unknown where the broker did that.
    pub failed_at: Option<DateTime<Utc>>,
    /// The content type that it came with.
    pub content_type: Option<String>,
    /// The beginning of its body, as text.
    pub body: String,
    /// The size of its whole body, in bytes.
    pub body_bytes: usize,
}

/// Some of the dead letters.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DeadLetters {
    /// How many there are.
    pub count: u64,
    /// The first of them.
    pub data: Vec<DeadLetter>,
}

/// Lists the first `limit` dead letters of a subscriber.
pub(super) async fn list(
    config: &BrokerConfig,
    subscriber: &str,
    time: Duration,
    limit: usize,
) -> Result<DeadLetters, PublishError> {
    let mut scan = Scan::begin(config, subscriber, time).await?;
    let outcome = async {
        let mut seen = DeadLetters { count: 0, data: Vec::new() };
        while seen.data.len() < limit
            && let Some(message) = scan.next().await?
        {
            seen.data.push(DeadLetter::of(&message.delivery));
            scan.leave(&message.delivery).await?;
        }
        seen.count = scan.count;
        Ok(seen)
    }
    .await;
    scan.end().await;
    outcome
}

/// What to do with a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Deliver it to its subscriber again, as if it were new.
    Replay,
    /// Delete it.
    Discard,
}

/// Why nothing is known of a dead letter.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeadLetterError {
    /// The time was over before the whole queue was read: it may be there.
    #[error("it is not among the first {looked_at} of {count} dead letters, and there was no time for more")]
    OutOfTime {
        /// How many were looked at.
        looked_at: u64,
        /// How many there are.
        count: u64,
    },
    /// The broker cannot be used now.
    #[error(transparent)]
    Broker(#[from] PublishError),
}

impl From<BrokerError> for DeadLetterError {
    fn from(error: BrokerError) -> Self {
        Self::Broker(error.into())
    }
}

/// Which dead letters are meant: those of which all that is given is true. Nothing given: none.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = DeadLetterSelection))]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Selection {
    /// All of them.
    pub all: bool,
    /// Those whose reason contains this.
    pub reason: Option<String>,
    /// Those of this type.
    pub event_type: Option<String>,
    /// Those about this key.
    pub key: Option<String>,
}

impl Selection {
    /// Whether nothing is given.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether this letter is one of them.
    pub fn has(&self, letter: &DeadLetter) -> bool {
        let is = |wanted: &Option<String>, own: &Option<String>| wanted.is_none() || wanted == own;
        let reason = self.reason.as_ref().is_none_or(|reason| letter.reason.contains(reason.as_str()));
        !self.is_empty() && reason && is(&self.event_type, &letter.event_type) && is(&self.key, &letter.key)
    }
}

/// How far an order about many dead letters has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = DeadLetterProgress))]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// How many dead letters there were.
    pub count: u64,
    /// How many were looked at.
    pub looked_at: u64,
    /// How many of these were meant.
    pub matched: u64,
    /// How many were replayed or discarded.
    pub done: u64,
    /// Whether there may be more that are meant: give the order again.
    pub more: bool,
}

/// Finds a dead letter and replays or discards it; `None` if it is not there.
///
/// A process that is killed meanwhile may leave the message in both queues. The inbox makes that harmless.
pub(super) async fn act(
    config: &BrokerConfig,
    subscriber: &str,
    time: Duration,
    id: &str,
    action: Action,
) -> Result<Option<DeadLetter>, DeadLetterError> {
    let mut scan = Scan::begin(config, subscriber, time).await?;
    let outcome = async {
        while let Some(message) = scan.next().await? {
            let letter = DeadLetter::of(&message.delivery);
            if letter.id != id {
                scan.leave(&message.delivery).await?;
                continue;
            }
            scan.act(action, &message.delivery).await?;
            return Ok(Some(letter));
        }
        if scan.is_out_of_time {
            return Err(DeadLetterError::OutOfTime { looked_at: scan.looked_at, count: scan.count });
        }
        Ok(None)
    }
    .await;
    scan.end().await;
    outcome
}

/// Replays or discards those of a selection, from the oldest on, at most `limit` and as long as there is time; without an
/// action it only counts them.
pub(super) async fn act_on_all(
    config: &BrokerConfig,
    subscriber: &str,
    time: Duration,
    which: &Selection,
    action: Option<Action>,
    limit: u64,
) -> Result<Progress, DeadLetterError> {
    let mut scan = Scan::begin(config, subscriber, time).await?;
    let outcome = async {
        let mut progress = Progress::default();
        while progress.done < limit
            && let Some(message) = scan.next().await?
        {
            let is_meant = which.has(&DeadLetter::of(&message.delivery));
            progress.matched += u64::from(is_meant);
            match action.filter(|_| is_meant) {
                Some(action) => {
                    scan.act(action, &message.delivery).await?;
                    progress.done += 1;
                }
                None => scan.leave(&message.delivery).await?,
            }
        }
        let is_full = progress.done == limit && scan.left != Some(0);
        let (count, looked_at) = (scan.count, scan.looked_at);
        Ok(Progress { count, looked_at, more: is_full || scan.is_out_of_time, ..progress })
    }
    .await;
    scan.end().await;
    outcome
}

/// One scan of a dead-letter queue.
struct Scan<'a> {
    config: &'a BrokerConfig,
    topology: SubscriberTopology,
    connected: Connected,
    /// Opened on first use, because a publishing connection may be blocked.
    publisher: Option<Publisher>,
    until: Instant,
    /// The number of messages when it started, and of those still to come. Copies behind them are not read.
    count: u64,
    left: Option<u64>,
    looked_at: u64,
    is_out_of_time: bool,
}

impl<'a> Scan<'a> {
    async fn begin(config: &'a BrokerConfig, subscriber: &str, time: Duration) -> Result<Self, BrokerError> {
        Ok(Self {
            config,
            topology: SubscriberTopology::of(subscriber),
            connected: Connected::open(config, &format!("{subscriber} (dead letters)")).await?,
            publisher: None,
            until: Instant::now() + time,
            count: 0,
            left: None,
            looked_at: 0,
            is_out_of_time: false,
        })
    }

    async fn next(&mut self) -> Result<Option<BasicGetMessage>, BrokerError> {
        if self.left == Some(0) {
            return Ok(None);
        }
        // The first tells how many there are.
        if self.left.is_some() && Instant::now() > self.until {
            self.is_out_of_time = true;
            return Ok(None);
        }
        let get =
            self.connected.channel.basic_get(self.topology.dead.as_str().into(), BasicGetOptions::default());
        // A missing queue is empty.
        let Some(message) = deadline("take a dead letter", absent_as_none(get)).await?.flatten() else {
            return Ok(None);
        };
        let behind = u64::from(message.message_count);
        if self.left.is_none() {
            self.count = behind + 1;
        }
        self.left = Some(self.left.map_or(behind, |left| left.saturating_sub(1)));
        self.looked_at += 1;
        Ok(Some(message))
    }

    /// Does as the operator wants, and takes the message off the queue.
    async fn act(&mut self, action: Action, delivery: &Delivery) -> Result<(), PublishError> {
        if action == Action::Replay {
            let headers = headers::without_failure(&delivery.properties);
            self.send(topology::AGAIN, delivery, headers).await?;
        }
        self.take(delivery).await
    }

    /// Leaves a message where it is, or replaces it by a copy with a new count.
    async fn leave(&mut self, delivery: &Delivery) -> Result<(), PublishError> {
        let deliveries = headers::number(&delivery.properties, headers::DELIVERY_COUNT).unwrap_or_default();
        if deliveries < MAX_DELIVERIES {
            return Ok(());
        }
        let mut headers = lapin::types::FieldTable::default();
        let all = delivery.properties.headers().iter().flat_map(lapin::types::FieldTable::inner);
        for (name, value) in all.filter(|(name, _)| name.as_str() != headers::DELIVERY_COUNT) {
            headers.insert(name.clone(), value.clone());
        }
        self.send(topology::DEAD, delivery, headers).await?;
        self.take(delivery).await
    }

    /// Publishes a message through the subscriber's redirect exchange, and waits until the broker has it.
    async fn send(
        &mut self,
        key: &str,
        delivery: &Delivery,
        headers: lapin::types::FieldTable,
    ) -> Result<(), PublishError> {
        let publisher = match &mut self.publisher {
            Some(publisher) => publisher,
            vacant => {
                let name = "dead letters (redirect)";
                vacant.insert(Publisher::to_exchange(self.config, name, &self.topology.redirect).await?)
            }
        };
        let properties = headers::carried(&delivery.properties).with_headers(headers);
        let event_id = event_id(&delivery.properties).unwrap_or_default();
        publisher.forward(event_id, key, &delivery.data, properties).await?.outcome().await
    }

    async fn take(&self, delivery: &Delivery) -> Result<(), PublishError> {
        let ack = self.connected.channel.basic_ack(delivery.delivery_tag, BasicAckOptions::default());
        Ok(deadline("take a dead letter off its queue", ack).await?)
    }

    /// Returns the messages that were not acknowledged.
    async fn end(self) {
        if let Some(publisher) = self.publisher {
            publisher.close().await;
        }
        self.connected.close().await;
    }
}

fn event_id(properties: &BasicProperties) -> Option<Uuid> {
    properties.message_id().as_ref()?.as_str().parse().ok()
}

/// What a CloudEvents event is about: in its body, or in a header where the body is the payload alone.
fn key(delivery: &Delivery) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Keyed {
        partitionkey: Option<String>,
        subject: Option<String>,
    }
    let keyed = serde_json::from_slice::<Keyed>(&delivery.data).ok();
    let in_header = || {
        let names = ["partitionkey", "subject"].into_iter();
        let mut names = names
            .flat_map(|name| ["cloudEvents:", "cloudEvents_", "ce-"].map(|start| format!("{start}{name}")));
        names.find_map(|name| headers::text(&delivery.properties, &name))
    };
    keyed.and_then(|keyed| keyed.partitionkey.or(keyed.subject)).or_else(in_header)
}

impl DeadLetter {
    fn of(delivery: &Delivery) -> Self {
        let properties = &delivery.properties;
        let message_id = properties.message_id().as_ref().map(|id| id.as_str().to_owned());
        let given_up = || {
            let why = headers::text(properties, "x-first-death-reason");
            format!("the broker gave it up: {}", why.as_deref().unwrap_or("it does not say why"))
        };
        let failed_at = headers::number(properties, headers::FAILED_AT);
        let shown = delivery.data.get(..BODY_LIMIT).unwrap_or(&delivery.data);
        let routing_key = || headers::text(properties, headers::ROUTING_KEY);
        Self {
            id: message_id.unwrap_or_else(|| format!("body-{:016x}", fnv1a(&delivery.data))),
            event_id: event_id(properties),
            event_type: properties.kind().as_ref().map(ToString::to_string).or_else(routing_key),
            key: key(delivery),
            reason: headers::text(properties, headers::REASON).unwrap_or_else(given_up),
            failures: headers::number(properties, headers::FAILURES).unwrap_or_default(),
            failed_at: failed_at.and_then(|at| DateTime::from_timestamp(i64::try_from(at).ok()?, 0)),
            content_type: properties.content_type().as_ref().map(ToString::to_string),
            body: String::from_utf8_lossy(shown).into_owned(),
            body_bytes: delivery.data.len(),
        }
    }
}

/// 64-bit FNV-1a: names a message that has no id by its body.
fn fnv1a(bytes: &[u8]) -> u64 {
    const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    bytes.iter().fold(OFFSET_BASIS, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME))
}
