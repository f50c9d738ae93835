//! Fault injection, for tests only.
//!
//! With the feature `crash-points`, `CRASH_POINT=name[:n]` in the environment makes the process send itself
//! SIGKILL at the n-th pass of the point of that name (default the first). A panic would not do: it runs
//! destructors, and a client library would flush and close what a real crash leaves open. `CRASH_POINT=panic:name[:n]`
//! panics there instead, as a mistake in the code would. `WITHOUT=name` makes
//! the process work without one of its safeties, so that a test can see that its checks detect that.

#[cfg(all(feature = "crash-points", not(debug_assertions)))]
compile_error!("crash points are for tests: a release build must not have the feature `crash-points`");

/// Kills the process here, if the feature `crash-points` is on and `CRASH_POINT` names this point.
#[doc(hidden)]
#[macro_export]
macro_rules! crash_point {
    ($name:literal) => {
        #[cfg(feature = "crash-points")]
        $crate::faults::pass($name);
    };
}

/// Counts one pass of the point, and kills the process if it is the requested one.
#[cfg(feature = "crash-points")]
pub fn pass(name: &str) {
    use std::sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    };
    static WANTED: LazyLock<Option<(String, u64)>> = LazyLock::new(|| {
        let text = std::env::var("CRASH_POINT").ok()?;
        Some(match text.rsplit_once(':').and_then(|(name, nth)| Some((name, nth.parse().ok()?))) {
            Some((name, nth)) => (name.to_owned(), nth),
            None => (text, 1),
        })
    });
    static PASSED: AtomicU64 = AtomicU64::new(0);

    let Some((wanted, nth)) = WANTED.as_ref() else { return };
    let (should_panic, wanted) = match wanted.strip_prefix("panic:") {
        Some(wanted) => (true, wanted),
        None => (false, wanted.as_str()),
    };
    if wanted == name && PASSED.fetch_add(1, Ordering::SeqCst) + 1 == *nth {
        assert!(!should_panic, "a test wishes for a panic at {name}");
        let killed = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        unreachable!("a process survived its own SIGKILL: {killed:?}");
    }
}

/// Whether the process works without a safety: always `false` without the feature `crash-points`.
#[doc(hidden)]
#[macro_export]
macro_rules! without {
    ($safety:literal) => {{
        #[cfg(feature = "crash-points")]
        let is_removed = $crate::faults::is_removed($safety);
        #[cfg(not(feature = "crash-points"))]
        let is_removed = false;
        is_removed
    }};
}

/// Whether `WITHOUT` in the environment names this safety:
///
/// - `inbox`: received events are entered, and known ones have no effect;
/// - `version-guard`: an event older than a known one has no effect;
/// - `waiting`: events wait behind an earlier one of their key that failed;
/// - `confirms`: only events that the broker has confirmed count as published;
/// - `ownership`: a relay publishes only the partitions that it owns;
/// - `refused-alone`: an event that the broker refuses fails alone;
/// - `nacked-alone`: a full queue holds up its type alone;
/// - `release`: a relay without a broker releases its partitions;
/// - `generation`: events after a restore are newer than those before it.
///
/// Services have safeties of their own: `reservation`, `compensation`, `timers-once` and `idempotency-key` on the way of
/// an order, and `message-id` of a mail.
#[cfg(feature = "crash-points")]
pub fn is_removed(safety: &str) -> bool {
    static REMOVED: std::sync::LazyLock<Option<String>> =
        std::sync::LazyLock::new(|| std::env::var("WITHOUT").ok());
    REMOVED.as_deref() == Some(safety)
}
