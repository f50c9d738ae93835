//! The transactional outbox: a change and its event in one transaction.
//!
//! A service calls [`append`] inside the transaction of the change. A relay reads the pending rows, publishes them
//! and marks them published.
//!
//! ```
//! use event_bus::{Event, outbox};
//! use sqlx::PgPool;
//!
//! #[derive(serde::Serialize)]
//! struct BookReturned {
//!     book: String,
//!     times_lent: i64,
//! }
//!
//! impl Event for BookReturned {
//!     const TYPE: &'static str = "town.library.book_returned.v1";
//!
//!     fn key(&self) -> String {
//!         self.book.clone()
//!     }
//!
//!     fn version(&self) -> i64 {
//!         self.times_lent
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let Ok(server) = std::env::var("DATABASE_URL") else { return Ok(()) };
//! # let administrator = PgPool::connect(&server).await?;
//! # let name = format!("doc_{}", uuid::Uuid::new_v4().simple());
//! # let create = sqlx::AssertSqlSafe(format!("create database {name}"));
//! # sqlx::raw_sql(create).execute(&administrator).await?;
//! # let database_url = format!("{}/{name}", server.rsplit_once('/').unwrap().0);
//! let pool = PgPool::connect(&database_url).await?;
//! sqlx::raw_sql(outbox::SCHEMA).execute(&pool).await?;
//! sqlx::raw_sql("create table book (title text primary key, times_lent bigint not null)").execute(&pool).await?;
//!
//! let mut tx = pool.begin().await?;
//! // The change comes first: it locks the book's row, and so puts the events of a book in order.
//! let change = "insert into book values ('Ulysses', 1)
//!               on conflict (title) do update set times_lent = book.times_lent + 1 returning times_lent";
//! let times_lent = sqlx::query_scalar(change).fetch_one(&mut *tx).await?;
//! let returned = BookReturned { book: "Ulysses".to_owned(), times_lent };
//! outbox::append(&mut tx, &returned).await?;
//! tx.commit().await?;
//!
//! assert_eq!(outbox::status(&pool).await?.pending, 1);
//! # pool.close().await;
//! # let drop = sqlx::AssertSqlSafe(format!("drop database {name} with (force)"));
//! # sqlx::raw_sql(drop).execute(&administrator).await?;
//! # Ok(())
//! # }
//! ```

mod append;
#[cfg(feature = "relay")]
pub(crate) mod headers;
pub(crate) mod notifier;
mod schedule;
mod status;

pub use crate::envelope::PAYLOAD_LIMIT;
pub use append::{AppendError, append, append_traced};
pub use notifier::Notifier;
pub use schedule::{ScheduledId, cancel, is_scheduled, schedule, schedule_traced};
pub use status::{LogStatus, Progress, progress, status};

crate::migration::migrations! {
    /// The migrations of the outbox, in the order of their versions.
    ///
    /// A service runs them with its own, and grants its relay's role the rights that `docs/own-service.md` lists.
    "../../migrations/outbox/"
    202_611_221_210 "create integration event log" "202611221210_create_integration_event_log.sql",
    202_611_281_200 "drop state in progress" "202611281200_drop_state_in_progress.sql",
    202_611_281_410 "complete rows" "202611281410_complete_rows.sql",
    202_611_281_420 "create outbox log" "202611281420_create_outbox_log.sql",
    202_611_281_430 "create outbox scheduled" "202611281430_create_outbox_scheduled.sql",
    202_611_281_440 "describe relays" "202611281440_describe_relays.sql",
    202_611_300_100 "release each due event" "202611300100_release_each_due_event.sql",
    202_611_300_300 "name the cluster of relays" "202611300300_name_the_cluster_of_relays.sql",
    202_611_300_400 "name the source of relays" "202611300400_name_the_source_of_relays.sql",
    202_611_300_500 "create outbox generation" "202611300500_create_outbox_generation.sql",
    202_611_300_840 "complete mended rows" "202611300840_complete_mended_rows.sql",
    202_611_300_850 "find due events by index" "202611300850_find_due_events_by_index.sql",
}
