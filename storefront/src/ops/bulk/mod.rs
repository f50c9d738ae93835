//! Decisions about many events at once: an order, how many it would concern, and its progress.

mod jobs;
mod order;

pub(super) use jobs::{Job, Outcome};
pub(super) use order::{Asked, Order, Step};
