//! The catalog: products, prices and stock. Every change that matters outside is announced through
//! the outbox, in the transaction of the change.
//!
//! | module | job |
//! |---|---|
//! | [`products`] | the items: what they are, how they change, how they are found |
//! | [`classification`] | types and brands |
//! | [`pictures`] | a picture for every product, drawn when asked for |
//! | [`unit_of_work`] | one transaction: what was changed, and what is announced of it |
//! | [`idempotency`] | the same request twice has one effect and one answer |
//! | [`seed`] | the products that a new shop starts with |
//! | [`app`] | the parts put together and served |

pub mod app;
pub mod classification;
pub mod command;
pub mod idempotency;
mod operations;
pub mod pictures;
pub mod products;
pub mod seed;
pub mod settings;
pub mod unit_of_work;

/// The migrations of the catalog's database.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!();
