//! The limits and times of an engine.

use std::time::Duration;

/// The limits and times of an engine.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// The largest number of events that one poll reads. Under load, confirmed events are marked when there are
    /// half as many.
    pub batch_size: usize,
    /// The largest number of events in flight to the broker.
    pub max_in_flight: usize,
    /// Bytes of events in memory above which no more are read.
    pub max_bytes: usize,
    /// Events in memory that wait for the broker to take their type, above which no more are read.
    pub max_aside: usize,
    /// The same in bytes.
    pub max_aside_bytes: usize,
    /// How often leases are renewed.
    pub renewal: Duration,
    /// How long this process relies on a lease after it asked for it: less than the lease lasts.
    pub trusted: Duration,
    /// The longest time between two polls of an idle log: what a lost notification costs.
    pub poll_interval: Duration,
    /// The shortest time between two full scans of the pending events.
    pub full_scan_interval: Duration,
    /// How many positions a poll reads after one that took too long. Halved each time that this is still too much.
    pub first_range: i64,
    /// How long a confirmed event waits for others to be marked with it, while more are in flight.
    pub linger: Duration,
}

impl Config {
    /// The default of `trusted`.
    pub const TRUSTED: Duration = Duration::from_millis(3_500);
}

impl Default for Config {
    fn default() -> Self {
        Self {
            batch_size: 1_000,
            max_in_flight: 1_000,
            max_bytes: 8 * 1024 * 1024,
            max_aside: 20_000,
            max_aside_bytes: 64 * 1024 * 1024,
            renewal: Duration::from_millis(1_500),
            trusted: Self::TRUSTED,
            poll_interval: Duration::from_millis(1_100),
            full_scan_interval: Duration::from_secs(1),
            first_range: 1 << 20,
            linger: Duration::from_millis(500),
        }
    }
}
