//! The idempotent inbox: an event has its effect once, however often it is delivered.
//!
//! Three tables, written in the transaction of the effect. `inbox` holds the events that a consumer received.
//! `inbox_version` holds the newest version of each key whose effect it had, for each source and type of event; and a row
//! without a key, written when its queue was first bound. `inbox_waiting` holds the events that failed, and those of their keys behind them.
//!
//! A [`Subscriber`](crate::Subscriber) does all of this by itself. [`advance`] is for facts that arrive in another way
//! than by events:
//!
//! ```
//! # async fn example(pool: sqlx::PgPool) -> Result<(), sqlx::Error> {
//! use event_bus::inbox;
//!
//! // Another service was asked about a book and answered with version 7: events up to 7 are old news now.
//! let mut tx = pool.begin().await?;
//! let news = inbox::advance(&mut tx, "desk", "/library", "Ulysses", &["town.library.book_returned.v1"], 7).await?;
//! if !news.is_empty() {
//!     // Store the answer here: nothing newer is known.
//! }
//! tx.commit().await
//! # }
//! ```

mod advance;
pub mod operate;
#[cfg_attr(not(feature = "rabbitmq"), allow(dead_code, reason = "for a subscriber"))]
mod receive;
#[cfg(feature = "rabbitmq")]
mod retention;
mod subscribed;
#[cfg_attr(not(feature = "rabbitmq"), allow(dead_code, reason = "for a subscriber"))]
pub(crate) mod waiting;

pub use advance::{advance, newest_generation};
pub use receive::Order;
#[cfg(feature = "rabbitmq")]
pub(crate) use receive::{Delivery, Receipt, ReceiveError, receive};
#[cfg(feature = "rabbitmq")]
pub(crate) use retention::purge;
#[cfg(feature = "rabbitmq")]
pub(crate) use subscribed::note_subscribed;
pub use subscribed::was_subscribed;
pub use waiting::{WaitingSummary, summary};

crate::migration::migrations! {
    /// The migrations of the inbox, in the order of their versions. A service runs them with its own.
    "../../migrations/inbox/"
    202_611_221_230 "create inbox" "202611221230_create_inbox.sql",
    202_611_281_300 "create inbox waiting" "202611281300_create_inbox_waiting.sql",
    202_611_291_000 "keep waiting messages" "202611291000_keep_waiting_messages.sql",
    202_611_300_200 "index waiting by key" "202611300200_index_waiting_by_key.sql",
    202_611_300_510 "index generations" "202611300510_index_generations.sql",
    202_611_300_870 "index inbox by age" "202611300870_index_inbox_by_age.sql",
}
