//! A subscriber that counts, and messages for it.

mod handlers;
mod sent;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use event_bus::{
    BrokerConfig, Subscriber,
    consumer::{ConsumerHealth, SubscriberConfig},
    inbox::{
        self,
        operate::{self, WaitingKey, WaitingSelection},
    },
    relay::Publisher,
};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use sqlx::PgPool;
use test_kit::{Vhost, eventually};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::handlers::{Guess, Note};
pub(crate) use self::{
    handlers::{CountUp, GUESSED, NOTED, RAISED, Raised},
    sent::{Sent, raised},
};

/// How long anything may take on a busy machine before a test gives up on it.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// A subscriber at work.
pub(crate) struct Stage {
    pub(crate) pool: PgPool,
    pub(crate) vhost: Arc<Vhost>,
    pub(crate) consumer: String,
    pub(crate) health: ConsumerHealth,
    pub(crate) publisher: Publisher,
    pub(crate) stop: CancellationToken,
    pub(crate) running: JoinHandle<()>,
}

/// The broker of a virtual host. On a busy machine it may take long to let us in.
pub(crate) fn broker(vhost: &Vhost) -> BrokerConfig {
    let url = format!("{}?connection_timeout={}", vhost.url, LONG.as_millis());
    BrokerConfig::new(url, "shop.events")
}

/// A pool of the same database, with a setting for all of its sessions.
pub(crate) async fn limited(pool: &PgPool, setting: &str) -> PgPool {
    let options = (*pool.connect_options()).clone();
    let limit = format!("alter database \"{}\" set {setting}", options.get_database().unwrap());
    sqlx::raw_sql(sqlx::AssertSqlSafe(limit)).execute(pool).await.unwrap();
    PgPool::connect_with(options).await.unwrap()
}

fn recorder() -> &'static PrometheusHandle {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    RECORDER.get_or_init(|| PrometheusBuilder::new().install_recorder().unwrap())
}

impl Stage {
    pub(crate) async fn set(pool: PgPool) -> Self {
        Self::set_with(pool, |_, _| {}).await
    }

    /// With so many tries for each event.
    pub(crate) async fn set_with_tries(pool: PgPool, max_attempts: u32) -> Self {
        let mut config = SubscriberConfig::default();
        config.max_attempts = max_attempts;
        Self::set_to(pool, config, |_, _| {}).await
    }

    /// With something to do after each commit, before the acknowledgement; it gets the broker and the
    /// consumer's name.
    pub(crate) async fn set_with(
        pool: PgPool,
        after_commit: impl Fn(&Arc<Vhost>, &str) + Send + Sync + 'static,
    ) -> Self {
        Self::set_to(pool, SubscriberConfig::default(), after_commit).await
    }

    /// With these limits.
    pub(crate) async fn set_to(
        pool: PgPool,
        limits: SubscriberConfig,
        after_commit: impl Fn(&Arc<Vhost>, &str) + Send + Sync + 'static,
    ) -> Self {
        recorder();
        sqlx::raw_sql(inbox::SCHEMA).execute(&pool).await.unwrap();
        sqlx::raw_sql(
            "create table applied (key text not null, version bigint not null, value bigint);
             create table held (key text not null);
             create table single (number int unique deferrable initially deferred)",
        )
        .execute(&pool)
        .await
        .unwrap();
        let vhost = Arc::new(test_kit::vhost().await);
        let config = broker(&vhost);
        let publisher = Publisher::connect(&config, "test").await.unwrap();
        let consumer = format!("counter-{}", Uuid::new_v4().simple());
        vhost.subscribed(&consumer).await;
        let subscriber = Subscriber::new(&consumer, pool.clone(), config)
            .config(limits)
            .unwrap()
            .handle(CountUp { met: Arc::default() })
            .and_then(|subscriber| subscriber.handle(Note(CountUp { met: Arc::default() })))
            .and_then(|subscriber| subscriber.handle(Guess(CountUp { met: Arc::default() })))
            .unwrap()
            .after_commit({
                let (vhost, consumer) = (Arc::clone(&vhost), consumer.clone());
                move || after_commit(&vhost, &consumer)
            });
        let (health, stop) = (subscriber.health(), CancellationToken::new());
        let running = tokio::spawn(subscriber.run(stop.clone()));
        let stage = Self { pool, vhost, consumer, health, publisher, stop, running };
        stage.consuming().await;
        stage
    }

