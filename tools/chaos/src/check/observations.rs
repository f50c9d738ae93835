//! What a run has left behind, read from every place that keeps something.

use std::collections::{HashMap, HashSet};

use anyhow::Result;
use sqlx::types::chrono::{DateTime, Utc};
use uuid::Uuid;

use super::recorder::{Publication, Recorder};
use crate::workload::IDLE_CARTS;
use harness::{Environment, Message};

/// Where a run begins: what was there before is not its.
pub(crate) struct Mark {
    pub(crate) position: i64,
    received_at: DateTime<Utc>,
    pub(crate) publications: usize,
}

impl Mark {
    /// Now. Empties the queues in which a run leaves what has failed.
    pub(crate) async fn set(environment: &Environment, recorder: &Recorder) -> Result<Self> {
        for queue in ["basket.events.dead", "shop.unrouted"] {
            environment.broker.take_all(queue).await?;
        }
        let position = "select coalesce(max(position), 0) from integration_event_log";
        Ok(Self {
            position: sqlx::query_scalar(position).fetch_one(&environment.catalog).await?,
            received_at: sqlx::query_scalar("select clock_timestamp()")
                .fetch_one(&environment.basket)
                .await?,
            publications: recorder.len(),
        })
    }
}

/// A message of the dead-letter queue.
#[derive(Debug, Clone)]
pub(crate) struct DeadLetter {
    /// `message_id`, if there is one.
    pub(crate) message_id: Option<String>,
    /// Why it was dead-lettered.
    pub(crate) reason: String,
    /// Whether the harness has marked it as poison.
    pub(crate) is_poison: bool,
}

/// The header that marks poison of the harness's own.
pub(crate) const POISON: &str = "x-chaos-poison";

impl DeadLetter {
    pub(super) fn of(message: &Message) -> Self {
        let headers = message.properties.headers().as_ref();
        Self {
            message_id: message.properties.message_id().as_ref().map(ToString::to_string),
            reason: message.header("x-reason").unwrap_or_default(),
            is_poison: headers.is_some_and(|headers| headers.inner().contains_key(POISON)),
        }
    }
}

/// A row of the log.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct LogRow {
    pub(crate) event_id: Uuid,
    pub(crate) event_type: String,
    pub(crate) position: i64,
    pub(crate) key: String,
    pub(crate) state: String,
    pub(crate) is_skipped: bool,
    /// Seconds since 1970.
    pub(crate) created: f64,
}

/// A row of the basket's inbox.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct InboxRow {
    pub(crate) event_id: Uuid,
    pub(crate) event_type: String,
    pub(crate) key: String,
    pub(crate) key_version: i64,
    pub(crate) applied: bool,
    /// Seconds since 1970.
    pub(crate) received: f64,
}

/// Everything that is known about a run.
#[derive(Debug, Default)]
pub(crate) struct Observations {
    /// The log's rows of this run, in order.
    pub(crate) log: Vec<LogRow>,
    /// The inbox's rows of this run, in the order in which they were entered.
    pub(crate) inbox: Vec<InboxRow>,
    /// Events of the inbox that no log has.
    pub(crate) strangers: Vec<Uuid>,
    /// How many alerts there are for an event and a buyer.
    pub(crate) alerts: HashMap<(Uuid, String), i64>,
    /// Alerts of a buyer about a product that came after one of a later change, in words.
    pub(crate) alerts_out_of_order: Vec<String>,
    /// Cart lines that show another price than the catalog's, in words.
    pub(crate) wrong_prices: Vec<String>,
    /// What the recorder saw, in order.
    pub(crate) publications: Vec<Publication>,
    /// The events that the catalog promised to its clients.
    pub(crate) promised: Vec<Uuid>,
    /// What is in the dead-letter queue.
    pub(crate) dead: Vec<DeadLetter>,
    /// What no queue was bound for.
    pub(crate) unrouted: HashSet<Uuid>,
}

