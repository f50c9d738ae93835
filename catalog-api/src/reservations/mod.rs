//! Stock for orders: reserved all or nothing, given back, or sold.
//!
//! | event | handler |
//! |---|---|
//! | `shop.ordering.stock_requested.v1` | [`ReserveStock`]: answered by `stock_reserved` or `stock_rejected` |
//! | `shop.ordering.stock_released.v1` | [`ReleaseStock`]: remembered, if it comes before the request |
//! | `shop.ordering.stock_sold.v1` | [`SellStock`] |
//!
//! `reading` shows merchants what is reserved.

mod events;
mod model;
mod reading;
mod store;
mod subscriptions;

pub use events::{Shortage, StockRejected, StockReserved};
pub use model::{Item, OrderId, Pieces};
pub use reading::routes;
pub use subscriptions::{ReleaseStock, ReserveStock, SellStock, handlers};
