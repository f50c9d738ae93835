//! Handlers that do as they are told.

use std::sync::{Arc, Mutex};

use event_bus::{
    HandleError, Handler, Received,
    consumer::{GiveUp, Order},
};
use serde::Deserialize;
use sqlx::{Postgres, Transaction};

pub(crate) const RAISED: &str = "shop.test.counter_raised.v1";

/// Of this type only the newest event counts.
pub(crate) const NOTED: &str = "shop.test.counter_noted.v1";

/// Of this type an event is skipped after its last try.
pub(crate) const GUESSED: &str = "shop.test.counter_guessed.v1";

#[derive(Deserialize)]
pub(crate) struct Raised {
    pub(crate) value: i64,
    /// What the handler is to do with it.
    #[serde(default)]
    pub(crate) wish: Option<String>,
}

/// Adds what it gets to a table, and does as it is told.
pub(crate) struct CountUp {
    /// How often each wish was met, in this process.
    pub(crate) met: Arc<Mutex<Vec<String>>>,
}

impl Handler for CountUp {
    const EVENT_TYPE: &'static str = RAISED;
    type Payload = Raised;

    async fn handle(
        &self,
        tx: &mut Transaction<'_, Postgres>,
        event: &Received<Raised>,
    ) -> Result<(), HandleError> {
        let wish = event.data.wish.clone().unwrap_or_default();
        let times = {
            let mut met = self.met.lock().unwrap();
            met.push(wish.clone());
            met.iter().filter(|other| **other == wish).count()
        };
        match wish.as_str() {
            "wait" | "wait, then reject" => {
                let is_held = sqlx::query_scalar("select exists (select from held where key = $1)");
                if is_held.bind(&event.key).fetch_one(&mut **tx).await? {
                    return Err(HandleError::retry("it is held"));
                }
                if wish == "wait, then reject" {
                    return Err(HandleError::reject("this one is rejected"));
                }
            }
            "reject while held" => {
                let is_held = sqlx::query_scalar("select exists (select from held where key = $1)");
                if is_held.bind(&event.key).fetch_one(&mut **tx).await? {
                    return Err(HandleError::reject("it is held"));
                }
            }
            "reject" => return Err(HandleError::reject("this one is rejected")),
            "retry" => return Err(HandleError::retry("not today")),
            "retry twice" if times <= 2 => return Err(HandleError::retry("not yet")),
            "lock" => {
                let lock = sqlx::query("select from held where key = $1 for update");
                lock.bind(&event.key).execute(&mut **tx).await?;
            }
            "hang" => std::future::pending().await,
            "panic" => panic!("a bug in a handler"),
            "swallow an error" => {
                drop(sqlx::query("select 1 / 0").execute(&mut **tx).await);
                return Ok(());
            }
            "read a column that is missing" => {
                sqlx::query("select missing from held").execute(&mut **tx).await?;
            }
            "pause" => tokio::time::sleep(std::time::Duration::from_secs(1)).await,
            "bind too much" => {
                let none = sqlx::query("select");
                (0..70_000).fold(none, |query, number: i32| query.bind(number)).execute(&mut **tx).await?;
            }
            "break a deferred constraint" => {
                sqlx::query("insert into single values (1), (1)").execute(&mut **tx).await?;
            }
            "break a constraint" => {
                sqlx::query("insert into applied values (null, 0, null)").execute(&mut **tx).await?;
            }
            _ => {}
        }
        sqlx::query("insert into applied values ($1, $2, $3)")
            .bind(&event.key)
            .bind(event.version)
            .bind(event.data.value)
            .execute(&mut **tx)
            .await?;
        Ok(())
    }
}

/// The same, where only the newest event counts.
pub(crate) struct Note(pub(crate) CountUp);

impl Handler for Note {
    const EVENT_TYPE: &'static str = NOTED;
    const ORDER: Order = Order::LatestWins;
    type Payload = Raised;

    async fn handle(
        &self,
        tx: &mut Transaction<'_, Postgres>,
        event: &Received<Raised>,
    ) -> Result<(), HandleError> {
        self.0.handle(tx, event).await
    }
}

/// The same, where an event is given up after its last try.
pub(crate) struct Guess(pub(crate) CountUp);

impl Handler for Guess {
    const EVENT_TYPE: &'static str = GUESSED;
    const GIVE_UP: GiveUp = GiveUp::Skip;
    type Payload = Raised;

    async fn handle(
        &self,
        tx: &mut Transaction<'_, Postgres>,
        event: &Received<Raised>,
    ) -> Result<(), HandleError> {
        self.0.handle(tx, event).await
    }
}
