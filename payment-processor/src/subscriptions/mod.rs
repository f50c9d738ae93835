//! The events that this service listens to, and what it does with each.
//!
//! | event | handler |
//! |---|---|
//! | `shop.ordering.payment_requested.v1` | [`RequestPayment`]: a row of work for the worker |
//! | `shop.ordering.payment_cancelled.v1` | [`CancelPayment`]: never charged, or refunded |
//!
//! They may arrive in either order.

mod payment_cancelled;
mod payment_requested;

use event_bus::{Subscriber, consumer::SubscribeError};

pub use payment_cancelled::CancelPayment;
pub use payment_requested::RequestPayment;

/// Adds the handlers of this service.
pub fn handlers(subscriber: Subscriber) -> Result<Subscriber, SubscribeError> {
    subscriber.handle(RequestPayment)?.handle(CancelPayment)
}
