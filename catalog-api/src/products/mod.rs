//! The items of the catalog: what they are, how they change, how they are found.

mod bodies;
mod changes;
mod events;
mod filter;
mod list;
mod lookup;
mod model;
mod price;
mod product;
mod refusals;
mod store;
mod text;

use utoipa_actix_web::service_config::ServiceConfig;

pub use bodies::{Details, ItemBody, PriceChange};
pub use events::{ProductAdded, ProductChanged, ProductPriceChanged, ProductRemoved};
pub use filter::Filter;
pub use model::{BrandId, Item, ProductId, Stock, TypeId, ValueError};
pub use price::{Price, PriceError};
pub use product::{Product, ProductEvent};
pub use store::find_all;
pub use text::{Description, Name, TextError};

/// What every route of the products begins with.
pub const BASE: &str = "/api/v1/catalog";

/// The routes.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(list::list_items).service(lookup::get_item);
    config.service(changes::add_item).service(changes::change_price);
    config.service(changes::replace_item).service(changes::remove_item);
}
