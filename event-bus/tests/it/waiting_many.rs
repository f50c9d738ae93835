//! Thousands of events, of which some fail for a while and some for good.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Mutex,
    time::{Duration, Instant},
};

use event_bus::{
    HandleError, Handler, Received, Subscriber,
    consumer::SubscriberConfig,
    inbox::{
        self,
        operate::{self, WaitingSelection},
    },
    relay::Publisher,
};
use sqlx::{PgPool, Postgres, Transaction};
use test_kit::eventually;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::{LONG, RAISED, broker, raised};

/// How many events there are, unless `ORDERED_EVENTS` says how many.
const USUALLY: i64 = 4_000;

/// A prime number of keys: so an event that fails for good has its key for itself.
fn keys(events: i64) -> i64 {
    if events > 100_000 { 9_973 } else { 487 }
}

/// One per cent fails for a while, one in 10,000 for good; one in 1,000 where there are few.
fn wish(number: i64, events: i64) -> &'static str {
    let seldom = if events > 100_000 { 10_000 } else { 1_000 };
    match number {
        number if number % seldom == 400 => "never",
        number if number % 100 == 37 => "later",
        _ => "",
    }
}

#[derive(Default)]
struct Sometimes {
    /// When an event was tried first.
    since: Mutex<HashMap<Uuid, Instant>>,
}

impl Handler for Sometimes {
    const EVENT_TYPE: &'static str = RAISED;
    type Payload = crate::support::Raised;

    async fn handle(
        &self,
        tx: &mut Transaction<'_, Postgres>,
        event: &Received<Self::Payload>,
    ) -> Result<(), HandleError> {
        let age = || self.since.lock().unwrap().entry(event.id).or_insert_with(Instant::now).elapsed();
        match event.data.wish.as_deref() {
            Some("never") => return Err(HandleError::retry("never")),
            Some("later") if age() < Duration::from_millis(700) => return Err(HandleError::retry("later")),
            _ => {}
        }
        sqlx::query("insert into effect (key, version) values ($1, $2)")
            .bind(&event.key)
            .bind(event.version)
            .execute(&mut **tx)
            .await?;
        Ok(())
    }
}

#[sqlx::test(migrations = false)]
async fn through_failures_every_event_has_its_effect_once_and_in_the_order_of_its_key(pool: PgPool) {
    sqlx::raw_sql(inbox::SCHEMA).execute(&pool).await.unwrap();
    let effects = "create table effect (place bigint generated always as identity, key text, version bigint)";
    sqlx::raw_sql(effects).execute(&pool).await.unwrap();
    let vhost = test_kit::vhost().await;
    let config = broker(&vhost);
    let publisher = Publisher::connect(&config, "test").await.unwrap();
    let mut limits = SubscriberConfig::default();
    limits.max_attempts = 5;
    let consumer = format!("sometimes-{}", Uuid::new_v4().simple());
    let subscriber = Subscriber::new(&consumer, pool.clone(), config)
        .config(limits)
        .unwrap()
        .handle(Sometimes::default())
        .unwrap();
    let (health, stop) = (subscriber.health(), CancellationToken::new());
    let running = tokio::spawn(subscriber.run(stop.clone()));
    eventually("it consumes", LONG, async || health.is_connected().then_some(())).await;

    let events = std::env::var("ORDERED_EVENTS").ok().and_then(|text| text.parse().ok()).unwrap_or(USUALLY);
    let of = |number: i64| (format!("key {}", number % keys(events)), number / keys(events) + 1);
    let mut expected: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    let mut blocked = BTreeSet::new();
    let mut confirms = Vec::new();
    for number in 0..events {
        let (key, version) = of(number);
        if wish(number, events) == "never" {
            blocked.insert(key.clone());
        }
        if !blocked.contains(&key) {
            expected.entry(key.clone()).or_default().push(version);
        }
        confirms.push(publisher.send(&raised(&key, version, wish(number, events)).outgoing()).await.unwrap());
        if confirms.len() == 1_000 || number + 1 == events {
            for confirm in confirms.drain(..) {
                confirm.outcome().await.unwrap();
            }
        }
    }

    let patience = LONG * (4 + u32::try_from(events / 5_000).unwrap());
    eventually("all are received", patience, async || {
        let receipts = health.receipts();
        (receipts.first + receipts.waiting >= events.unsigned_abs()).then_some(())
    })
    .await;
    let count: usize = expected.values().map(Vec::len).sum();
    eventually("all have their effect that can", patience, async || {
        let effects: i64 = sqlx::query_scalar("select count(*) from effect").fetch_one(&pool).await.unwrap();
        let stuck = operate::count(&pool, &consumer, &blocked_only()).await.unwrap();
        (effects >= i64::try_from(count).unwrap() && stuck >= i64::try_from(blocked.len()).unwrap())
            .then_some(())
    })
    .await;
    assert_eq!(by_key(&pool).await, expected);
    let listed = operate::list(&pool, &consumer, &blocked_only(), 0, 10_000).await.unwrap();
    assert_eq!(listed.into_iter().map(|key| key.key).collect::<BTreeSet<_>>(), blocked);

    // Skipping what fails for good frees the rest of its keys, in order.
    let mut db = pool.acquire().await.unwrap();
    let skipped = operate::skip(&mut db, &consumer, &blocked_only(), "olga", "never").await.unwrap();
    assert_eq!(skipped.len(), blocked.len());
    drop(db);
    for number in 0..events {
        let (key, version) = of(number);
        let of_key = expected.entry(key.clone()).or_default();
        if wish(number, events) != "never" && of_key.last().is_none_or(|last| *last < version) {
            of_key.push(version);
        }
    }
    eventually("nothing waits", patience, async || {
        (inbox::summary(&pool, &consumer).await.unwrap().events == 0).then_some(())
    })
    .await;
    assert_eq!(by_key(&pool).await, expected);
    println!("{events} events through handlers that fail");
    stop.cancel();
    running.await.unwrap();
}

fn blocked_only() -> WaitingSelection {
    WaitingSelection { blocked_only: true, ..WaitingSelection::default() }
}

/// The versions that had their effect, by key, in the order of the effects.
async fn by_key(pool: &PgPool) -> BTreeMap<String, Vec<i64>> {
    let effects: Vec<(String, i64)> =
        sqlx::query_as("select key, version from effect order by place").fetch_all(pool).await.unwrap();
    let mut by_key: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for (key, version) in effects {
        by_key.entry(key).or_default().push(version);
    }
    by_key
}