impl Observations {
    /// Reads it all but what concerns events that are `undone`, orders, and users. To be called at rest.
    pub(crate) async fn read(
        environment: &Environment,
        recorder: &Recorder,
        mark: &Mark,
        mut promised: Vec<Uuid>,
        undone: &HashSet<Uuid>,
    ) -> Result<Self> {
        promised.retain(|id| !undone.contains(id));
        let undone: Vec<Uuid> = undone.iter().copied().collect();
        let log: Vec<LogRow> = sqlx::query_as(
            "select event_id, event_type, position, key, state, skipped_at is not null as is_skipped,
                    extract(epoch from created_at)::float8 as created
               from integration_event_log
              where position > $1 and event_type not like 'shop.catalog.stock~_%' escape '~' order by position",
        )
        .bind(mark.position)
        .fetch_all(&environment.catalog)
        .await?;
        let inbox: Vec<InboxRow> = sqlx::query_as(
            "select event_id, event_type, key, key_version, applied,
                    extract(epoch from received_at)::float8 as received
               from inbox
              where consumer = 'basket' and received_at > $1 and event_id <> all($2)
                and event_type not like all (array['shop.ordering.%', 'shop.accounts.%', 'shop.basket.%'])
              order by received_at",
        )
        .bind(mark.received_at)
        .bind(&undone)
        .fetch_all(&environment.basket)
        .await?;
        let ids: Vec<Uuid> = inbox.iter().map(|row| row.event_id).collect();
        let strangers = sqlx::query_scalar(
            "select id from unnest($1::uuid[]) as id
              where not exists (select from integration_event_log where event_id = id)",
        )
        .bind(ids)
        .fetch_all(&environment.catalog)
        .await?;
        let dead = environment.broker.take_all("basket.events.dead").await?;
        let unrouted = environment.broker.take_all("shop.unrouted").await?;
        Ok(Self {
            strangers,
            alerts: alerts(environment, mark, &undone).await?,
            alerts_out_of_order: alerts_out_of_order(environment, mark, &undone).await?,
            wrong_prices: wrong_prices(environment).await?,
            publications: recorder.since(mark.publications),
            promised,
            dead: dead.iter().map(DeadLetter::of).collect(),
            unrouted: unrouted
                .iter()
                .filter_map(|taken| taken.properties.message_id().as_ref()?.as_str().parse().ok())
                .collect(),
            log,
            inbox,
        })
    }

    /// How long after `healed` (seconds since 1970) the last event arrived that had been committed before;
    /// zero, if all had. `None` if nothing had been committed before, or nothing arrived.
    pub(crate) fn recovery(&self, healed: f64) -> Option<f64> {
        let arrived: HashMap<Uuid, f64> = self.inbox.iter().map(|row| (row.event_id, row.received)).collect();
        let before = self.log.iter().filter(|row| row.created <= healed);
        let late = before.filter_map(|row| Some((arrived.get(&row.event_id)? - healed).max(0.0)));
        late.max_by(f64::total_cmp)
    }
}

/// The buyers who hold a product all the time.
pub(crate) fn holders(key: &str) -> impl Iterator<Item = &'static str> {
    let product: Option<i64> = key.parse().ok();
    IDLE_CARTS
        .into_iter()
        .filter(move |(_, held)| product.is_some_and(|id| held.contains(&id)))
        .map(|(name, _)| name)
}

async fn alerts(
    environment: &Environment,
    mark: &Mark,
    undone: &[Uuid],
) -> Result<HashMap<(Uuid, String), i64>> {
    let rows: Vec<(Uuid, String, i64)> = sqlx::query_as(
        "select event_id, buyer_id, count(*) from alert
          where created_at > $1 and event_id <> all($2) group by event_id, buyer_id",
    )
    .bind(mark.received_at)
    .bind(undone)
    .fetch_all(&environment.basket)
    .await?;
    Ok(rows.into_iter().map(|(event, buyer, count)| ((event, buyer), count)).collect())
}

async fn alerts_out_of_order(environment: &Environment, mark: &Mark, undone: &[Uuid]) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar(
        "select format('%s of %s, version %s after %s', buyer_id, product_id, key_version, before)
           from (select buyer_id, product_id, key_version, lag(key_version) over (
                            partition by buyer_id, product_id order by alert_id) as before
                   from alert join inbox using (event_id)
                  where kind = 'price_changed' and consumer = 'basket' and created_at > $1
                    and event_id <> all($2)) as told
          where key_version < before",
    )
    .bind(mark.received_at)
    .bind(undone)
    .fetch_all(&environment.basket)
    .await?)
}

async fn wrong_prices(environment: &Environment) -> Result<Vec<String>> {
    let catalog: Vec<(i64, String)> =
        sqlx::query_as("select product_id, price::text from product").fetch_all(&environment.catalog).await?;
    let catalog: HashMap<i64, String> = catalog.into_iter().collect();
    let lines: Vec<(String, i64, String)> =
        sqlx::query_as("select buyer_id, product_id, unit_price::text from cart_line")
            .fetch_all(&environment.basket)
            .await?;
    let wrong = lines.into_iter().filter_map(|(buyer, product, price)| {
        let right = catalog.get(&product)?;
        (*right != price)
            .then(|| format!("{buyer} pays {price} for product {product}, the catalog says {right}"))
    });
    Ok(wrong.collect())
}
