//! Publishing from one database.

use std::{sync::Arc, time::Duration};

use event_bus::{
    BrokerSettings,
    broker::Publisher,
    crash_point,
    outbox::log::{self, PendingEvent},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    Source, Trouble,
    back_off::BackOff,
    ownership::Ownership,
    publish::{self, Sent},
    retention,
    wake_up::WakeUp,
    within,
};
use crate::settings::RelaySettings;

/// How often an operator's figures are read from the log.
const OBSERVED_EVERY: Duration = Duration::from_secs(5);

/// What came of one look into the log.
enum Pass {
    /// There was nothing to publish.
    Empty,
    /// There was, and there may be more.
    Published,
    /// The broker is away, blocked or refuses.
    BrokerAway(String),
}

struct Worker<'a> {
    source: Arc<Source>,
    broker: &'a BrokerSettings,
    settings: &'a RelaySettings,
    relay_id: Uuid,
    relay_name: String,
    publisher: Option<Publisher>,
}

/// Publishes what is pending in one database until `stop`.
pub(crate) async fn run(
    source: Arc<Source>,
    broker: &BrokerSettings,
    settings: &RelaySettings,
    stop: &CancellationToken,
) {
    let relay_name = settings.name.clone().unwrap_or_else(|| format!("relay-{}", std::process::id()));
    let mut worker =
        Worker { source, broker, settings, relay_id: Uuid::now_v7(), relay_name, publisher: None };
    let observing = observe(Arc::clone(&worker.source));
    let tidying = retention::keep_tidy(Arc::clone(&worker.source), settings.retention_days);
    tokio::select! {
        () = worker.work(stop) => {}
        () = observing => {}
        () = tidying => {}
    }
    if let Some(publisher) = worker.publisher.take() {
        publisher.close().await;
    }
}

impl Worker<'_> {
    /// Works until `stop`; a database that goes away is tried again and again.
    async fn work(&mut self, stop: &CancellationToken) {
        let mut back_off = BackOff::new();
        while let Err(trouble) = self.session(stop, &mut back_off).await {
            self.source.owns(&[]);
            self.source.database_is(Some(trouble.to_string()));
            if stop.run_until_cancelled(back_off.pause()).await.is_none() {
                return;
            }
        }
    }

    /// One database session's worth of publishing. Ends without an error on `stop` only.
    async fn session(
        &mut self,
        stop: &CancellationToken,
        database_back_off: &mut BackOff,
    ) -> Result<(), Trouble> {
        let mut ownership = Ownership::open(&self.source.options, self.relay_id, &self.relay_name).await?;
        let mut wake_up = WakeUp::start(&self.source);
        let mut broker_back_off = BackOff::new();
        while !stop.is_cancelled() {
            ownership.rebalance().await?;
            self.source.owns(ownership.partitions());
            let pass = self.pass(&mut ownership, stop).await?;
            self.source.database_is(None);
            database_back_off.reset();
            if let Pass::BrokerAway(problem) = pass {
                self.source.broker_is(Some(problem));
                stop.run_until_cancelled(broker_back_off.pause()).await;
                continue;
            }
            self.source.broker_is(None);
            broker_back_off.reset();
            if let Pass::Published = pass {
                wake_up.reset();
            } else {
                stop.run_until_cancelled(wake_up.wait()).await;
            }
        }
        ownership.resign().await;
        Ok(())
    }

    /// Publishes one chunk of what is pending, and marks it.
    async fn pass(&mut self, ownership: &mut Ownership, stop: &CancellationToken) -> Result<Pass, Trouble> {
        let publisher = if let Some(publisher) = self.publisher.take().filter(Publisher::is_open) {
            publisher
        } else {
            crash_point!("relay.while_reconnecting");
            match Publisher::connect(self.broker, &self.relay_name).await {
                Ok(publisher) => publisher,
                Err(error) => return Ok(Pass::BrokerAway(error.to_string())),
            }
        };
        // A broker short of memory or disk says so and reads no more. The connection is kept: another one
        // would be blocked as well, and what waits in this one's buffers cannot be taken back.
        if publisher.is_blocked() {
            self.publisher = Some(publisher);
            return Ok(Pass::BrokerAway("it takes no messages: short of memory or disk".to_owned()));
        }
        let limit = i64::from(self.settings.chunk.get());
        let pending = log::pending(&self.source.pool, ownership.partitions(), limit);
        let events = within("read what is pending", pending).await?;
        crash_point!("relay.after_read");
        if events.is_empty() {
            self.publisher = Some(publisher);
            return Ok(Pass::Empty);
        }
        let window = usize::from(self.settings.window.get());
        let sent = publish::send(&self.source, &publisher, &events, window, ownership, stop).await;
        self.mark(&events, &sent, ownership).await?;
        let usable = sent.broker.as_ref().is_none_or(event_bus::broker::PublishError::leaves_channel_usable);
        if usable || publisher.is_blocked() {
            self.publisher = Some(publisher);
        }
        if let Some(trouble) = sent.database {
            return Err(trouble);
        }
        Ok(match sent.broker {
            Some(problem) => Pass::BrokerAway(problem.to_string()),
            None => Pass::Published,
        })
    }

    async fn mark(&self, events: &[PendingEvent], sent: &Sent, ownership: &Ownership) -> Result<(), Trouble> {
        let pool = &self.source.pool;
        if !sent.confirmed.is_empty() {
            crash_point!("relay.before_mark");
            within("mark what was published", log::mark_published(pool, &sent.confirmed)).await?;
            crash_point!("relay.after_mark");
            self.source.has_published(sent.confirmed.len());
        }
        for (index, reason) in &sent.impossible {
            let Some(event) = events.get(*index) else { continue };
            let Some(lease) = ownership.lease(event.partition) else { continue };
            let failed = log::mark_failed(pool, event.event_id, reason, lease);
            if within("mark what cannot be published", failed).await? {
                tracing::error!(
                    database = self.source.name, event.id = %event.event_id, event.key = event.key, reason,
                    "an event cannot be published; its key waits: requeue or skip it"
                );
            }
        }
        Ok(())
    }
}

/// Keeps the figures of the log up to date, while the database answers.
async fn observe(source: Arc<Source>) {
    loop {
        if let Ok(status) = within("read the log's figures", log::status(&source.pool)).await {
            let database = source.name.clone();
            #[expect(clippy::cast_precision_loss, reason = "a count beyond 2^52 is not to be expected")]
            let set = |name: &'static str, value: i64| {
                metrics::gauge!(name, "database" => database.clone()).set(value as f64);
            };
            set("outbox_pending_messages", status.pending);
            set("outbox_parked_messages", status.failed);
            set("outbox_relays", status.relays);
            let age = metrics::gauge!("outbox_oldest_pending_age_seconds", "database" => database.clone());
            age.set(status.oldest_pending_age_seconds);
        }
        tokio::time::sleep(OBSERVED_EVERY).await;
    }
}
