//! What an operator sees of a subscriber's queues, and does about its dead letters.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Mutex, time::Instant};

use super::{
    BrokerSettings, Depths, PublishError, dead_letters,
    dead_letters::{DeadLetter, DeadLetters, Fate},
    depths,
};

/// How long what was seen of the queues is shown to others who ask.
const FRESH: Duration = Duration::from_secs(1);

/// How long somebody who asks for the queues waits for the broker.
const PATIENCE: Duration = Duration::from_secs(2);

/// What was seen of the queues, and when; or why they could not be seen.
type Seen = (Instant, Result<Depths, String>);

/// A subscriber's queues, seen from outside. Every call is on a connection of its own that ends with it, and
/// one at a time: nothing of it stands in the consumer's way, however many ask.
#[derive(Debug, Clone)]
pub struct Oversight {
    settings: BrokerSettings,
    subscriber: String,
    seen: Arc<Mutex<Option<Seen>>>,
    walking: Arc<Mutex<()>>,
}

impl Oversight {
    /// Of the subscriber with this name.
    pub fn new(subscriber: &str, settings: BrokerSettings) -> Self {
        Self { settings, subscriber: subscriber.to_owned(), seen: Arc::default(), walking: Arc::default() }
    }

    /// How much waits in the queues, as of a second ago at most; an error says why that cannot be seen.
    pub async fn depths(&self) -> Result<Depths, String> {
        let silent = || format!("the broker has not answered within {} s", PATIENCE.as_secs());
        let mut seen = tokio::time::timeout(PATIENCE, Arc::clone(&self.seen).lock_owned())
            .await
            .ok()
            .ok_or_else(silent)?;
        if let Some((at, depths)) = &*seen
            && at.elapsed() < FRESH
        {
            return depths.clone();
        }
        let this = self.clone();
        // Goes on when the asker has left, so that a silent broker is asked by one at a time.
        let looking = tokio::spawn(async move {
            let name = format!("{} (oversight)", this.subscriber);
            let depths = depths(&this.settings, &this.subscriber, &name).await;
            let depths = depths.map_err(|error| error.to_string());
            *seen = Some((Instant::now(), depths.clone()));
            depths
        });
        match tokio::time::timeout(PATIENCE, looking).await {
            Ok(looked) => looked.unwrap_or_else(|failed| Err(failed.to_string())),
            Err(_) => Err(silent()),
        }
    }

    /// The first `limit` dead letters. Those that somebody looks at in another process are not seen.
    pub async fn dead_letters(&self, limit: usize) -> Result<DeadLetters, PublishError> {
        self.alone(
            move |this| async move { dead_letters::peek(&this.settings, &this.subscriber, limit).await },
        )
        .await
    }

    /// Hands a dead letter to its subscriber again, as if it were new, and returns it; `None` if there is no
    /// such one. What the subscriber has had already, its inbox absorbs.
    pub async fn replay(&self, id: &str) -> Result<Option<DeadLetter>, PublishError> {
        self.decide(id, Fate::Again).await
    }

    /// Throws a dead letter away and returns it; `None` if there is no such one.
    pub async fn discard(&self, id: &str) -> Result<Option<DeadLetter>, PublishError> {
        self.decide(id, Fate::Gone).await
    }

    async fn decide(&self, id: &str, fate: Fate) -> Result<Option<DeadLetter>, PublishError> {
        let id = id.to_owned();
        self.alone(move |this| async move {
            dead_letters::decide(&this.settings, &this.subscriber, &id, fate).await
        })
        .await
    }

    /// One walk at a time, and to its end even when the asker has left: a walk that is cut off in the middle
    /// would leave its connection open.
    async fn alone<T, F>(&self, walk: impl FnOnce(Self) -> F + Send + 'static) -> Result<T, PublishError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, PublishError>> + Send,
    {
        let turn = Arc::clone(&self.walking).lock_owned().await;
        let this = self.clone();
        let walking = tokio::spawn(async move {
            let outcome = walk(this).await;
            drop(turn);
            outcome
        });
        walking.await.unwrap_or_else(|failed| {
            tracing::error!(error = %failed, "a walk through the dead letters failed");
            Err(super::BrokerError::ended("walk through the dead letters").into())
        })
    }
}