    pub(crate) async fn consuming(&self) {
        eventually("it consumes", LONG, async || self.health.is_connected().then_some(())).await;
    }

    pub(crate) fn queue(&self) -> String {
        format!("{}.events", self.consumer)
    }

    pub(crate) fn dead(&self) -> String {
        format!("{}.events.dead", self.consumer)
    }

    /// Has events of a key fail that wish to wait.
    pub(crate) async fn hold(&self, key: &str) {
        sqlx::query("insert into held values ($1)").bind(key).execute(&self.pool).await.unwrap();
    }

    /// Has them succeed from now on.
    pub(crate) async fn release(&self, key: &str) {
        sqlx::query("delete from held where key = $1").bind(key).execute(&self.pool).await.unwrap();
    }

    /// Makes all that waits due, this key first.
    pub(crate) async fn try_first(&self, key: &str) {
        sqlx::query(
            "update inbox_waiting set next_attempt_at = now() - case key when $1 then interval '1 hour' else '0' end",
        )
        .bind(key)
        .execute(&self.pool)
        .await
        .unwrap();
    }

    /// What waits, in the order of its arrival.
    pub(crate) async fn waiting(&self) -> Vec<(String, i64)> {
        let waiting = "select key, key_version from inbox_waiting where consumer = $1 order by position";
        sqlx::query_as(waiting).bind(&self.consumer).fetch_all(&self.pool).await.unwrap()
    }

    /// Waits until so many events wait.
    pub(crate) async fn until_waiting(&self, count: usize) -> Vec<(String, i64)> {
        eventually(&format!("{count} events wait"), LONG, async || {
            let waiting = self.waiting().await;
            (waiting.len() == count).then_some(waiting)
        })
        .await
    }

    /// Waits until so many keys are blocked.
    pub(crate) async fn until_blocked(&self, count: usize) -> Vec<WaitingKey> {
        let blocked = WaitingSelection { blocked_only: true, ..WaitingSelection::default() };
        eventually(&format!("{count} keys are blocked"), LONG, async || {
            let keys = operate::list(&self.pool, &self.consumer, &blocked, 0, 1_000).await.unwrap();
            (keys.len() == count).then_some(keys)
        })
        .await
    }

    /// The samples of all metrics of this process, one a line.
    pub(crate) fn samples() -> Vec<String> {
        let text = recorder().render();
        text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
    }

    /// How many deliveries were of this kind.
    pub(crate) fn receipts(&self, receipt: &str) -> u64 {
        let line = format!("inbox_deliveries_total{{consumer=\"{}\",receipt=\"{receipt}\"}} ", self.consumer);
        let text = recorder().render();
        text.lines().find_map(|text| text.strip_prefix(&line)?.parse().ok()).unwrap_or(0)
    }

    /// Publishes an event, as the relay does.
    pub(crate) async fn send(&self, event: &Sent) {
        self.send_by(&self.publisher, event).await;
    }

    /// The same, by another publisher.
    pub(crate) async fn send_by(&self, publisher: &Publisher, event: &Sent) {
        publisher.send(&event.outgoing()).await.unwrap().outcome().await.unwrap();
    }

    /// What was applied, in order.
    pub(crate) async fn applied(&self) -> Vec<(String, i64)> {
        sqlx::query_as("select key, version from applied order by ctid").fetch_all(&self.pool).await.unwrap()
    }

    /// Waits until so many are applied.
    pub(crate) async fn until_applied(&self, count: usize) -> Vec<(String, i64)> {
        eventually(&format!("{count} events are applied"), LONG, async || {
            let applied = self.applied().await;
            (applied.len() >= count).then_some(applied)
        })
        .await
    }

    /// Waits until so many deliveries were of this kind.
    pub(crate) async fn until_received(&self, receipt: &str, count: u64) {
        eventually(&format!("{count} deliveries are {receipt}"), LONG, async || {
            (self.receipts(receipt) >= count).then_some(())
        })
        .await;
    }

    /// Waits for a message in the dead-letter queue and returns its reason.
    pub(crate) async fn dead_letter(&self) -> (String, test_kit::Message) {
        let dead = self.dead();
        let message =
            eventually("something is dead-lettered", LONG, async || self.vhost.take(&dead).await).await;
        (message.header("x-reason").unwrap_or_default(), message)
    }
}
