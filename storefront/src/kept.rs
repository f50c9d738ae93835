//! What forms have started in this process. It is in memory only.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

/// The most that is kept. The oldest that does not run is dropped first.
const MAX: usize = 20;

/// What users have started, by the id that the form has chosen: a form that is sent twice starts it once.
pub(crate) struct Kept<T> {
    entries: Mutex<VecDeque<Entry<T>>>,
    is_running: fn(&T) -> bool,
}

struct Entry<T> {
    id: Uuid,
    owner: String,
    started: Arc<T>,
}

/// Whether something new is kept.
pub(crate) enum Keep<T> {
    New(Arc<T>),
    /// It is kept already: another click has started it.
    Known,
    /// Too many are running.
    Full,
}

impl<T> Kept<T> {
    pub(crate) fn new(is_running: fn(&T) -> bool) -> Self {
        Self { entries: Mutex::default(), is_running }
    }

    /// What has this id, if it belongs to this user.
    pub(crate) fn find(&self, id: Uuid, owner: &str) -> Option<Arc<T>> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let found = entries.iter().find(|entry| entry.id == id && entry.owner == owner)?;
        Some(Arc::clone(&found.started))
    }

    /// Keeps what this user is about to start.
    pub(crate) fn keep(&self, id: Uuid, owner: &str, started: T) -> Keep<T> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.iter().any(|entry| entry.id == id && entry.owner == owner) {
            return Keep::Known;
        }
        if entries.len() >= MAX {
            let ended = entries.iter().position(|entry| !(self.is_running)(&entry.started));
            let Some(ended) = ended else { return Keep::Full };
            entries.remove(ended);
        }
        let started = Arc::new(started);
        entries.push_back(Entry { id, owner: owner.to_owned(), started: Arc::clone(&started) });
        Keep::New(started)
    }
}
