//! The batches of this process.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::batch::Batch;

/// The most batches that are kept. The oldest stopped batch is dropped first.
const MAX_BATCHES: usize = 20;

/// The batches of this process. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Batches {
    kept: Arc<Mutex<VecDeque<Arc<Batch>>>>,
    pub(super) stop: CancellationToken,
}

impl Batches {
    /// `stop` stops all batches.
    pub(crate) fn new(stop: CancellationToken) -> Self {
        Self { kept: Arc::default(), stop }
    }

    /// The batch with this id, if it belongs to this owner.
    pub(super) fn find(&self, id: Uuid, owner: &str) -> Option<Arc<Batch>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|batch| batch.id == id && batch.owner == owner).cloned()
    }

    /// Keeps a new batch; `None` if its id is taken, or too many batches are running.
    pub(super) fn keep(&self, batch: Batch) -> Option<Arc<Batch>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.iter().any(|known| known.id == batch.id) {
            return None;
        }
        if kept.len() >= MAX_BATCHES {
            let stopped = kept.iter().position(|batch| !batch.count().is_running)?;
            kept.remove(stopped);
        }
        let batch = Arc::new(batch);
        kept.push_back(Arc::clone(&batch));
        Some(batch)
    }
}
