//! Safeties that a test can take away, to see that whoever looks for broken promises finds them.
//!
//! With the feature `crash-points`, `WITHOUT=name` in the environment has the process do without the safety
//! of that name. Without the feature nothing can be taken away, and a release build cannot have it.

/// Something that keeps a promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Safety {
    /// `inbox`: received events are entered, and known ones have no effect.
    Inbox,
    /// `version-guard`: what is older than what is known has no effect.
    VersionGuard,
    /// `confirms`: published is what the broker has confirmed.
    Confirms,
    /// `ownership`: a relay publishes the partitions that it owns, and no other.
    Ownership,
    /// `alternate-exchange`: what no queue is bound for is kept.
    AlternateExchange,
}

/// Whether this process does without it. In a build without the feature that is never the case.
#[cfg(not(feature = "crash-points"))]
pub const fn without(_: Safety) -> bool {
    false
}

/// Whether this process does without it.
#[cfg(feature = "crash-points")]
pub fn without(safety: Safety) -> bool {
    static REMOVED: std::sync::LazyLock<Option<String>> =
        std::sync::LazyLock::new(|| std::env::var("WITHOUT").ok());
    let name = match safety {
        Safety::Inbox => "inbox",
        Safety::VersionGuard => "version-guard",
        Safety::Confirms => "confirms",
        Safety::Ownership => "ownership",
        Safety::AlternateExchange => "alternate-exchange",
    };
    REMOVED.as_deref() == Some(name)
}
