//! A percentage for many prices: one change with its own event for each product.

mod batch;
mod handlers;
mod percent;
mod worker;

pub(crate) use batch::Batches;
pub(super) use handlers::routes;
