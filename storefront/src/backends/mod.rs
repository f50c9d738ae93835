//! The other services, over HTTP. Every call has a deadline, and every answer a limit.

mod basket;
mod catalog;
mod client;
mod trouble;

pub use basket::{Alert, AlertKind, AlertPage, Basket, BasketApi, BasketLine};
pub use catalog::{CatalogApi, Details, Item, ItemFilter, ItemPage, Named, Picture};
pub use client::{Backend, Reply, Request};
pub use trouble::Trouble;
