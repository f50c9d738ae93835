//! A bare loop: change, log row, notification, publication, effect. The same statements as the suite's and
//! the same guarantees in a fair wind; no partitions, no leases, no guards, no services.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use event_bus::outbox::Notifier;
use futures_util::{FutureExt, StreamExt};
use lapin::options::{BasicAckOptions, ConfirmSelectOptions};
use lapin::{Channel, Connection, ConnectionProperties};
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::publisher::{confirmed, send};
use crate::environment::{Environment, FIRST, PRODUCTS, Queue};

const EVENT_TYPE: &str = "shop.bench.bare_changed.v1";
const CHANNEL: &str = "bench_log";

/// What the loop's consumer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing: it takes note of the time.
    None,
    /// Inbox, product, carts, alerts, in a transaction for each batch.
    Cart,
}

/// A price change.
pub(crate) struct Change {
    pub(crate) id: Uuid,
    pub(crate) begun: Instant,
    pub(crate) committed: Instant,
}

/// When each event had its effect.
pub(crate) type Done = Arc<Mutex<HashMap<Uuid, Instant>>>;

/// A running loop; it ends when it is dropped.
pub(crate) struct Bare {
    catalog: PgPool,
    notifier: Notifier,
    done: Done,
    stop: CancellationToken,
}

impl Drop for Bare {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Bare {
    /// Makes its tables, copies of the suite's, and starts.
    pub(crate) async fn start(environment: &Environment, effect: Effect) -> Result<Self> {
        sqlx::raw_sql(
            "drop table if exists bench_log, bench_product;
             create table bench_log (like integration_event_log including all);
             create table bench_product (like product including all);
             insert into bench_product select * from product;",
        )
        .execute(&environment.catalog)
        .await?;
        sqlx::raw_sql("vacuum analyze bench_product").execute(&environment.catalog).await?;
        for table in ["inbox", "product", "cart", "cart_line", "alert"] {
            let copy = if matches!(table, "inbox" | "alert") {
                ""
            } else {
                "insert into bench_{} select * from {};"
            };
            let sql = format!(
                "drop table if exists bench_{table}; create table bench_{table} (like {table} including all); {}",
                copy.replace("{}", table)
            );
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&environment.basket).await?;
        }
        sqlx::raw_sql("vacuum analyze").execute(&environment.basket).await?;
        let stop = CancellationToken::new();
        let queue = Queue::declare(&environment.broker.url, "bench.bare", EVENT_TYPE).await?;
        let done = Done::default();
        let listener = PgListener::connect_with(&environment.catalog).await?;
        let publisher = Connection::connect(&environment.broker.url, ConnectionProperties::default()).await?;
        let relay = relay(environment.catalog.clone(), listener, publisher);
        tokio::spawn(stop.clone().run_until_cancelled_owned(relay));
        let consumer = consume(environment.basket.clone(), queue, effect, Arc::clone(&done));
        tokio::spawn(stop.clone().run_until_cancelled_owned(consumer));
        let notifier = Notifier::start_on(environment.catalog.clone(), CHANNEL, stop.clone());
        Ok(Self { catalog: environment.catalog.clone(), notifier, done, stop })
    }

    /// Changes the price of the n-th product.
    pub(crate) async fn change(&self, n: usize) -> Result<Change> {
        let (id, event_id) = (FIRST + n as i64 % PRODUCTS, Uuid::now_v7());
        let begun = Instant::now();
        let mut tx = self.catalog.begin().await?;
        let (name, version): (String, i64) =
            sqlx::query_as("select name, version from bench_product where product_id = $1 for update")
                .bind(id)
                .fetch_one(&mut *tx)
                .await?;
        let price = format!("{}.{:02}", 10 + version % 50, n % 100);
        sqlx::query(
            "update bench_product set price = $2::text::numeric, version = version + 1 where product_id = $1",
        )
        .bind(id)
        .bind(&price)
        .execute(&mut *tx)
        .await?;
        let payload = serde_json::json!({
            "eventId": event_id, "productId": id, "name": name, "oldPrice": "10.00", "newPrice": price,
            "currency": "EUR", "version": version + 1, "padding": "x".repeat(300),
        });
        sqlx::query(
            "insert into bench_log (event_id, event_type, key, key_version, partition, payload)
             values ($1, $2, $3, $4, 0, $5::json)",
        )
        .bind(event_id)
        .bind(EVENT_TYPE)
        .bind(id.to_string())
        .bind(version + 1)
        .bind(payload.to_string())
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        let committed = Instant::now();
        self.notifier.notify();
        Ok(Change { id: event_id, begun, committed })
    }

