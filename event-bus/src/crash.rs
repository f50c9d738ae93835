//! Named points at which a test can have the process killed.
//!
//! With the feature `crash-points`, `CRASH_POINT=name[:n]` in the environment has the process send
//! itself SIGKILL when it passes the point of that name for the n-th time (the first when no number
//! is given). SIGKILL, not a panic: a panic runs destructors, and a client library would flush and
//! close what a real crash leaves open. Without the feature a point is nothing at all, and a release build
//! with the feature does not compile.

#[cfg(all(feature = "crash-points", not(debug_assertions)))]
compile_error!("crash points are for tests: a release build must not have the feature `crash-points`");

/// Kills the process here, if the feature `crash-points` is on and `CRASH_POINT` names this point.
#[macro_export]
macro_rules! crash_point {
    ($name:literal) => {
        #[cfg(feature = "crash-points")]
        $crate::crash::pass($name);
    };
}

/// Counts one passage of the point, and dies if it is the one asked for.
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
    if wanted == name && PASSED.fetch_add(1, Ordering::SeqCst) + 1 == *nth {
        let killed = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        unreachable!("a process survived its own SIGKILL: {killed:?}");
    }
}
