//! A percentage for many prices: one change with its own event for each product.

mod batch;
mod batches;
mod handlers;
mod percent;
mod worker;

pub(crate) use batches::Batches;
pub(super) use handlers::routes;