    /// When these events had their effect; waits until all had.
    pub(crate) async fn until_done(&self, count: usize, limit: Duration) -> Result<HashMap<Uuid, Instant>> {
        let begun = Instant::now();
        loop {
            let done = self.done.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if done.len() >= count {
                return Ok(done);
            }
            ensure!(begun.elapsed() < limit, "{} of {count} events came through the bare loop", done.len());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn relay(pool: PgPool, mut listener: PgListener, publisher: Connection) -> Result<()> {
    listener.listen(CHANNEL).await?;
    let channel = publisher.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    loop {
        drop(tokio::time::timeout(Duration::from_secs(1), listener.recv()).await);
        while publish_pending(&pool, &channel).await? > 0 {}
    }
}

async fn publish_pending(pool: &PgPool, channel: &Channel) -> Result<usize> {
    let rows: Vec<(Uuid, String)> = sqlx::query_as(
        "select event_id, payload::text from bench_log where state in ('NotPublished', 'InProgress')
          order by position limit 1000",
    )
    .fetch_all(pool)
    .await?;
    let mut confirms = Vec::with_capacity(rows.len());
    for (event_id, payload) in &rows {
        confirms.push(send(channel, EVENT_TYPE, *event_id, payload.as_bytes()).await?);
    }
    for confirm in confirms {
        confirmed(confirm).await?;
    }
    if !rows.is_empty() {
        sqlx::query(
            "update bench_log set state = 'Published', published_at = clock_timestamp(), times_sent = times_sent + 1
              where event_id = any($1)",
        )
        .bind(rows.iter().map(|(event_id, _)| *event_id).collect::<Vec<_>>())
        .execute(pool)
        .await?;
    }
    Ok(rows.len())
}

async fn consume(pool: PgPool, queue: Queue, effect: Effect, done: Done) -> Result<()> {
    let mut deliveries = queue.consume(effect == Effect::None).await?;
    loop {
        let first = deliveries.next().await.context("the queue is gone")??;
        let mut batch = vec![first];
        while batch.len() < 256 {
            let Some(Some(next)) = deliveries.next().now_or_never() else { break };
            batch.push(next?);
        }
        let ids: Vec<Uuid> = batch
            .iter()
            .filter_map(|delivery| delivery.properties.message_id().as_ref()?.as_str().parse().ok())
            .collect();
        if effect == Effect::Cart {
            apply(&pool, &batch, &ids).await?;
        }
        let now = Instant::now();
        done.lock().unwrap_or_else(PoisonError::into_inner).extend(ids.into_iter().map(|id| (id, now)));
        if effect == Effect::Cart
            && let Some(last) = batch.last()
        {
            queue.channel.basic_ack(last.delivery_tag, BasicAckOptions { multiple: true }).await?;
        }
    }
}

async fn apply(pool: &PgPool, batch: &[lapin::message::Delivery], ids: &[Uuid]) -> Result<()> {
    let bodies = batch.iter().map(|delivery| serde_json::from_slice::<serde_json::Value>(&delivery.data));
    let bodies = bodies.collect::<Result<Vec<_>, _>>()?;
    let products: Vec<i64> = bodies.iter().filter_map(|body| body["productId"].as_i64()).collect();
    let versions: Vec<i64> = bodies.iter().filter_map(|body| body["version"].as_i64()).collect();
    let text = |name: &str| {
        bodies.iter().filter_map(|body| body[name].as_str()).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut tx = pool.begin().await?;
    sqlx::query(
        "insert into bench_inbox (consumer, event_id, source, event_type, key, key_version, applied, redelivered)
         select 'bare', event_id, '/bench', $2, product_id::text, version, true, false
           from unnest($1::uuid[], $3::bigint[], $4::bigint[]) as event (event_id, product_id, version)
         on conflict do nothing",
    )
    .bind(ids)
    .bind(EVENT_TYPE)
    .bind(&products)
    .bind(&versions)
    .execute(&mut *tx)
    .await?;
    for statement in [
        "update bench_product as product set price = new.price::numeric, price_version = new.version
           from (select distinct on (product_id) * from unnest($2::bigint[], $3::bigint[], $4::text[])
                     as change (product_id, version, price) order by product_id, version desc) as new
          where product.product_id = new.product_id and $1::uuid[] is not null",
        "with change as (
             select * from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[])
                 as change (event_id, product_id, version, price)
         ), newest as (
             select distinct on (product_id) * from change order by product_id, version desc
         ), line as (
             update bench_cart_line as line set unit_price = newest.price::numeric
               from newest where line.product_id = newest.product_id
             returning line.buyer_id, line.product_id
         ), cart as (
             update bench_cart as cart set version = version + 1, updated_at = now()
              where buyer_id in (select buyer_id from line)
         )
         insert into bench_alert (buyer_id, event_id, kind, product_id, product_name, old_price, new_price)
         select line.buyer_id, change.event_id, 'price_changed', change.product_id, 'a product', 10.00, change.price::numeric
           from line join change on change.product_id = line.product_id
         on conflict do nothing",
    ] {
        sqlx::query(statement).bind(ids).bind(&products).bind(&versions).bind(text("newPrice")).execute(&mut *tx).await?;
    }
    tx.commit().await?;
    Ok(())
}
