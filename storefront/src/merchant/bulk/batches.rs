//! The batches of this process.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::batch::Batch;

/// Batches that are remembered; the oldest that is over goes first.
const MOST: usize = 20;

/// The batches of this process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Batches {
    kept: Arc<Mutex<VecDeque<Arc<Batch>>>>,
    pub(super) ending: CancellationToken,
}

impl Batches {
    /// None yet; `ending` stops those that will run.
    pub fn new(ending: CancellationToken) -> Self {
        Self { kept: Arc::default(), ending }
    }

    /// The batch of this id, if it is this owner's.
    pub(super) fn find(&self, id: Uuid, owner: &str) -> Option<Arc<Batch>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|batch| batch.id == id && batch.owner == owner).cloned()
    }

    /// Keeps a new batch. `None` if there is one of its id, or too many are running.
    pub(super) fn keep(&self, batch: Batch) -> Option<Arc<Batch>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.iter().any(|known| known.id == batch.id) {
            return None;
        }
        if kept.len() >= MOST {
            let over = kept.iter().position(|batch| !batch.count().is_running)?;
            kept.remove(over);
        }
        let batch = Arc::new(batch);
        kept.push_back(Arc::clone(&batch));
        Some(batch)
    }
}
