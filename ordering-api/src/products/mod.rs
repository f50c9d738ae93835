//! What is known of the catalog's products: enough to price an order.

mod model;
pub mod store;

pub use model::{Amount, AmountError, ProductId, ProductIdError};
