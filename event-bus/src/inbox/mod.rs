//! The idempotent inbox: an event has its effect once, however often it is delivered.
//!
//! Two tables, both written in the transaction of the effect. `inbox` holds the events that a consumer received.
//! `inbox_version` holds the newest version of each key that it knows, for each type of event.
//!
//! A [`Subscriber`](crate::Subscriber) does all of this by itself. [`receive`] is for a consumer that gets its
//! messages in another way; [`advance`] is for facts that arrive in another way than by events:
//!
//! ```
//! # async fn example(pool: sqlx::PgPool) -> Result<(), sqlx::Error> {
//! use event_bus::inbox;
//!
//! // Another service was asked about a book and answered with version 7: events up to 7 are old news now.
//! let mut tx = pool.begin().await?;
//! let news = inbox::advance(&mut tx, "desk", "Ulysses", &["town.library.book_returned.v1"], 7).await?;
//! if !news.is_empty() {
//!     // Store the answer here: nothing newer is known.
//! }
//! tx.commit().await
//! # }
//! ```

mod advance;
mod receive;
mod retention;

pub use advance::advance;
pub use receive::{Receipt, receive};
pub use retention::purge;

use crate::Migration;

/// The migrations of the inbox, in the order of their versions. A service runs them with its own.
pub const MIGRATIONS: &[Migration] = &[Migration::new(202_611_221_230, "create inbox", SCHEMA)];

/// All [`MIGRATIONS`] as one text, for a service with another migration tool.
pub const SCHEMA: &str = include_str!("../../migrations/inbox/202611221230_create_inbox.sql");
