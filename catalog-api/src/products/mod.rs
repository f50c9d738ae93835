//! The products of the catalog: what they are, how they change, how they are found.

mod bodies;
mod events;
mod filter;
mod handlers;
mod model;
mod product;
pub mod store;
mod text;

use service_kit::loader::Loader;

pub use bodies::{Details, ItemBody, PriceChange, StockChange};
pub use events::{ProductAdded, ProductChanged, ProductPriceChanged, ProductRemoved};
pub use filter::Filter;
pub use handlers::routes;
pub use model::{BrandId, Price, ProductId, Stock, TypeId};
pub use product::{Product, ProductEvent};
pub use text::{Description, Name, TextError};

/// Finds products by their ids: [`load`](Loader::load) one.
pub type Products = Loader<ProductId, Product>;

/// The path that the routes of the products begin with.
pub const BASE: &str = "/api/v1/catalog";
