//! The events that this service listens to, and what it does with each.
//!
//! | event | handler |
//! |---|---|
//! | `shop.catalog.product_added.v1` | [`AddProduct`]: the product may be put into carts |
//! | `shop.catalog.product_price_changed.v1` | [`RepriceBaskets`]: new price in every cart that holds it, and an alert |
//! | `shop.catalog.product_changed.v1` | [`UpdateProduct`]: new name and picture |
//! | `shop.catalog.product_removed.v1` | [`RemoveProduct`]: no longer available, and an alert |
//!
//! Handlers get runs of events and write each run in one or two statements, however long it is. Each
//! takes the products' rows before the carts'. A batch with several runs may still take a cart before the next
//! run's product: where a request stands in the way the database ends one of the two, and both try again.

mod established;
mod product_added;
mod product_changed;
mod product_price_changed;
mod product_removed;

use event_bus::{BatchHandler, BrokerConfig, HandleError, Received, Subscriber, consumer::SubscribeError};
use sqlx::PgPool;

pub use established::Subscription;
pub use product_added::AddProduct;
pub use product_changed::UpdateProduct;
pub use product_price_changed::RepriceBaskets;
pub use product_removed::RemoveProduct;

use crate::products::ProductId;

/// The name under which this service subscribes: its queue is `basket.events`, and its inbox rows bear
/// it. Another name would have every event handled again.
pub const CONSUMER: &str = "basket";

/// The events whose news is all in the catalog's item: who has read the item at some version has no use
/// for these up to that version.
pub const TOLD_BY_AN_ITEM: [&str; 3] =
    [AddProduct::EVENT_TYPE, RepriceBaskets::EVENT_TYPE, UpdateProduct::EVENT_TYPE];

/// The service's subscription: what is delivered goes to the handlers above.
pub fn subscriber(pool: PgPool, broker: BrokerConfig) -> Result<Subscriber, SubscribeError> {
    Subscriber::new(CONSUMER, pool, broker)
        .handle(AddProduct)?
        .handle(RepriceBaskets)?
        .handle(UpdateProduct)?
        .handle(RemoveProduct)
}

/// The key that orders an event must be the product that it is about: else the guard against old news
/// would guard the wrong product.
fn check_key<P>(event: &Received<P>, product: ProductId) -> Result<(), HandleError> {
    if event.key == product.to_string() {
        Ok(())
    } else {
        Err(HandleError::reject(format!("an event with the key {:?} is about product {product}", event.key)))
    }
}
