//! Thousands of events, of which some fail for a while and some for good.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Mutex,
};

use event_bus::{
    HandleError, Handler, Received, Subscriber,
    consumer::SubscriberConfig,
    inbox::{
        self,
        operate::{self, Selection},
    },
    rabbitmq::Publisher,
};
use sqlx::{PgPool, Postgres, Transaction};
use test_kit::eventually;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::{LONG, RAISED, broker, raised};

const EVENTS: i64 = 4_000;
const KEYS: i64 = 487;

/// One per cent fails for a while, one in 1,000 for good.
fn wish(number: i64) -> &'static str {
    match number {
        number if number % 1_000 == 400 => "never",
        number if number % 100 == 37 => "later",
        _ => "",
    }
}

#[derive(Default)]
struct Sometimes {
    calls: Mutex<HashMap<Uuid, u32>>,
}

impl Handler for Sometimes {
    const EVENT_TYPE: &'static str = RAISED;
    type Payload = crate::support::Raised;

    async fn handle(
        &self,
        tx: &mut Transaction<'_, Postgres>,
        event: &Received<Self::Payload>,
    ) -> Result<(), HandleError> {
        let call = *self.calls.lock().unwrap().entry(event.id).and_modify(|calls| *calls += 1).or_insert(1);
        match event.data.wish.as_deref() {
            Some("never") => return Err(HandleError::retry("never")),
            Some("later") if call <= 3 => return Err(HandleError::retry("later")),
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
    limits.max_attempts = 4;
    let consumer = format!("sometimes-{}", Uuid::new_v4().simple());
    let subscriber =
        Subscriber::new(&consumer, pool.clone(), config).config(limits).handle(Sometimes::default()).unwrap();
    let (health, stop) = (subscriber.health(), CancellationToken::new());
    let running = tokio::spawn(subscriber.run(stop.clone()));
    eventually("it consumes", LONG, async || health.is_connected().then_some(())).await;

    let mut expected: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    let mut blocked = BTreeSet::new();
    let mut sent = Vec::new();
    for number in 0..EVENTS {
        let (key, version) = (format!("key {}", number % KEYS), number / KEYS + 1);
        if wish(number) == "never" {
            blocked.insert(key.clone());
        }
        if !blocked.contains(&key) {
            expected.entry(key.clone()).or_default().push(version);
        }
        sent.push(raised(&key, version, wish(number)));
    }
    let mut confirms = Vec::new();
    for event in &sent {
        confirms.push(publisher.send(&event.outgoing()).await.unwrap());
    }
    for confirm in confirms {
        confirm.outcome().await.unwrap();
    }

    let count: usize = expected.values().map(Vec::len).sum();
    eventually("all have their effect that can", 4 * LONG, async || {
        let effects: i64 = sqlx::query_scalar("select count(*) from effect").fetch_one(&pool).await.unwrap();
        let keys = operate::count(&pool, &consumer, &blocked_only()).await.unwrap();
        (effects >= i64::try_from(count).unwrap() && keys >= i64::try_from(blocked.len()).unwrap())
            .then_some(())
    })
    .await;
    assert_eq!(by_key(&pool).await, expected);
    let keys = operate::list(&pool, &consumer, &blocked_only(), 0, 1_000).await.unwrap();
    assert_eq!(keys.into_iter().map(|key| key.key).collect::<BTreeSet<_>>(), blocked);

    // Skipping what fails for good frees the rest of its keys, in order.
    let mut db = pool.acquire().await.unwrap();
    let skipped = operate::skip(&mut db, &consumer, &blocked_only(), "olga", "never").await.unwrap();
    assert_eq!(skipped.len(), blocked.len());
    drop(db);
    for number in 0..EVENTS {
        let (key, version) = (format!("key {}", number % KEYS), number / KEYS + 1);
        let of_key = expected.entry(key.clone()).or_default();
        if blocked.contains(&key) && wish(number) != "never" && !of_key.contains(&version) {
            of_key.push(version);
        }
    }
    eventually("nothing waits", 2 * LONG, async || {
        (inbox::summary(&pool, &consumer).await.unwrap().events == 0).then_some(())
    })
    .await;
    assert_eq!(by_key(&pool).await, expected);
    stop.cancel();
    running.await.unwrap();
}

fn blocked_only() -> Selection {
    Selection { blocked_only: true, ..Selection::default() }
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
