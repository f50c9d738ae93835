//! How fast the suite recovers, over repeats, against what it has to reach.

use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal;
use shop::terminal::complain;
use tokio::time::Instant;
use uuid::Uuid;

use super::Row;
use crate::{
    run::Runner,
    workload::{PRODUCTS, change_price},
};
use harness::{
    Name, percentile,
    proxy::{Mode, Protocol},
    until,
};

/// How long an event may take before a measurement is given up.
const LIMIT: Duration = Duration::from_mins(1);

/// What is killed.
#[derive(Clone, Copy)]
pub(super) enum What {
    OneOfTwo,
    TheOnlyOne,
    Frozen,
    Broker,
    Database,
    /// One of two relays is refused by its broker, or hears nothing from it.
    WithoutBroker {
        hears_nothing: bool,
    },
}

impl Runner {
    /// Measures every recovery, each so often; those that restart a server, a third as often.
    pub(super) async fn recoveries(&mut self, repeats: usize) -> Result<Vec<Row>> {
        let few = repeats.div_ceil(3).max(3);
        let mut rows = Vec::new();
        for (what, name, repeats, limit_p50, limit_p99) in [
            (What::OneOfTwo, "relay killed, a standby runs: first event out", repeats, Some(0.3), 1.0),
            (What::TheOnlyOne, "only relay killed: first event out after its start", repeats, None, 1.0),
            (What::Frozen, "relay frozen: taken over", repeats, None, 6.0),
            (What::Broker, "RabbitMQ killed: first event out after its port opens", few, None, 3.0),
            (What::Database, "PostgreSQL killed: first event out after it answers", few, None, 3.0),
        ] {
            let mut measured = Vec::with_capacity(repeats);
            for _ in 0..repeats {
                self.environment.interrupt.check()?;
                measured.push(self.measure(what).await);
            }
            rows.push(row(name, &measured, limit_p50, limit_p99));
        }
        Ok(rows)
    }

    /// One measurement, in seconds; for ever, where it does not recover at all.
    pub(super) async fn measure(&mut self, what: What) -> f64 {
        let measured = match what {
            What::OneOfTwo => self.killed_with_standby().await,
            What::TheOnlyOne => self.killed_and_started().await,
            What::Frozen => self.frozen().await,
            What::Broker => self.server_killed(Name::RABBITMQ).await,
            What::Database => self.server_killed(Name::Postgres).await,
            What::WithoutBroker { hears_nothing } => self.without_broker(hears_nothing).await,
        };
        measured.unwrap_or_else(|error| {
            complain(format!("    not measured: {error:#}"));
            if let Err(error) = self.mend() {
                complain(format!("  ! the environment cannot be mended: {error:#}"));
            }
            f64::INFINITY
        })
    }

    async fn killed_with_standby(&mut self) -> Result<f64> {
        self.settle(2, 1).await?;
        let product = self.product_of(Name::RELAY).await?;
        self.environment.kill(Name::RELAY)?;
        let killed = Instant::now();
        self.first_out(product, killed).await
    }

    async fn killed_and_started(&mut self) -> Result<f64> {
        self.settle(1, 1).await?;
        self.environment.kill(Name::RELAY)?;
        let cents = self.cents();
        let id = change_price(&self.environment, 1, cents).await?;
        self.environment.launch(Name::RELAY, &[])?;
        let started = Instant::now();
        self.seen(id, started).await
    }

    async fn frozen(&mut self) -> Result<f64> {
        self.settle(2, 1).await?;
        let product = self.product_of(Name::RELAY).await?;
        self.environment.signal(Name::RELAY, Signal::STOP)?;
        let frozen = Instant::now();
        let taken_over = self.first_out(product, frozen).await;
        self.environment.signal(Name::RELAY, Signal::CONT)?;
        taken_over
    }

    async fn without_broker(&mut self, hears_nothing: bool) -> Result<f64> {
        let relay = Name::RELAY;
        // The faults of the last measurement are over: connections of its time may still hear nothing.
        self.settle(2, 1).await?;
        let product = self.product_of(relay).await?;
        let proxy = self.environment.proxy(relay, Protocol::Amqp)?;
        proxy.set(if hears_nothing { Mode::Silent } else { Mode::Refused });
        if !hears_nothing {
            proxy.reset();
        }
        let cut = Instant::now();
        let relieved = self.first_out(product, cut).await;
        let proxy = self.environment.proxy(relay, Protocol::Amqp)?;
        proxy.pass();
        proxy.reset();
        relieved
    }

    async fn server_killed(&mut self, name: Name) -> Result<f64> {
        self.settle(1, 1).await?;
        self.environment.kill_server(name)?;
        // Without the broker the catalog takes changes; without its database it cannot.
        let cents = self.cents();
        let id = match name {
            Name::RABBITMQ => Some(change_price(&self.environment, 1, cents).await?),
            _ => None,
        };
        let opened = self.environment.start_server_and_watch(name)?;
        match id {
            Some(id) => self.seen(id, opened).await,
            None => self.first_out(1, opened).await,
        }
    }

    /// Changes a price as soon as the catalog takes it; when the recorder has seen it, in seconds since.
    async fn first_out(&mut self, product: i64, since: Instant) -> Result<f64> {
        let cents = self.cents();
        let change = async || Ok(change_price(&self.environment, product, cents).await.ok());
        let id = until(LIMIT, Duration::from_millis(5), change).await?;
        self.seen(id.context("the catalog takes no price")?, since).await
    }

    async fn seen(&self, id: Uuid, since: Instant) -> Result<f64> {
        let seen = async || Ok(self.recorder.first_seen(id));
        let at = until(LIMIT, Duration::from_millis(1), seen).await?.context("an event did not come out")?;
        Ok(at.saturating_duration_since(since).as_secs_f64())
    }

    /// A product whose events this relay publishes, once everything is shared.
    async fn product_of(&self, service: Name) -> Result<i64> {
        let owned = async || {
            let keys = (1..=PRODUCTS).map(|product| product.to_string()).collect::<Vec<_>>();
            let product: Option<String> = sqlx::query_scalar(
                "select log.key from integration_event_log as log
                   join outbox_partition as owned on owned.partition = log.partition
                   join outbox_relay as relay on relay.relay_id = owned.relay_id
                  where relay.name = $1 and log.key = any($2)
                    and (select count(distinct relay_id) from outbox_partition) = 2
                  limit 1",
            )
            .bind(service.to_string())
            .bind(keys)
            .fetch_optional(&self.environment.catalog)
            .await?;
            Ok(product.and_then(|key| key.parse().ok()))
        };
        let product = until(LIMIT, Duration::from_millis(50), owned).await?;
        product.with_context(|| format!("{service} owns no product's partition"))
    }

    fn cents(&mut self) -> u64 {
        self.rng.u64(100..10_000_000)
    }
}

pub(super) fn row(name: &'static str, measured: &[f64], limit_p50: Option<f64>, limit_p99: f64) -> Row {
    let p50 = percentile(measured, 50).unwrap_or(f64::INFINITY);
    let p99 = percentile(measured, 99).unwrap_or(f64::INFINITY);
    let limit = limit_p50.map_or(String::new(), |limit| format!("p50 ≤ {limit} s, "));
    Row {
        name,
        of: measured.len(),
        measured: format!("p50 {p50:.2} s, p99 {p99:.2} s"),
        must_be: format!("{limit}p99 ≤ {limit_p99} s"),
        met: p99 <= limit_p99 && limit_p50.is_none_or(|limit| p50 <= limit),
    }
    .told()
}
