//! What buyers have ordered, as far as they know it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

/// A product, and how many pieces of it.
pub(crate) type Item = (i64, i32);

/// An order that a buyer was promised. Each buyer orders once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Purchase {
    pub(crate) buyer: String,
    pub(crate) order: Uuid,
    /// What the buyer agreed to pay, with two decimal places.
    pub(crate) total: String,
    /// What has to be in the cart in the end: what was put in after the order. `None` where an answer was missing.
    pub(crate) cart: Option<Vec<Item>>,
    /// The buyer was told that it is cancelled.
    pub(crate) is_cancelled: bool,
}

/// All that was promised to buyers, and to the merchant who ships.
#[derive(Debug, Default)]
pub(crate) struct Shopping(Mutex<Promised>);

#[derive(Debug, Default)]
struct Promised {
    purchases: Vec<Purchase>,
    shipped: Vec<Uuid>,
    /// No buyer cancels any more.
    is_final: bool,
}

impl Shopping {
    pub(super) fn bought(&self, purchase: Purchase) {
        self.lock().purchases.push(purchase);
    }

    pub(super) fn shipped(&self, order: Uuid) {
        self.lock().shipped.push(order);
    }

    /// From now on no buyer asks for a cancellation.
    pub(crate) fn end_cancellations(&self) {
        self.lock().is_final = true;
    }

    /// Whether a buyer may ask for a cancellation.
    pub(super) fn may_cancel(&self) -> bool {
        !self.lock().is_final
    }

    /// How many orders were placed so far.
    pub(crate) fn count(&self) -> usize {
        self.lock().purchases.len()
    }

    /// The orders that were promised, and those of which the merchant was told that they are shipped.
    pub(crate) fn promised(&self) -> (Vec<Purchase>, Vec<Uuid>) {
        let promised = self.lock();
        (promised.purchases.clone(), promised.shipped.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Promised> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
