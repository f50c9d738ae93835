//! What a buyer has in their cart.

pub mod handlers;
pub mod model;
pub mod route;
pub mod store;

pub use model::{Basket, BasketItem, Quantity};
pub use service_kit::auth::{BuyerId, BuyerIdError};
