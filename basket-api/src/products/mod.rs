//! What this service knows of the catalog's products.
//!
//! `store` keeps the projection, `look_up` asks the catalog for a product that no event has told of
//! yet, `catalog` is the HTTP client for that.

pub mod catalog;
pub mod look_up;
pub mod model;
pub mod store;

pub use model::{Currency, PictureUrl, Price, ProductId, ProductName};
