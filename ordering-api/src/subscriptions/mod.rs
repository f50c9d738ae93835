//! The events that this service listens to, and what it does with each.
//!
//! | event | handler |
//! |---|---|
//! | `shop.ordering.grace_period_ended.v1` | [`EndGracePeriod`]: the stock is asked for |
//! | `shop.ordering.reply_overdue.v1` | [`CancelOverdueOrder`]: cancelled, and what was asked for is taken back |
//! | `shop.catalog.stock_reserved.v1` | [`ConfirmStock`]: the payment is asked for |
//! | `shop.catalog.stock_rejected.v1` | [`CancelWithoutStock`]: cancelled |
//! | `shop.payment.payment_succeeded.v1` | [`CompleteOrder`]: paid |
//! | `shop.payment.payment_failed.v1`, `payment_refunded.v1` | [`CancelUnpaidOrder`], [`CancelRefundedOrder`] |
//! | `shop.catalog.product_*.v1` | [`AddProduct`] and the like: what the checkout knows of products |
//!
//! What an event does to an order is decided in [`rules`](crate::orders::rules).

mod order;
mod product;

use event_bus::Subscriber;
use event_bus::consumer::SubscribeError;

pub use order::{
    CancelOverdueOrder, CancelRefundedOrder, CancelUnpaidOrder, CancelWithoutStock, CompleteOrder,
    ConfirmStock, EndGracePeriod,
};
pub use product::{AddProduct, RemoveProduct, RepriceProduct, UpdateProduct};

/// Adds the handlers of this service.
pub fn handlers(subscriber: Subscriber) -> Result<Subscriber, SubscribeError> {
    subscriber
        .handle(EndGracePeriod)?
        .handle(CancelOverdueOrder)?
        .handle(ConfirmStock)?
        .handle(CancelWithoutStock)?
        .handle(CompleteOrder)?
        .handle(CancelUnpaidOrder)?
        .handle(CancelRefundedOrder)?
        .handle(AddProduct)?
        .handle(RepriceProduct)?
        .handle(UpdateProduct)?
        .handle(RemoveProduct)
}
