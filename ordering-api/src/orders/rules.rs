//! What happens to an order, and what follows from it: all decisions of the process, without I/O.
//!
//! ```text
//!                grace period ended     stock reserved        payment succeeded      shipped
//!   submitted ----> awaiting_stock ----> stock_confirmed ----> paid ----> shipped
//!       |                 |                    |
//!       | buyer           | buyer, rejected,   | buyer, failed,
//!       |                 | overdue            | overdue
//!       +-----------------+--------------------+----> cancelled
//! ```
//!
//! Events may come late, repeated, or after the order has gone another way. Each status takes the events that move it on;
//! what else comes changes nothing. Whatever was asked of another service is taken back on the way to `cancelled`: that
//! service gets both events in order, or remembers the second one.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Status {
    /// Placed; the buyer can think again until the grace period ends.
    Submitted,
    /// The catalog was asked for its stock.
    AwaitingStock,
    /// Its stock is reserved, and the payment was asked for.
    StockConfirmed,
    /// It is paid, and its stock is sold.
    Paid,
    /// It is on its way to the buyer.
    Shipped,
    /// It came to nothing; stock and money were given back.
    Cancelled,
}

/// Why an order was cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Reason {
    /// The buyer wanted it.
    Buyer,
    /// There is not enough stock, or the catalog did not answer in time.
    StockRejected,
    /// The payment failed, or did not come in time.
    PaymentFailed,
}

/// The reply that an order waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Whether the stock is reserved.
    Stock,
    /// Whether the payment succeeded.
    Payment,
}

/// Something that happens to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Happening {
    /// The buyer has had their time to think again.
    GracePeriodEnded,
    /// The catalog has reserved all of its stock.
    StockReserved,
    /// The catalog has too little of something, and has reserved nothing.
    StockRejected,
    /// The order was charged.
    PaymentSucceeded,
    /// The order was not charged, and will not be.
    PaymentFailed,
    /// The charge was given back.
    PaymentRefunded,
    /// No reply has come in time.
    ReplyOverdue(Step),
    /// The buyer cancels.
    Cancel,
    /// A merchant ships.
    Ship,
}

/// What follows, in the transaction of the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Asks the catalog to reserve the stock, and waits for the reply.
    RequestStock,
    /// Gives the stock back, reserved or not.
    ReleaseStock,
    /// Turns what is reserved into what is sold.
    SellStock,
    /// Asks for the payment, and waits for the reply.
    RequestPayment,
    /// Has a charge refunded, or not begun.
    CancelPayment,
    /// Tells others that the order is paid.
    AnnouncePaid,
    /// Tells others that it is shipped.
    AnnounceShipped,
    /// Tells others that it is cancelled.
    AnnounceCancelled,
}

/// What becomes of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It moves on.
    Become(Status, Option<Reason>, &'static [Action]),
    /// It stays where it is, and something follows all the same.
    Follow(&'static [Action]),
    /// A repetition, or news that came too late.
    Nothing,
    /// Somebody asks for what can no longer be, or not yet.
    Refuse,
}

/// Decides what becomes of an order.
pub fn decide(status: Status, happening: Happening) -> Decision {
    use Action as A;
    use Decision::{Become, Follow, Nothing, Refuse};
    use Happening as H;
    use Status as S;
    match (status, happening) {
        (S::Submitted, H::GracePeriodEnded) => Become(S::AwaitingStock, None, &[A::RequestStock]),
        (S::AwaitingStock, H::StockReserved) => Become(S::StockConfirmed, None, &[A::RequestPayment]),
        (S::StockConfirmed, H::PaymentSucceeded) => Become(S::Paid, None, &[A::SellStock, A::AnnouncePaid]),
        (S::Paid, H::Ship) => Become(S::Shipped, None, &[A::AnnounceShipped]),

        (S::Submitted, H::Cancel) => cancelled(Reason::Buyer, &[A::AnnounceCancelled]),
        // Nothing was reserved, so nothing is given back.
        (S::AwaitingStock, H::StockRejected) => cancelled(Reason::StockRejected, &[A::AnnounceCancelled]),
        (S::AwaitingStock, H::ReplyOverdue(Step::Stock)) => {
            cancelled(Reason::StockRejected, &[A::ReleaseStock, A::AnnounceCancelled])
        }
        (S::AwaitingStock, H::Cancel) => cancelled(Reason::Buyer, &[A::ReleaseStock, A::AnnounceCancelled]),
        // Nothing was charged, or it was refunded.
        (S::StockConfirmed, H::PaymentFailed | H::PaymentRefunded) => {
            cancelled(Reason::PaymentFailed, &[A::ReleaseStock, A::AnnounceCancelled])
        }
        (S::StockConfirmed, H::ReplyOverdue(Step::Payment)) => {
            cancelled(Reason::PaymentFailed, &[A::ReleaseStock, A::CancelPayment, A::AnnounceCancelled])
        }
        (S::StockConfirmed, H::Cancel) => {
            cancelled(Reason::Buyer, &[A::ReleaseStock, A::CancelPayment, A::AnnounceCancelled])
        }

        // A charge that came through all the same is refunded, also if the payment had been given up as failed.
        (S::Cancelled, H::PaymentSucceeded) => Follow(&[A::CancelPayment]),
        (S::Paid | S::Shipped, H::Cancel) | (_, H::Ship) => Refuse,
        _ => Nothing,
    }
}

fn cancelled(reason: Reason, actions: &'static [Action]) -> Decision {
    Decision::Become(Status::Cancelled, Some(reason), actions)
}

/// The wait that an action begins.
pub fn waits_for(action: Action) -> Option<Step> {
    match action {
        Action::RequestStock => Some(Step::Stock),
        Action::RequestPayment => Some(Step::Payment),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
