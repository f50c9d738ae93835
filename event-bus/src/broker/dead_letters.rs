//! A subscriber's dead letters: to be looked at, handled again or thrown away.
//!
//! A look takes messages off the queue without acknowledging them and gives them back by closing its
//! connection, so a process that is killed in between loses nothing. Meanwhile nobody else sees them: two
//! looks at once share the queue between them.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use lapin::{
    BasicProperties,
    message::{BasicGetMessage, Delivery},
    options::{BasicAckOptions, BasicGetOptions},
};
use uuid::Uuid;

use super::{
    BrokerError, BrokerSettings, PublishError, Publisher,
    connection::{Connected, deadline},
    depth::absent_as_none,
    headers,
    topology::{self, SubscriberTopology},
};

/// How much of a body is shown, in bytes.
const BODY_LIMIT: usize = 4 * 1024;

/// How long one walk through the queue may take.
const WALK_LIMIT: Duration = Duration::from_secs(8);

/// Every look counts as a delivery, and some versions of the broker drop a message after twenty of them. One
/// that was handed out this often is replaced by a copy, which begins again.
const LOOKS: u64 = 10;

/// A message that a subscriber could not handle.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    /// How to name it here: its message id or, where it came without one, a hash of its body.
    pub id: String,
    /// The event's id, where it says one.
    pub event_id: Option<Uuid>,
    /// The type that it came with: not always one that exists.
    pub event_type: Option<String>,
    /// Why it is here.
    pub reason: String,
    /// How often handling it has failed.
    pub failures: u64,
    /// When it was given up; unknown where the broker did that.
    pub failed_at: Option<DateTime<Utc>>,
    /// What its body is said to be.
    pub content_type: Option<String>,
    /// The beginning of its body, as text.
    pub body: String,
    /// How many bytes the whole of it has.
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

/// Shows the first `limit` dead letters of a subscriber.
pub(super) async fn peek(
    settings: &BrokerSettings,
    subscriber: &str,
    limit: usize,
) -> Result<DeadLetters, PublishError> {
    let mut walk = Walk::begin(settings, subscriber).await?;
    let outcome = async {
        let mut seen = DeadLetters { count: 0, data: Vec::new() };
        while seen.data.len() < limit
            && let Some(message) = walk.next().await?
        {
            seen.data.push(DeadLetter::of(&message.delivery));
            walk.leave(&message.delivery).await?;
        }
        seen.count = walk.count;
        Ok(seen)
    }
    .await;
    walk.end().await;
    outcome
}

/// What is to become of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Its subscriber has it again, as if it were new.
    Again,
    /// It is gone.
    Gone,
}

/// Finds a dead letter and decides about it; `None` if it is not there, or not among as many as can be
/// looked through in eight seconds.
///
/// A process that is killed in between may leave the message in both queues: the inbox makes that
/// harmless.
pub(super) async fn decide(
    settings: &BrokerSettings,
    subscriber: &str,
    id: &str,
    fate: Fate,
) -> Result<Option<DeadLetter>, PublishError> {
    let mut walk = Walk::begin(settings, subscriber).await?;
    let outcome = async {
        while let Some(message) = walk.next().await? {
            let letter = DeadLetter::of(&message.delivery);
            if letter.id != id {
                walk.leave(&message.delivery).await?;
                continue;
            }
            if fate == Fate::Again {
                let headers = headers::without_failure(&message.delivery.properties);
                walk.send(topology::AGAIN, &message.delivery, headers).await?;
            }
            walk.take(&message.delivery).await?;
            return Ok(Some(letter));
        }
        Ok(None)
    }
    .await;
    walk.end().await;
    outcome
}

/// One walk through a dead-letter queue.
struct Walk<'a> {
    settings: &'a BrokerSettings,
    topology: SubscriberTopology,
    connected: Connected,
    /// Opened when it is first needed: a connection that publishes may be blocked, this walk may not.
    publisher: Option<Publisher>,
    until: Instant,
    /// How many messages there were when it began, and how many of them are still to be seen: what is put
    /// back behind them is not looked at twice.
    count: u64,
    left: Option<u64>,
}

impl<'a> Walk<'a> {
    async fn begin(settings: &'a BrokerSettings, subscriber: &str) -> Result<Self, BrokerError> {
        Ok(Self {
            settings,
            topology: SubscriberTopology::of(subscriber),
            connected: Connected::open(settings, &format!("{subscriber} (dead letters)")).await?,
            publisher: None,
            until: Instant::now() + WALK_LIMIT,
            count: 0,
            left: None,
        })
    }

    async fn next(&mut self) -> Result<Option<BasicGetMessage>, BrokerError> {
        if self.left == Some(0) || Instant::now() > self.until {
            return Ok(None);
        }
        let get =
            self.connected.channel.basic_get(self.topology.dead.as_str().into(), BasicGetOptions::default());
        // A queue that is not there has nothing in it.
        let Some(message) = deadline("take a dead letter", absent_as_none(get)).await?.flatten() else {
            return Ok(None);
        };
        let behind = u64::from(message.message_count);
        if self.left.is_none() {
            self.count = behind + 1;
        }
        self.left = Some(self.left.map_or(behind, |left| left.saturating_sub(1)));
        Ok(Some(message))
    }

    /// Leaves a message where it is, or a copy of it that can be looked at as often again.
    async fn leave(&mut self, delivery: &Delivery) -> Result<(), PublishError> {
        let looks = headers::number(&delivery.properties, headers::DELIVERY_COUNT).unwrap_or_default();
        if looks < LOOKS {
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
                vacant.insert(Publisher::to_exchange(self.settings, name, &self.topology.redirect).await?)
            }
        };
        let properties = headers::carried(&delivery.properties).with_headers(headers);
        let event_id = event_id(&delivery.properties).unwrap_or_default();
        publisher.send_raw(event_id, key, &delivery.data, properties).await?.outcome().await
    }

    async fn take(&self, delivery: &Delivery) -> Result<(), PublishError> {
        let ack = self.connected.channel.basic_ack(delivery.delivery_tag, BasicAckOptions::default());
        Ok(deadline("take a dead letter off its queue", ack).await?)
    }

    /// Gives back what was not decided about.
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
            reason: headers::text(properties, headers::REASON).unwrap_or_else(given_up),
            failures: headers::number(properties, headers::FAILURES).unwrap_or_default(),
            failed_at: failed_at.and_then(|at| DateTime::from_timestamp(i64::try_from(at).ok()?, 0)),
            content_type: properties.content_type().as_ref().map(ToString::to_string),
            body: String::from_utf8_lossy(shown).into_owned(),
            body_bytes: delivery.data.len(),
        }
    }
}

/// 64-bit FNV-1a: only a name for a message that has none.
fn fnv1a(bytes: &[u8]) -> u64 {
    let (basis, prime) = (0xcbf2_9ce4_8422_2325_u64, 0x0000_0100_0000_01b3);
    bytes.iter().fold(basis, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(prime))
}
