//! What the workload has done so far.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use uuid::Uuid;

/// What became of one operation, as far as its client can know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// It was done.
    Ok,
    /// It was certainly not done: refused, or no connection.
    Failed,
    /// Unknown: no answer in time, the answer was cut off, or the service itself does not know (5xx).
    Unknown,
}

/// Counts operations, and keeps the ids of the events that were promised.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    ok: AtomicU64,
    failed: AtomicU64,
    unknown: AtomicU64,
    promised: Mutex<Vec<Uuid>>,
}

impl Counters {
    pub(super) fn count(&self, known: Known) {
        let counter = match known {
            Known::Ok => &self.ok,
            Known::Failed => &self.failed,
            Known::Unknown => &self.unknown,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn promise(&self, event_id: Uuid) {
        self.promised.lock().unwrap_or_else(PoisonError::into_inner).push(event_id);
    }

    /// Operations done, not done, and unknown.
    pub(crate) fn counts(&self) -> (u64, u64, u64) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (read(&self.ok), read(&self.failed), read(&self.unknown))
    }

    /// The ids of the events that the catalog has promised to its clients so far.
    pub(crate) fn promised(&self) -> Vec<Uuid> {
        self.promised.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Reads an answer, or the lack of one.
pub(super) fn known(answer: &reqwest::Result<reqwest::Response>) -> Known {
    match answer {
        Ok(answer) if answer.status().is_success() => Known::Ok,
        Ok(answer) if answer.status().is_server_error() => Known::Unknown,
        Ok(_) => Known::Failed,
        Err(error) if error.is_connect() && !error.is_timeout() => Known::Failed,
        Err(_) => Known::Unknown,
    }
}
