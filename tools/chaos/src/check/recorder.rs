//! The harness's own queue: what was published, in which order, from the broker's point of view.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result};
use futures_util::StreamExt;
use lapin::{
    Channel,
    message::Delivery,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};
use serde::Deserialize;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use harness::{Broker, Environment};

const QUEUE: &str = "chaos.recorder";

/// A type of event that the recorder alone is bound for: many of them cost no consumer anything.
pub(crate) const ONLY_RECORDED: &str = "shop.catalog.shelf_counted.v1";

/// How often the binding is made again: a fault may delete the exchange.
const REBIND: Duration = Duration::from_millis(500);

/// Messages that are acknowledged together, or whatever there is when the binding is made again.
const TOGETHER: u64 = 200;

/// The pause before the broker is tried again.
const PAUSE: Duration = Duration::from_millis(200);

/// One message as the recorder saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Publication {
    pub(crate) id: Uuid,
    pub(crate) key: String,
    pub(crate) version: i64,
    pub(crate) at: Instant,
    /// Seen before, though the broker did not say so: it was published again.
    pub(crate) is_repeat: bool,
}

/// Everything that was published since it was started.
#[derive(Clone)]
pub(crate) struct Recorder {
    seen: Arc<Mutex<Seen>>,
    /// What it is bound for: every type that the suite publishes. An event of another type goes to the alternate
    /// exchange.
    types: Arc<[String]>,
}

#[derive(Default)]
struct Seen {
    publications: Vec<Publication>,
    first: HashMap<Uuid, usize>,
}

#[derive(Deserialize)]
struct Envelope {
    id: Uuid,
    subject: String,
    sequence: String,
}

impl Recorder {
    /// Watches from now on, until the runtime ends; survives the broker. Returns when it is bound.
    pub(crate) async fn start(environment: &Environment) -> Result<Self> {
        let published =
            environment.registry().publishers().flat_map(|service| service.publishes.iter().cloned());
        let types = published.chain([ONLY_RECORDED.to_owned()]).collect();
        let (broker, recorder) = (&environment.broker, Self { seen: Arc::default(), types });
        let (watcher, broker) = (recorder.clone(), broker.clone());
        let (bound, is_bound) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            let mut bound = Some(bound);
            loop {
                // Whatever ends it: what was not acknowledged comes again.
                drop(watcher.watch(&broker, &mut bound).await);
                sleep(PAUSE).await;
            }
        });
        is_bound.await.context("the recorder's queue cannot be bound")?;
        Ok(recorder)
    }

    /// How many messages have been seen so far.
    pub(crate) fn len(&self) -> usize {
        self.lock().publications.len()
    }

    /// What was seen after the first `mark` messages.
    pub(crate) fn since(&self, mark: usize) -> Vec<Publication> {
        self.lock().publications.get(mark..).unwrap_or_default().to_vec()
    }

    /// When an event was seen first.
    pub(crate) fn first_seen(&self, id: Uuid) -> Option<Instant> {
        let seen = self.lock();
        seen.publications.get(*seen.first.get(&id)?).map(|publication| publication.at)
    }

    /// Whether all of these events have been seen.
    pub(crate) fn has_seen(&self, ids: &[Uuid]) -> bool {
        let seen = self.lock();
        ids.iter().all(|id| seen.first.contains_key(id))
    }

    async fn watch(
        &self,
        broker: &Broker,
        bound: &mut Option<tokio::sync::oneshot::Sender<()>>,
    ) -> Result<()> {
        let connection = broker.connect().await?;
        let channel = connection.create_channel().await?;
        let mut quorum = FieldTable::default();
        quorum.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        // With a limit, a message that is handed back keeps its place.
        quorum.insert("x-delivery-limit".into(), AMQPValue::LongInt(1_000_000));
        channel.queue_declare(QUEUE.into(), QueueDeclareOptions::durable(), quorum).await?;
        bind(&channel, &self.types).await?;
        channel.basic_qos(1_000, BasicQosOptions::default()).await?;
        let (options, none) = (BasicConsumeOptions::default(), FieldTable::default());
        let mut deliveries = channel.basic_consume(QUEUE.into(), "recorder".into(), options, none).await?;
        if let Some(bound) = bound.take() {
            bound.send(()).unwrap_or_default();
        }
        let mut rebind = tokio::time::interval(REBIND);
        let (mut recorded, mut acknowledged) = (0, 0);
        loop {
            let is_tick = tokio::select! {
                next = deliveries.next() => {
                    let delivery = next.context("the recorder's queue is gone")??;
                    self.record(&delivery);
                    recorded = delivery.delivery_tag;
                    false
                }
                _ = rebind.tick() => true,
            };
            if recorded > acknowledged && (is_tick || recorded >= acknowledged + TOGETHER) {
                channel.basic_ack(recorded, BasicAckOptions { multiple: true }).await?;
                acknowledged = recorded;
            }
            if is_tick {
                bind(&channel, &self.types).await?;
            }
        }
    }

    fn record(&self, delivery: &Delivery) {
        let Ok(envelope) = serde_json::from_slice::<Envelope>(&delivery.data) else { return };
        let Ok(version) = envelope.sequence.parse() else { return };
        let mut seen = self.lock();
        let is_known = seen.first.contains_key(&envelope.id);
        if is_known && delivery.redelivered {
            return;
        }
        let index = seen.publications.len();
        seen.first.entry(envelope.id).or_insert(index);
        seen.publications.push(Publication {
            id: envelope.id,
            key: envelope.subject,
            version,
            at: Instant::now(),
            is_repeat: is_known,
        });
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn bind(channel: &Channel, types: &[String]) -> Result<()> {
    for event_type in types {
        let (options, none) = (QueueBindOptions::default(), FieldTable::default());
        channel
            .queue_bind(QUEUE.into(), "shop.events".into(), event_type.as_str().into(), options, none)
            .await?;
    }
    Ok(())
}
