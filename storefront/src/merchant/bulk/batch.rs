//! One run of price changes.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rust_decimal::Decimal;
use tokio::sync::watch;
use uuid::Uuid;

use super::percent::Percent;
use crate::backends::Item;

/// One run of price changes, and how far it is. Kept in memory: a restart of this service forgets it, but
/// undoes none of the changes that were made.
#[derive(Debug)]
pub(super) struct Batch {
    /// Which one; chosen by the form, so that sending it twice begins one batch.
    pub(super) id: Uuid,
    /// Whose it is.
    pub(super) owner: String,
    /// By how much prices change.
    pub(super) percent: Percent,
    state: Mutex<State>,
    turns: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    rows: Vec<Row>,
    is_running: bool,
}

/// One product of a batch.
#[derive(Debug, Clone)]
pub(super) struct Row {
    /// The product, and the version that the change is meant for.
    pub(super) product: (i64, i64),
    /// What it is called.
    pub(super) name: String,
    /// Its price before.
    pub(super) old: Decimal,
    /// The price that it shall have.
    pub(super) new: Decimal,
    /// The currency of both.
    pub(super) currency: String,
    /// Makes it safe to ask for this change again when nobody knows whether it was made.
    pub(super) key: String,
    /// How far it is.
    pub(super) progress: Progress,
}

/// How far one change is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Progress {
    /// Not tried yet, or being tried.
    Waiting,
    /// Made, and on its way to every cart.
    Done,
    /// Not made, as far as is known; with the reason, and whether the product had changed meanwhile.
    Failed {
        /// For people.
        reason: String,
        /// Whether the product is not at the expected version any more: the change was surely not made.
        is_stale: bool,
    },
}

/// How many changes are how far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) all: usize,
    pub(super) done: usize,
    pub(super) failed: usize,
    pub(super) is_running: bool,
}

impl Row {
    /// A change of this product's present price.
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
}

impl Batch {
    /// A batch that has not begun.
    pub(super) fn new(id: Uuid, owner: &str, percent: Percent, items: &[Item]) -> Self {
        let rows = items.iter().map(|item| Row::new(item, percent)).collect();
        let state = Mutex::new(State { rows, is_running: false });
        Self { id, owner: owner.to_owned(), percent, state, turns: watch::Sender::new(0) }
    }

    /// Marks it as running; false if it is already.
    pub(super) fn begin(&self) -> bool {
        !std::mem::replace(&mut self.state().is_running, true)
    }

    /// Marks it as over for now.
    pub(super) fn end(&self) {
        self.state().is_running = false;
        self.tell();
    }

    /// What is still to do, by the rows' places. `failed`: also what has failed before.
    pub(super) fn pending(&self, failed: bool) -> Vec<(usize, Row)> {
        let is_wanted = |row: &Row| match row.progress {
            Progress::Waiting => true,
            Progress::Done => false,
            Progress::Failed { .. } => failed,
        };
        self.rows().into_iter().enumerate().filter(|(_, row)| is_wanted(row)).collect()
    }

    /// Writes down how a change went.
    pub(super) fn record(&self, place: usize, row: Row) {
        if let Some(slot) = self.state().rows.get_mut(place) {
            *slot = row;
        }
        self.tell();
    }

    /// All rows, as they are now.
    pub(super) fn rows(&self) -> Vec<Row> {
        self.state().rows.clone()
    }

    /// How far it is.
    pub(super) fn count(&self) -> Count {
        let state = self.state();
        let count = |is: fn(&Progress) -> bool| state.rows.iter().filter(|row| is(&row.progress)).count();
        Count {
            all: state.rows.len(),
            done: count(|progress| *progress == Progress::Done),
            failed: count(|progress| matches!(progress, Progress::Failed { .. })),
            is_running: state.is_running,
        }
    }

    /// Changes whenever anything of it does.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.turns.subscribe()
    }

    fn tell(&self) {
        self.turns.send_modify(|turn| *turn += 1);
    }

    /// Nothing that holds the lock can fail half-way: a poisoned one is as good.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
