//! Subscribing to events: deliveries in, effects committed once, acknowledgements out.
//!
//! A batch of deliveries is one transaction with the inbox. A batch that fails is halved until the messages that fail
//! are alone:
//!
//! | a message that | is |
//! |---|---|
//! | was handled, is known, or is older than a known event of its key where only the newest counts | acknowledged |
//! | was routed here for a type whose handler was removed | acknowledged; the type is unbound |
//! | cannot be read, is of another type than it was routed for, or is rejected by its handler | dead-lettered, with the reason |
//! | fails | entered in `inbox_waiting` and acknowledged; tried again from there |
//! | waits, and has no handler in the process that tries it | fails, and at last blocks its key |
//! | comes while an earlier event of its key waits | entered behind it and acknowledged |
//! | meets a lock or a time-out again and again, or a handler whose table, column or right is missing | entered in `inbox_waiting`, which is no failure, and acknowledged; tried again from there |
//! | meets an unavailable database | kept, and given back after a minute; the consumer takes no more until the database is back |
//!
//! An event that waits is tried after 0.5 s, 1 s and so on, doubling to 60 s, until it was tried
//! [`max_attempts`](SubscriberConfig::max_attempts) times. Then its key is blocked until an operator requeues or skips
//! it ([`inbox::operate`]), unless its handler has said to [skip](GiveUp::Skip) it. Other keys flow meanwhile. Where
//! only the newest event of a key counts ([`Order::LatestWins`]) nothing waits behind a failed one.

mod batch;
mod config;
mod deliveries;
mod failure;
mod forward;
mod handler;
mod health;
mod message;
mod refuse;
mod retry;
mod runs;
mod session;
mod steps;
mod telemetry;
mod unhandled;

use std::{collections::hash_map::Entry, time::Duration};

use backon::{BackoffBuilder, ExponentialBuilder};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

pub use self::{
    config::SubscriberConfig,
    handler::{BatchHandler, GiveUp, HandleError, Handler, Received},
    health::{ConsumerHealth, Receipts},
};
use self::{
    message::Handlers,
    retry::Wake,
    session::{Ended, Mode, session},
    unhandled::Unhandled,
};
pub use crate::inbox::Order;
use crate::{
    envelope::is_short_string,
    error::chain,
    inbox::{self, Receipt},
    rabbitmq::{BrokerConfig, SubscriberTopology},
};

/// The longest pause before a retry.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// After a session of this length the next failure starts with short pauses again.
const GOOD_SESSION: Duration = Duration::from_secs(30);

/// How much longer than the retention inbox rows are kept: clocks differ, and a younger event that is not in the inbox
/// counts as new.
const CLOCK_MARGIN: Duration = Duration::from_hours(1);

/// How often old inbox rows are deleted.
const PURGE_INTERVAL: Duration = Duration::from_hours(1);

/// A service's subscription to events: its queue, its handlers and its inbox.
#[must_use = "a subscriber does nothing before it is run"]
pub struct Subscriber(Shared);

struct Shared {
    consumer: String,
    pool: PgPool,
    broker: BrokerConfig,
    config: SubscriberConfig,
    topology: SubscriberTopology,
    handlers: Handlers,
    after_commit: Box<dyn Fn() + Send + Sync>,
    health: ConsumerHealth,
    retry: Wake,
    unhandled: Unhandled,
}

impl Shared {
    fn count(&self, receipt: Receipt) {
        let labels = [("consumer", self.consumer.clone()), ("receipt", receipt.name().to_owned())];
        metrics::counter!("inbox_deliveries_total", &labels).increment(1);
        self.health.count(receipt);
    }
}

/// Why a handler was not added, or limits are refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// There is a handler for this type already.
    #[error("there is a handler for events of type {0} already")]
    DuplicateHandler(&'static str),
    /// It is no type of event: types are compared, not matched.
    #[error(
        "{0:?} is no event type: a type has 1 to 255 bytes without NUL, * and #; write one handler for each type"
    )]
    NotAType(&'static str),
    /// Nothing would be handled with such a limit, or memory would have no bound.
    #[error("consumer.{setting} is {value}: set it to {least} to {most}")]
    OutOfRange {
        /// The limit, a field of [`SubscriberConfig`].
        setting: &'static str,
        /// What it is.
        value: u64,
        /// The least that it may be.
        least: u64,
        /// The most.
        most: u64,
    },
}

