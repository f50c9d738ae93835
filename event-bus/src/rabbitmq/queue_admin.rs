//! The administration of a subscriber's queues and dead letters.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Mutex, time::Instant};

use super::{
    BrokerConfig, BrokerError,
    dead_letters::{
        self, Action, DeadLetter, DeadLetterError, DeadLetterProgress, DeadLetterSelection, DeadLetters,
    },
    depths::{Depths, depths},
};

/// How long read depths are returned to further callers.
const FRESH: Duration = Duration::from_secs(1);

/// How long a caller waits for the broker.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The depths, and when they were read; or why they could not be read.
type Cached = (Instant, Result<Depths, BrokerError>);

/// Lists the depths of a subscriber's queues and its dead letters, and replays or discards dead letters.
///
/// Every call has a connection of its own, one call at a time, so the consumer is not affected however many callers
/// there are.
///
/// ```
/// # async fn example(broker: event_bus::BrokerConfig) -> Result<(), event_bus::rabbitmq::DeadLetterError> {
/// use event_bus::rabbitmq::QueueAdmin;
///
/// let admin = QueueAdmin::new("desk", broker);
/// for letter in admin.dead_letters(10).await?.data {
///     println!("{} is dead-lettered: {}", letter.id, letter.reason);
///     admin.replay(&letter.id).await?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct QueueAdmin {
    config: BrokerConfig,
    subscriber: String,
    time: Duration,
    cached: Arc<Mutex<Option<Cached>>>,
    scanning: Arc<Mutex<()>>,
}

impl QueueAdmin {
    /// Of the subscriber with this name.
    pub fn new(subscriber: &str, config: BrokerConfig) -> Self {
        let (subscriber, time) = (subscriber.to_owned(), dead_letters::SCAN_LIMIT);
        Self { config, subscriber, time, cached: Arc::default(), scanning: Arc::default() }
    }

    /// With another limit of the time that one look through the dead letters may take; default eight seconds.
    #[must_use]
    pub fn within(self, time: Duration) -> Self {
        Self { time, ..self }
    }

    /// The depths of the queues, at most a second old.
    pub async fn depths(&self) -> Result<Depths, BrokerError> {
        let doing = "read the queues";
        let timed_out = || BrokerError::timed_out(doing, TIMEOUT);
        let lock = tokio::time::timeout(TIMEOUT, Arc::clone(&self.cached).lock_owned()).await;
        let mut cached = lock.ok().ok_or_else(timed_out)?;
        if let Some((at, depths)) = &*cached
            && at.elapsed() < FRESH
        {
            return depths.clone();
        }
        let this = self.clone();
        // A spawned task goes on when the caller has gone, so a silent broker is asked once at a time.
        let reading = tokio::spawn(async move {
            let name = format!("{} (queue admin)", this.subscriber);
            let depths = depths(&this.config, &this.subscriber, &name).await;
            *cached = Some((Instant::now(), depths.clone()));
            depths
        });
        match tokio::time::timeout(TIMEOUT, reading).await {
            Ok(read) => read.unwrap_or_else(|_| Err(BrokerError::closed(doing))),
            Err(_) => Err(timed_out()),
        }
    }

    /// The first `limit` dead letters, without those that another process is reading.
    pub async fn dead_letters(&self, limit: usize) -> Result<DeadLetters, DeadLetterError> {
        self.alone(move |this| async move {
            dead_letters::list(&this.config, &this.subscriber, this.time, limit).await
        })
        .await
    }

    /// Delivers a dead letter to its subscriber again, as if it were new, and returns it; `None` if there is none
    /// with this id. The inbox absorbs an event that the subscriber knows.
    pub async fn replay(&self, id: &str) -> Result<Option<DeadLetter>, DeadLetterError> {
        self.act(id, Action::Replay).await
    }

    /// Discards a dead letter and returns it; `None` if there is none with this id.
    pub async fn discard(&self, id: &str) -> Result<Option<DeadLetter>, DeadLetterError> {
        self.act(id, Action::Discard).await
    }

    /// Replays the dead letters of a selection, from the oldest on and at most `limit`, as long as there is time,
    /// and says whether there may be more.
    pub async fn replay_all(
        &self,
        which: DeadLetterSelection,
        limit: u64,
    ) -> Result<DeadLetterProgress, DeadLetterError> {
        self.act_on_all(which, Some(Action::Replay), limit).await
    }

    /// Discards the dead letters of a selection, as [`replay_all`](Self::replay_all) replays them.
    pub async fn discard_all(
        &self,
        which: DeadLetterSelection,
        limit: u64,
    ) -> Result<DeadLetterProgress, DeadLetterError> {
        self.act_on_all(which, Some(Action::Discard), limit).await
    }

    /// Counts the dead letters of a selection.
    pub async fn count(&self, which: DeadLetterSelection) -> Result<DeadLetterProgress, DeadLetterError> {
        self.act_on_all(which, None, u64::MAX).await
    }

    async fn act_on_all(
        &self,
        which: DeadLetterSelection,
        action: Option<Action>,
        limit: u64,
    ) -> Result<DeadLetterProgress, DeadLetterError> {
        self.alone(move |this| async move {
            dead_letters::act_on_all(&this.config, &this.subscriber, this.time, &which, action, limit).await
        })
        .await
    }

    async fn act(&self, id: &str, action: Action) -> Result<Option<DeadLetter>, DeadLetterError> {
        let id = id.to_owned();
        self.alone(move |this| async move {
            dead_letters::act(&this.config, &this.subscriber, this.time, &id, action).await
        })
        .await
    }

    /// Runs one scan at a time, to its end even when the caller has gone: a cancelled scan would leave its connection
    /// open.
    async fn alone<T, E, F>(&self, scan: impl FnOnce(Self) -> F + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<BrokerError> + Send + 'static,
        F: Future<Output = Result<T, E>> + Send,
    {
        let turn = Arc::clone(&self.scanning).lock_owned().await;
        let this = self.clone();
        let scanning = tokio::spawn(async move {
            let outcome = scan(this).await;
            drop(turn);
            outcome
        });
        scanning.await.unwrap_or_else(|failed| {
            tracing::error!(error = %failed, "a scan of the dead letters failed");
            Err(BrokerError::closed("scan the dead letters").into())
        })
    }
}
