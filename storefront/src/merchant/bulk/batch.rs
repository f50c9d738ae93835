//! Batches of price changes.

use rust_decimal::Decimal;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::percent::Percent;
use crate::clients::Item;
use crate::kept::Kept;

/// A batch of price changes, and its progress. It is in memory only: a restart of this service forgets it, but
/// undoes none of its changes.
pub(super) struct Batch {
    pub(super) id: Uuid,
    pub(super) percent: Percent,
    state: watch::Sender<State>,
}

pub(super) struct State {
    rows: Vec<Row>,
    is_running: bool,
}

/// One product of a batch.
#[derive(Clone)]
pub(super) struct Row {
    /// The product's id, and the version that the change applies to.
    pub(super) product: (i64, i64),
    pub(super) name: String,
    pub(super) old: Decimal,
    pub(super) new: Decimal,
    pub(super) currency: String,
    /// The idempotency key: a change whose outcome is unknown is safe to repeat.
    pub(super) key: String,
    pub(super) progress: Progress,
}

/// The progress of one change.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Progress {
    Waiting,
    Done,
    /// `is_stale`: the product has another version, so the change was not made.
    Failed {
        reason: String,
        is_stale: bool,
    },
}

/// The numbers of changes by progress.
pub(super) struct Count {
    pub(super) all: usize,
    pub(super) done: usize,
    pub(super) failed: usize,
    pub(super) is_running: bool,
}

impl Row {
    /// A change of the product's current price.
    pub(super) fn new(item: &Item, percent: Percent) -> Self {
        Self {
            product: (item.id, item.version),
            name: item.name.clone(),
            old: item.price,
            new: percent.of(item.price),
            currency: item.currency.clone(),
            key: Uuid::new_v4().to_string(),
            progress: Progress::Waiting,
        }
    }

    pub(super) fn is_failed(&self) -> bool {
        matches!(self.progress, Progress::Failed { .. })
    }
}

impl Batch {
    pub(super) fn new(id: Uuid, percent: Percent, items: &[Item]) -> Self {
        let rows = items.iter().map(|item| Row::new(item, percent)).collect();
        let state = watch::Sender::new(State { rows, is_running: false });
        Self { id, percent, state }
    }

    pub(super) fn is_running(&self) -> bool {
        self.state.borrow().is_running
    }

    /// Marks the batch as running; false if it is running already.
    pub(super) fn start(&self) -> bool {
        self.state.send_if_modified(|state| !std::mem::replace(&mut state.is_running, true))
    }

    /// Marks the batch as stopped.
    pub(super) fn stop(&self) {
        self.state.send_modify(|state| state.is_running = false);
    }

    /// The changes to make, each with its index; with `failed` also those that have failed.
    pub(super) fn pending(&self, failed: bool) -> Vec<(usize, Row)> {
        let is_pending = |row: &Row| row.progress == Progress::Waiting || (failed && row.is_failed());
        self.rows().into_iter().enumerate().filter(|(_, row)| is_pending(row)).collect()
    }

    /// Stores the outcome of a change.
    pub(super) fn record(&self, index: usize, row: Row) {
        self.state.send_modify(|state| {
            if let Some(slot) = state.rows.get_mut(index) {
                *slot = row;
            }
        });
    }

    pub(super) fn rows(&self) -> Vec<Row> {
        self.state.borrow().rows.clone()
    }

    pub(super) fn count(&self) -> Count {
        let state = self.state.borrow();
        let count = |is: fn(&Row) -> bool| state.rows.iter().filter(|row| is(row)).count();
        Count {
            all: state.rows.len(),
            done: count(|row| row.progress == Progress::Done),
            failed: count(Row::is_failed),
            is_running: state.is_running,
        }
    }

    /// Receives every change of the batch.
    pub(super) fn subscribe(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }
}

/// The batches of this process.
pub(crate) struct Batches {
    pub(super) kept: Kept<Batch>,
    pub(super) stop: CancellationToken,
}

impl Batches {
    /// `stop` stops all batches.
    pub(crate) fn new(stop: CancellationToken) -> Self {
        Self { kept: Kept::new(Batch::is_running), stop }
    }
}
