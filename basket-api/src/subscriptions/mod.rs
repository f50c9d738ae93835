//! The events that this service listens to, and what it does with each.
//!
//! | event | handler |
//! |---|---|
//! | `shop.catalog.product_added.v1` | [`AddProduct`]: the product may be put into carts |
//! | `shop.catalog.product_price_changed.v1` | [`RepriceBaskets`]: new price in every cart that holds it, and an alert |
//! | `shop.catalog.product_changed.v1` | [`UpdateProduct`]: new name and picture |
//! | `shop.catalog.product_removed.v1` | [`RemoveProduct`]: no longer available, and an alert |
//! | `shop.ordering.order_started.v1` | [`TakeOutOrdered`]: what was ordered leaves the cart |
//! | `shop.accounts.user_registered.v1` | [`GiveFirstList`]: a list to begin with |
//! | `shop.accounts.user_deleted.v1` | [`EraseBuyer`]: lists, cart and alerts go |
//! | `shop.basket.price_digest_due.v1` | [`MakeDigest`]: the buyer's alerts of a day, in one event |
//!
//! Every event of a key counts, in order; of added and changed products only the newest does.
//!
//! Handlers of products get runs of events and write each run in one or two statements, however long it is. They
//! take the products' rows before the carts'. A batch with several runs may still take a cart before the next
//! run's product: where a request stands in the way the database ends one of the two, and both try again.

mod digest;
mod order_started;
mod product_added;
mod product_changed;
mod product_price_changed;
mod product_removed;
mod user;

use event_bus::{HandleError, Received, Subscriber, consumer::SubscribeError};

use crate::products::ProductId;

pub use digest::MakeDigest;
pub use order_started::TakeOutOrdered;
pub use product_added::AddProduct;
pub use product_changed::UpdateProduct;
pub use product_price_changed::RepriceBaskets;
pub use product_removed::RemoveProduct;
pub use user::{EraseBuyer, GiveFirstList};

/// Adds the handlers of this service.
pub fn handlers(subscriber: Subscriber) -> Result<Subscriber, SubscribeError> {
    subscriber
        .handle(AddProduct)?
        .handle(RepriceBaskets)?
        .handle(UpdateProduct)?
        .handle(RemoveProduct)?
        .handle(TakeOutOrdered)?
        .handle(GiveFirstList)?
        .handle(EraseBuyer)?
        .handle(MakeDigest)
}

/// How PostgreSQL plans the statements of the handlers.
///
/// A statement is planned once, not for each batch: planning is most of what a small batch costs. The
/// products of the batch are not known at that time. They are in few carts as a rule, so the plan looks rows
/// up by index and never reads a whole table; where they are in very many carts that costs little more. They
/// are settings of the session, and not `set local` beside each statement, because that would be one more
/// round trip for each batch. A plan made while the tables were empty is kept until their first analyze.
pub const SESSION: [(&str, &str); 6] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    // Would make room for all groups that there might be before it has seen one.
    ("enable_hashagg", "off"),
    ("jit", "off"),
];

/// Checks that the key is the product, and that the version is one: the table's 0 is a product that no event has described.
fn check<P>(event: &Received<P>, about: ProductId) -> Result<(), HandleError> {
    event.check_key(about)?;
    if event.version < 1 {
        return Err(HandleError::reject(format!("a product's version is at least 1, got {}", event.version)));
    }
    Ok(())
}

/// The events of a run, by their source: versions of different sources cannot be compared. As a rule there is one.
fn by_source<P>(events: &[Received<P>]) -> impl Iterator<Item = (&str, &[Received<P>])> {
    let runs = events.chunk_by(|one, next| one.source == next.source);
    runs.filter_map(|run| Some((run.first()?.source.as_str(), run)))
}
