//! The limits of a subscriber.

use std::time::Duration;

use serde::Deserialize;

use super::SubscribeError;

/// The limits of a subscriber. The defaults suit a service with handlers that take milliseconds.
///
/// ```
/// let mut limits = event_bus::consumer::SubscriberConfig::default();
/// limits.batch_size = 1;
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct SubscriberConfig {
    /// Messages that the broker delivers before they are acknowledged. They wait in memory, up to 264 KiB each.
    /// Default 128.
    pub prefetch: u16,
    /// The largest number of messages in one transaction. Default 64: while one batch is written, the next one is
    /// delivered.
    pub batch_size: usize,
    /// Bytes of messages after which a batch is full. Default 4 MiB.
    pub batch_bytes: usize,
    /// How long a batch waits for more messages under load, in milliseconds. Default 5. A message that finds the
    /// consumer idle does not wait.
    pub linger_ms: u64,
    /// How long a batch may take, in seconds; then its halves are tried. Default 30.
    pub batch_timeout_s: u64,
    /// How long one message may take, in seconds; then it waits for another try. Default 330.
    pub message_timeout_s: u64,
    /// How long to wait for a database connection, in seconds. Default 5.
    pub connect_timeout_s: u64,
    /// How often an event fails before its key is blocked. Default 10: over 3 minutes. Together with others of its batch it
    /// may have been tried some times more.
    pub max_attempts: u32,
    /// How long messages are kept while they are not handled, in seconds, because the database is away or a handler is slow;
    /// then they are given back to the broker until they are. Default 60. Must be less than the broker's consumer timeout,
    /// 30 minutes by default.
    pub hold_s: u64,
    /// How long inbox rows are kept, in days. Default 7. Keep it longer than your longest outage: an older event that is not
    /// newer than what was handled has no effect.
    pub retention_days: u32,
}

impl Default for SubscriberConfig {
    fn default() -> Self {
        Self {
            prefetch: 128,
            batch_size: 64,
            batch_bytes: 4 * 1024 * 1024,
            linger_ms: 5,
            batch_timeout_s: 30,
            message_timeout_s: 330,
            connect_timeout_s: 5,
            max_attempts: 10,
            hold_s: 60,
            retention_days: 7,
        }
    }
}

/// The longest time that a limit may be, in seconds: a day.
const DAY: u64 = 24 * 60 * 60;

impl SubscriberConfig {
    /// Refuses limits with which nothing is handled or memory has no bound, such as a prefetch of 0, which the broker
    /// takes for no limit.
    pub(crate) fn check(&self) -> Result<(), SubscribeError> {
        let bytes = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX);
        for (setting, value, least, most) in [
            ("prefetch", u64::from(self.prefetch), 1, u64::from(u16::MAX)),
            ("batch_size", bytes(self.batch_size), 1, u64::from(u16::MAX)),
            ("batch_bytes", bytes(self.batch_bytes), 1, 1024 * 1024 * 1024),
            ("linger_ms", self.linger_ms, 0, 60_000),
            ("batch_timeout_s", self.batch_timeout_s, 1, DAY),
            ("message_timeout_s", self.message_timeout_s, 1, DAY),
            ("connect_timeout_s", self.connect_timeout_s, 1, DAY),
            ("max_attempts", u64::from(self.max_attempts), 1, 1_000_000),
            ("hold_s", self.hold_s, 1, DAY),
            ("retention_days", u64::from(self.retention_days), 1, 36_500),
        ] {
            if !(least..=most).contains(&value) {
                return Err(SubscribeError::OutOfRange { setting, value, least, most });
            }
        }
        Ok(())
    }

    pub(crate) fn linger(&self) -> Duration {
        Duration::from_millis(self.linger_ms)
    }

    pub(crate) fn batch_timeout(&self) -> Duration {
        Duration::from_secs(self.batch_timeout_s)
    }

    pub(crate) fn message_timeout(&self) -> Duration {
        Duration::from_secs(self.message_timeout_s)
    }

    pub(crate) fn connect_timeout(&self) -> Duration {
        Duration::from_secs(self.connect_timeout_s)
    }

    pub(crate) fn hold(&self) -> Duration {
        Duration::from_secs(self.hold_s)
    }

    pub(crate) fn retention(&self) -> Duration {
        Duration::from_hours(24 * u64::from(self.retention_days))
    }
}
