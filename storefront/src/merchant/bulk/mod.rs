//! A percentage over many prices: one separate, announced change for each product.

mod batch;
mod batches;
mod handlers;
mod percent;
mod worker;

pub use batches::Batches;
pub(super) use handlers::routes;
