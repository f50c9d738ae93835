//! The consumer runtime: deliveries in, effects committed once, acknowledgements out.
//!
//! A batch of deliveries is one transaction with the inbox; a batch that fails is tried one message at
//! a time. What a message meets decides what becomes of it:
//!
//! | it | becomes |
//! |---|---|
//! | is handled, known already, or older than what is known | acknowledged |
//! | cannot be read, is of a type nobody handles, or is rejected by its handler | dead-lettered, with the reason |
//! | fails | tried again after 0.5, 2, 10 and 30 s, then dead-lettered |
//! | meets a database that is away | kept, and nothing else is taken until the database is back |

mod batch;
mod handler;
mod message;
mod redirect;
mod session;
mod tally;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use backon::{BackoffBuilder, ExponentialBuilder};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

pub use self::{
    handler::{HandleError, Handler, Received},
    tally::Receipts,
};
use self::{message::Handlers, session::session, tally::Tally};
use crate::{
    broker::{BrokerSettings, SubscriberTopology},
    inbox::{receive::Receipt, retention},
};

/// The longest pause before something is tried again.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A session that lasted this long was a good one: the next failure starts with short pauses again.
const GOOD_SESSION: Duration = Duration::from_secs(30);

/// A service's subscription to events: its queue, its handlers and its inbox.
pub struct Subscriber(Shared);

struct Shared {
    consumer: String,
    pool: PgPool,
    broker: BrokerSettings,
    topology: SubscriberTopology,
    handlers: Handlers,
    after_commit: Box<dyn Fn() + Send + Sync>,
    health: ConsumerHealth,
}

impl Shared {
    fn count(&self, receipt: Receipt) {
        let labels = [("consumer", self.consumer.clone()), ("receipt", receipt.name().to_owned())];
        metrics::counter!("inbox_deliveries_total", &labels).increment(1);
        self.health.0.tally.count(receipt);
    }
}

/// How a subscriber stands.
#[derive(Debug, Clone, Default)]
pub struct ConsumerHealth(Arc<Standing>);

#[derive(Debug, Default)]
struct Standing {
    is_connected: AtomicBool,
    has_subscribed: AtomicBool,
    tally: Tally,
}

impl ConsumerHealth {
    /// Whether events are arriving, as far as one knows.
    pub fn is_connected(&self) -> bool {
        self.0.is_connected.load(Ordering::Relaxed)
    }

    /// Whether the queue has been bound since the process started: from then on no event is missed,
    /// though it may be late. What was announced before a queue was bound for the very first time never
    /// reaches it, so a fact that is asked for before that must not be kept.
    pub fn has_subscribed(&self) -> bool {
        self.0.has_subscribed.load(Ordering::Acquire)
    }

    /// What the deliveries were, since the process started.
    pub fn receipts(&self) -> Receipts {
        self.0.tally.receipts()
    }

    /// How many messages are being handled just now: taken, and not acknowledged yet.
    pub fn in_hand(&self) -> u64 {
        self.0.tally.in_hand()
    }

    fn set_connected(&self, connected: bool) {
        self.0.is_connected.store(connected, Ordering::Relaxed);
        self.0.has_subscribed.fetch_or(connected, Ordering::AcqRel);
        metrics::gauge!("amqp_consumer_connected").set(if connected { 1.0 } else { 0.0 });
    }
}

impl Subscriber {
    /// A subscriber with the queue `<consumer>.events`. The name is also the inbox's: a subscriber that
    /// is renamed has its history again.
    pub fn new(consumer: &str, pool: PgPool, broker: BrokerSettings) -> Self {
        for receipt in [Receipt::First, Receipt::RedeliveredKnown, Receipt::Repeated, Receipt::Stale] {
            let labels = [("consumer", consumer.to_owned()), ("receipt", receipt.name().to_owned())];
            metrics::counter!("inbox_deliveries_total", &labels).absolute(0);
        }
        Self(Shared {
            consumer: consumer.to_owned(),
            pool,
            broker,
            topology: SubscriberTopology::of(consumer),
            handlers: Handlers::new(),
            after_commit: Box::new(|| {}),
            health: ConsumerHealth::default(),
        })
    }

    /// Has events of the handler's type delivered to it. A second handler of a type replaces the first.
    #[must_use]
    pub fn handle<H: Handler>(mut self, handler: H) -> Self {
        self.0.handlers.insert(H::EVENT_TYPE, Box::new(handler));
        self
    }

    /// Calls `notify` after a commit that applied something. It must be quick.
    #[must_use]
    pub fn after_commit(mut self, notify: impl Fn() + Send + Sync + 'static) -> Self {
        self.0.after_commit = Box::new(notify);
        self
    }

    /// Tells, now and later, how the subscriber stands.
    pub fn health(&self) -> ConsumerHealth {
        self.0.health.clone()
    }

    /// Consumes until `stop`: survives the broker and the database being away, at start and later, and
    /// says so once. Returns when what was begun is committed and acknowledged.
    pub async fn run(self, stop: CancellationToken) {
        let shared = &self.0;
        let tidying = retention::keep_tidy(&shared.pool, &shared.consumer);
        tokio::select! {
            () = consume_again_and_again(shared, &stop) => {}
            () = tidying => {}
        }
        tracing::info!(consumer = %shared.consumer, "stopped consuming");
    }
}

async fn consume_again_and_again(shared: &Shared, stop: &CancellationToken) {
    let mut pauses = pauses();
    while !stop.is_cancelled() {
        let started = tokio::time::Instant::now();
        // Not cancelled from outside: a session that is told to stop finishes its batch first.
        let end = match session(shared, stop).await {
            Ok(()) => return,
            Err(end) => end,
        };
        if started.elapsed() > GOOD_SESSION {
            pauses = self::pauses();
        }
        tracing::warn!(consumer = %shared.consumer, reason = %end, "consuming stopped; will start again");
        stop.run_until_cancelled(tokio::time::sleep(pauses.next().unwrap_or(LONGEST_PAUSE))).await;
    }
}

/// The one back-off of the consumer: 0.2 s, doubling to 2 s, with jitter, for ever.
fn pauses() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(200))
        .with_max_delay(LONGEST_PAUSE)
        .with_jitter()
        .without_max_times()
        .build()
}
