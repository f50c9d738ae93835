//! What is known of the catalog's products: enough to price an order.
//!
//! `store` keeps the projection, `look_up` asks the catalog for products that no event has told of yet, `catalog` is the
//! HTTP client for that.

pub mod catalog;
pub mod look_up;
mod model;
pub mod store;

pub use model::{Amount, Price, ProductId};
