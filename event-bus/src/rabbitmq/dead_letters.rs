//! A subscriber's dead letters: listing them, handling them again, and discarding them.
//!
//! Each of these takes messages off the queue without acknowledging them, and returns them by closing its
//! connection, so a killed process loses nothing. Two of them at once share the queue between them.

mod letter;
mod scan;

use std::time::Duration;

use self::scan::Scan;
use super::{BrokerConfig, BrokerError, PublishError};

pub use self::letter::DeadLetter;

/// How long one scan of the queue may take, unless another time is wanted.
pub(super) const SCAN_LIMIT: Duration = Duration::from_secs(8);

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
) -> Result<DeadLetters, DeadLetterError> {
    let mut scan = Scan::begin(config, subscriber, time, limit as u64).await?;
    let outcome = async {
        let mut seen = DeadLetters { count: 0, data: Vec::new() };
        while let Some(delivery) = scan.next().await? {
            seen.data.push(DeadLetter::of(&delivery));
            scan.leave(&delivery).await?;
        }
        scan.settle().await?;
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
    /// A message cannot be received, nor anything behind it: it is no AMQP, or its headers fill more than a frame.
    #[error(
        "the dead letter behind the first {after} cannot be received: take it off the queue on the broker's own page"
    )]
    Unreceivable {
        /// How many can be read before it.
        after: u64,
        /// Why it cannot.
        source: BrokerError,
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

/// Selects the dead letters that fit all fields that are set. If none is set it selects none; an empty text is as one that
/// is not set, because every reason contains it.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct DeadLetterSelection {
    /// All of them.
    pub all: bool,
    /// Those whose reason contains this.
    pub reason: Option<String>,
    /// Those of this type.
    pub event_type: Option<String>,
    /// Those about this key.
    pub key: Option<String>,
}

impl DeadLetterSelection {
    /// Whether no field is set.
    pub fn is_empty(&self) -> bool {
        let is_unset = |text: &Option<String>| text.as_ref().is_none_or(String::is_empty);
        !self.all && [&self.reason, &self.event_type, &self.key].into_iter().all(is_unset)
    }

    /// Whether this letter is one of them.
    pub fn has(&self, letter: &DeadLetter) -> bool {
        let is = |wanted: &Option<String>, own: &Option<String>| {
            wanted.as_deref().is_none_or(str::is_empty) || wanted == own
        };
        let reason = self.reason.as_ref().is_none_or(|reason| letter.reason.contains(reason.as_str()));
        !self.is_empty() && reason && is(&self.event_type, &letter.event_type) && is(&self.key, &letter.key)
    }
}

/// How far an order about many dead letters has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DeadLetterProgress {
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
    let mut scan = Scan::begin(config, subscriber, time, u64::MAX).await?;
    let outcome = async {
        while let Some(delivery) = scan.next().await? {
            let letter = DeadLetter::of(&delivery);
            if letter.id != id {
                scan.leave(&delivery).await?;
                continue;
            }
            scan.act(action, &delivery).await?;
            scan.settle().await?;
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

/// Replays or discards those of a selection, from the oldest on, at most `limit` and as long as there is time; without
/// an action it only counts them.
pub(super) async fn act_on_all(
    config: &BrokerConfig,
    subscriber: &str,
    time: Duration,
    which: &DeadLetterSelection,
    action: Option<Action>,
    limit: u64,
) -> Result<DeadLetterProgress, DeadLetterError> {
    let mut scan = Scan::begin(config, subscriber, time, u64::MAX).await?;
    let outcome = async {
        let mut progress = DeadLetterProgress::default();
        while progress.done < limit
            && let Some(delivery) = scan.next().await?
        {
            let is_meant = which.has(&DeadLetter::of(&delivery));
            progress.matched += u64::from(is_meant);
            match action.filter(|_| is_meant) {
                Some(action) => {
                    scan.act(action, &delivery).await?;
                    progress.done += 1;
                }
                None => scan.leave(&delivery).await?,
            }
        }
        scan.settle().await?;
        let is_full = progress.done == limit && scan.left != Some(0);
        let (count, looked_at) = (scan.count, scan.looked_at);
        Ok(DeadLetterProgress { count, looked_at, more: is_full || scan.is_out_of_time, ..progress })
    }
    .await;
    scan.end().await;
    outcome
}
