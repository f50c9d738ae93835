//! Transactional outbox and idempotent inbox on PostgreSQL and RabbitMQ.
//!
//! **A producer** writes a change and its announcement in one transaction with [`outbox::append`]. A
//! relay (the `outbox-relay` binary, or anything that reads the table and uses [`broker::Publisher`])
//! publishes the pending rows in the order of their commits per key, and marks them once the broker
//! has confirmed them.
//!
//! **A consumer** builds a [`Subscriber`] with one [`Handler`] for each type of event. Delivery is at
//! least once; the effect is exactly once, because the inbox row is written in the effect's
//! transaction; and the newest version of a key wins, because older ones are ignored.
//!
//! Both bring their own database: [`outbox::SCHEMA`] and [`inbox::SCHEMA`] are its tables.
//!
//! # The whole way of one event
//!
//! Two services and, in place of the `outbox-relay` binary, one pass of a relay between them:
//!
//! ```
//! use event_bus::{
//!     BrokerSettings, Event, HandleError, Handler, Received, Subscriber, TraceContext,
//!     broker::Publisher,
//!     envelope::OutgoingEvent,
//!     inbox, outbox,
//! };
//! use chrono::{DateTime, Utc};
//! use sqlx::{PgConnection, PgPool};
//! use uuid::Uuid;
//! use tokio_util::sync::CancellationToken;
//!
//! // What the library service announces …
//! #[derive(serde::Serialize)]
//! struct BookReturned { book: String, version: i64 }
//!
//! impl Event for BookReturned {
//!     const TYPE: &'static str = "town.library.book_returned.v1";
//!     fn key(&self) -> String { self.book.clone() }
//!     fn version(&self) -> i64 { self.version }
//! }
//!
//! // … and what the desk service does about it, with the fields that it reads.
//! #[derive(serde::Deserialize)]
//! struct Returned { book: String }
//!
//! struct CallNextReader;
//!
//! impl Handler for CallNextReader {
//!     const EVENT_TYPE: &'static str = "town.library.book_returned.v1";
//!     type Payload = Returned;
//!
//!     async fn handle(&self, tx: &mut PgConnection, events: &[Received<Returned>]) -> Result<(), HandleError> {
//!         let books: Vec<&str> = events.iter().map(|event| event.data.book.as_str()).collect();
//!         sqlx::query("insert into call (book) select * from unnest($1::text[])").bind(books).execute(tx).await?;
//!         Ok(())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let Ok(server) = std::env::var("DATABASE_URL") else { return Ok(()) };
//! # let name = format!("doc_{}", uuid::Uuid::new_v4().simple());
//! # let administrator = PgPool::connect(&server).await?;
//! # let create = sqlx::AssertSqlSafe(format!("create database {name}"));
//! # sqlx::raw_sql(create).execute(&administrator).await?;
//! # let database_url = format!("{}/{name}", server.rsplit_once('/').unwrap().0);
//! # let amqp_url = std::env::var("AMQP_URL")?;
//! let pool = PgPool::connect(&database_url).await?;
//! sqlx::raw_sql(outbox::SCHEMA).execute(&pool).await?; // the library's database …
//! sqlx::raw_sql(inbox::SCHEMA).execute(&pool).await?; // … and the desk's, here one and the same
//! sqlx::raw_sql("create table call (book text)").execute(&pool).await?;
//!
//! // The library: the change (not shown) and its announcement in one transaction.
//! let mut tx = pool.begin().await?;
//! let event = BookReturned { book: "Ulysses".to_owned(), version: 7 };
//! outbox::append(&mut tx, &event, &TraceContext::default()).await?;
//! tx.commit().await?;
//!
//! // The desk: one handler, its own queue.
//! let broker = BrokerSettings::new(amqp_url);
//! let publisher = Publisher::connect(&broker, "relay").await?;
//! let desk = Subscriber::new("desk", pool.clone(), broker).handle(CallNextReader);
//! let (health, stop) = (desk.health(), CancellationToken::new());
//! let running = tokio::spawn(desk.run(stop.clone()));
//! while !health.is_connected() {
//!     tokio::task::yield_now().await;
//! }
//!
//! // The relay: read, send, wait for the confirmation, mark.
//! let pending = "select event_id, event_type, key, key_version, created_at, payload::text
//!                  from integration_event_log where state = 'NotPublished' order by position";
//! let pending: Vec<(Uuid, String, String, i64, DateTime<Utc>, String)> =
//!     sqlx::query_as(pending).fetch_all(&pool).await?;
//! for (id, event_type, key, version, occurred_at, payload) in &pending {
//!     let event = OutgoingEvent {
//!         id: *id,
//!         source: "/library",
//!         service: "library",
//!         event_type,
//!         key,
//!         version: *version,
//!         occurred_at: *occurred_at,
//!         trace: &TraceContext::default(),
//!         payload,
//!     };
//!     publisher.send(&event).await?.outcome().await?;
//!     let mark = "update integration_event_log set state = 'Published', published_at = now() where event_id = $1";
//!     sqlx::query(mark).bind(id).execute(&pool).await?;
//! }
//!
//! // The effect is there, once.
//! let called = "select book from call";
//! while sqlx::query_scalar::<_, String>(called).fetch_all(&pool).await? != ["Ulysses"] {
//!     tokio::task::yield_now().await;
//! }
//! stop.cancel();
//! running.await?;
//! # pool.close().await;
//! # let drop = sqlx::AssertSqlSafe(format!("drop database {name} with (force)"));
//! # sqlx::raw_sql(drop).execute(&administrator).await?;
//! # Ok(())
//! # }
//! ```

pub mod broker;
pub mod consumer;
pub mod crash;
mod database;
pub mod envelope;
mod event;
pub mod inbox;
mod migration;
pub mod outbox;
mod trace;
pub mod without;

pub use broker::BrokerSettings;
pub use consumer::{HandleError, Handler, Received, Subscriber};
pub use database::DatabaseErrorKind;
pub use event::Event;
pub use migration::Migration;
pub use trace::TraceContext;
