//! An `integration_event_log` with something in it.

use event_bus::{Event, outbox};
use serde::Serialize;
use sqlx::PgPool;
use test_kit::eventually;
use uuid::Uuid;

use super::LONG;

#[derive(Serialize)]
pub(crate) struct CounterRaised {
    counter: String,
    value: i64,
}

impl Event for CounterRaised {
    const TYPE: &'static str = "shop.test.counter_raised.v1";

    fn key(&self) -> String {
        self.counter.clone()
    }

    fn version(&self) -> i64 {
        self.value
    }
}

/// A database of its own with the outbox's tables.
pub(crate) struct Log {
    pub(crate) pool: PgPool,
    pub(crate) url: String,
}

/// The URL of the database that a pool is connected to.
pub(crate) fn database_url(pool: &PgPool) -> String {
    let server = std::env::var("DATABASE_URL").expect("run the tests with `cargo shop test`");
    let name = pool.connect_options().get_database().expect("a database").to_owned();
    let (server, _) = server.rsplit_once('/').unwrap();
    format!("{server}/{name}")
}

impl Log {
    pub(crate) async fn create(pool: PgPool) -> Self {
        sqlx::raw_sql(outbox::SCHEMA).execute(&pool).await.unwrap();
        Self { url: database_url(&pool), pool }
    }

    /// Commits versions `from..=to` of a counter, each announced in a transaction of its own.
    pub(crate) async fn raise(&self, counter: &str, versions: std::ops::RangeInclusive<i64>) -> Vec<Uuid> {
        let mut ids = Vec::new();
        for value in versions {
            let mut tx = self.pool.begin().await.unwrap();
            let event = CounterRaised { counter: counter.to_owned(), value };
            ids.push(outbox::append(&mut tx, &event).await.unwrap());
            tx.commit().await.unwrap();
        }
        ids
    }

    /// Commits one version of each of `keys` counters, `versions` times over, in one transaction.
    pub(crate) async fn raise_many(&self, keys: i64, versions: i64) {
        self.raise_many_from(keys, 1, versions).await;
    }

    /// The same, from version `first` on.
    pub(crate) async fn raise_many_from(&self, keys: i64, first: i64, versions: i64) {
        let mut tx = self.pool.begin().await.unwrap();
        for value in first..first + versions {
            for key in 0..keys {
                let event = CounterRaised { counter: key.to_string(), value };
                outbox::append(&mut tx, &event).await.unwrap();
            }
        }
        tx.commit().await.unwrap();
    }

    pub(crate) async fn count(&self, state: &str) -> i64 {
        sqlx::query_scalar("select count(*) from integration_event_log where state = $1")
            .bind(state)
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    /// Waits until nothing is pending any more.
    pub(crate) async fn drained(&self) {
        eventually("everything is marked published", LONG, async || {
            (self.count("NotPublished").await == 0).then_some(())
        })
        .await;
    }
}