impl Subscriber {
    /// Creates a subscriber with the queue `<consumer>.events`. The name is also its name in the inbox: a renamed
    /// subscriber receives its whole history again.
    pub fn new(consumer: &str, pool: PgPool, broker: BrokerConfig) -> Self {
        telemetry::describe();
        telemetry::start(consumer);
        Self(Shared {
            consumer: consumer.to_owned(),
            pool,
            broker,
            config: SubscriberConfig::default(),
            topology: SubscriberTopology::of(consumer),
            handlers: Handlers::new(),
            after_commit: Box::new(|| {}),
            health: ConsumerHealth::of(consumer),
            retry: Wake::default(),
            unhandled: Unhandled::default(),
        })
    }

    /// Replaces the default limits. Limits with which nothing is handled are refused.
    pub fn config(mut self, config: SubscriberConfig) -> Result<Self, SubscribeError> {
        config.check()?;
        self.0.config = config;
        Ok(self)
    }

    /// Subscribes to the handler's type of event. A second handler for a type is refused, and so is a pattern.
    pub fn handle<H: BatchHandler>(mut self, handler: H) -> Result<Self, SubscribeError> {
        if !is_short_string(H::EVENT_TYPE) || H::EVENT_TYPE.contains(['*', '#']) {
            return Err(SubscribeError::NotAType(H::EVENT_TYPE));
        }
        match self.0.handlers.entry(H::EVENT_TYPE) {
            Entry::Occupied(_) => Err(SubscribeError::DuplicateHandler(H::EVENT_TYPE)),
            Entry::Vacant(vacant) => {
                vacant.insert(Box::new(handler));
                Ok(self)
            }
        }
    }

    /// Calls `notify` after each commit that had an effect. It must be quick.
    pub fn after_commit(mut self, notify: impl Fn() + Send + Sync + 'static) -> Self {
        self.0.after_commit = Box::new(notify);
        self
    }

    /// The status of the subscriber, now and later.
    pub fn health(&self) -> ConsumerHealth {
        self.0.health.clone()
    }

    /// Consumes until `stop`. Outages of the broker and of the database, at start and later, do not end it, and
    /// are logged once each.
    ///
    /// Returns when the batch under way is committed and acknowledged and the try of an event that waits is over: mostly at
    /// once, at most after [`message_timeout_s`](SubscriberConfig::message_timeout_s) and two minutes. Dropping the future is
    /// as a crash: what is not committed is rolled back, and the broker delivers it again.
    pub async fn run(self, stop: CancellationToken) {
        let shared = &self.0;
        tokio::select! {
            _ = async { tokio::join!(consume(shared, &stop), retry::retry(shared, &stop)) } => {}
            () = purge(shared) => {}
        }
        tracing::info!(consumer = %shared.consumer, "stopped consuming");
    }
}

async fn consume(shared: &Shared, stop: &CancellationToken) {
    let mut pauses = pauses();
    let mut mode = Mode::Batches;
    while !stop.is_cancelled() {
        let started = tokio::time::Instant::now();
        // Not cancelled from outside: a stopped session finishes its batch first.
        let end = match session(shared, mode, stop).await {
            Ok(Ended::Stopped) => return,
            Ok(Ended::Isolated) => {
                mode = Mode::Batches;
                continue;
            }
            Err(end) => end,
        };
        if end.is_unreceivable() {
            mode = Mode::Isolating;
            metrics::counter!("inbox_unreceivable_total", "consumer" => shared.consumer.clone()).increment(1);
        }
        if started.elapsed() > GOOD_SESSION {
            pauses = self::pauses();
        }
        let reason = chain(&end);
        if shared.health.fail(&reason) {
            tracing::warn!(consumer = %shared.consumer, reason, "consuming stopped; will start again");
        } else {
            tracing::debug!(consumer = %shared.consumer, reason, "consuming stopped again for the same reason");
        }
        stop.run_until_cancelled(tokio::time::sleep(pauses.next().unwrap_or(LONGEST_PAUSE))).await;
    }
}

/// Deletes old inbox rows, now and every hour, without end.
async fn purge(shared: &Shared) {
    let consumer = shared.consumer.as_str();
    loop {
        match inbox::purge(&shared.pool, consumer, shared.config.retention() + CLOCK_MARGIN).await {
            Ok(0) => {}
            Ok(rows) => tracing::info!(consumer, rows, "deleted old inbox rows"),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(consumer, error, "could not delete old inbox rows; will try again");
            }
        }
        tokio::time::sleep(PURGE_INTERVAL).await;
    }
}

/// The back-off of the consumer: 0.2 s, doubling to 2 s, with jitter, without end.
fn pauses() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(200))
        .with_max_delay(LONGEST_PAUSE)
        .with_jitter()
        .without_max_times()
        .build()
}
