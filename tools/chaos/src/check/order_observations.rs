//! What the orders of a run have left behind, read from every place that keeps something.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use anyhow::{Context, Result};
use harness::{Environment, Name, until};
use serde::Deserialize;
use sqlx::types::chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    observations::DeadLetter,
    orders::{Charge, Logged, Order, Orders, Stock},
    recorder::Publication,
};
use crate::workload::{Item, PLENTY, SCARCE, Shopping};

/// The services whose events make orders go on.
const SERVICES: [&str; 3] = ["ordering", "catalog", "payment"];

/// How many pieces there are of what there is little of, and of everything else, when a run begins.
const LITTLE: i32 = 5;
const MUCH: i32 = 100_000;

/// How long ordering may take to know all prices.
const LIMIT: Duration = Duration::from_mins(1);

/// Where the orders of a run begin.
pub(crate) struct OrderMark {
    positions: Vec<(&'static str, i64)>,
    placed_at: DateTime<Utc>,
    stock: Vec<Stock>,
}

#[derive(Deserialize)]
struct Ledger {
    charges: Vec<Charge>,
}

impl OrderMark {
    /// Now. Fills the shelves, and waits until ordering knows what everything costs.
    pub(crate) async fn set(environment: &Environment) -> Result<Self> {
        let prices = "select coalesce(string_agg(product_id || ' ' || price, ',' order by product_id), '') from product";
        let is_known = async || {
            let known: String = sqlx::query_scalar(prices).fetch_one(&environment.ordering).await?;
            let wanted: String = sqlx::query_scalar(prices).fetch_one(&environment.catalog).await?;
            Ok((known == wanted).then_some(()))
        };
        until(LIMIT, Duration::from_millis(100), is_known)
            .await?
            .context("ordering does not know the prices")?;
        let fill = "update product set available_stock = case when product_id >= $1 and product_id < $2 then $3 else $4 end
                     where product_id < $2";
        sqlx::query(fill)
            .bind(SCARCE.start)
            .bind(SCARCE.end)
            .bind(LITTLE)
            .bind(MUCH)
            .execute(&environment.catalog)
            .await?;
        let mut positions = Vec::new();
        for service in SERVICES {
            environment.broker.take_all(&format!("{service}.events.dead")).await?;
            let last = "select coalesce(max(position), 0) from integration_event_log";
            positions
                .push((service, sqlx::query_scalar(last).fetch_one(environment.database(service)?).await?));
        }
        let placed_at =
            sqlx::query_scalar("select clock_timestamp()").fetch_one(&environment.ordering).await?;
        Ok(Self { positions, placed_at, stock: stock(environment).await? })
    }

    /// What keeps orders from being at rest, in words; nothing if they are.
    pub(crate) async fn unsettled(&self, environment: &Environment) -> Result<Option<String>> {
        let queries = [
            (
                "ordering",
                "orders that are open",
                "select count(*) from customer_order where status not in ('paid', 'shipped', 'cancelled')",
            ),
            ("ordering", "timers that still run", "select count(*) from outbox_scheduled"),
            ("payment", "payments with work left", "select count(*) from payment where due is not null"),
        ];
        let pending = "select count(*) from integration_event_log where state = 'NotPublished'";
        let pending = SERVICES.map(|service| (service, "events that are pending", pending));
        for (service, what, query) in queries.into_iter().chain(pending) {
            let left: i64 = sqlx::query_scalar(query).fetch_one(environment.database(service)?).await?;
            if left > 0 {
                return Ok(Some(format!("{left} {what} in {service}")));
            }
        }
        let missing = self.missing(environment, &self.logs(environment).await?).await?;
        Ok(missing.first().map(|first| format!("{} events not received, such as {first}", missing.len())))
    }

    /// Reads it all; `undone` are events that a restored log no longer has. To be called at rest.
    pub(crate) async fn read(
        &self,
        environment: &Environment,
        shopping: &Shopping,
        publications: Vec<Publication>,
        undone: &HashSet<Uuid>,
    ) -> Result<Orders> {
        let (purchases, shipped) = shopping.promised();
        let logs = self.logs(environment).await?;
        let missing = self.missing(environment, &logs).await?;
        Ok(Orders {
            shipped,
            placed: self.orders(environment).await?,
            missing,
            logs: logs.into_iter().map(|(_, log)| log).collect(),
            undone: undone.clone(),
            dead: dead(environment).await?,
            charges: charges(environment).await?,
            stock: (self.stock.clone(), stock(environment).await?),
            carts: carts(environment).await?,
            purchases,
            publications,
        })
    }

    async fn logs(&self, environment: &Environment) -> Result<Vec<(&'static str, Vec<Logged>)>> {
        let mut logs = Vec::new();
        for (service, position) in &self.positions {
            let rows = "select event_id, event_type, key, position, state, payload ->> 'step' as step
                          from integration_event_log where position > $1 and skipped_at is null order by position";
            let rows = sqlx::query_as(rows).bind(position).fetch_all(environment.database(service)?);
            logs.push((*service, rows.await?));
        }
        Ok(logs)
    }

    /// The events that a subscriber has not had, or has put off.
    async fn missing(&self, environment: &Environment, logs: &[(&str, Vec<Logged>)]) -> Result<Vec<String>> {
        let mut missing = Vec::new();
        // Those that an environment does not run take nothing.
        let subscribers = environment.registry().subscribers();
        for subscriber in subscribers.filter(|subscriber| environment.runs(Name::Service(subscriber.name))) {
            let is_wanted = |row: &&Logged| subscriber.subscribes.contains(&row.event_type);
            let wanted = logs.iter().flat_map(|(_, log)| log).filter(is_wanted);
            let ids: Vec<Uuid> = wanted.map(|row| row.event_id).collect();
            let query = "select id from unnest($1::uuid[]) as id
                          where not exists (select from inbox where consumer = $2 and event_id = id)
                             or exists (select from inbox_waiting where consumer = $2 and event_id = id)";
            let ids: Vec<Uuid> = sqlx::query_scalar(query)
                .bind(ids)
                .bind(subscriber.name)
                .fetch_all(environment.database(subscriber.name)?)
                .await?;
            missing.extend(ids.iter().map(|id| format!("{id} at {}", subscriber.name)));
        }
        Ok(missing)
    }

    async fn orders(&self, environment: &Environment) -> Result<Vec<Order>> {
        let pool = &environment.ordering;
        let orders =
            "select order_id, buyer_id, status, total::text from customer_order where placed_at > $1";
        let orders: Vec<(Uuid, String, String, String)> =
            sqlx::query_as(orders).bind(self.placed_at).fetch_all(pool).await?;
        let items = "select order_id, product_id, quantity::integer from order_line join customer_order using (order_id)
                      where placed_at > $1";
        let items: Vec<(Uuid, i64, i32)> = sqlx::query_as(items).bind(self.placed_at).fetch_all(pool).await?;
        let history = "select order_id, change.status, event_id from order_change as change join customer_order using (order_id)
                        where placed_at > $1 order by order_id, change.version";
        let history: Vec<(Uuid, String, Uuid)> =
            sqlx::query_as(history).bind(self.placed_at).fetch_all(pool).await?;
        let mut items =
            grouped(items.into_iter().map(|(order, product, quantity)| (order, (product, quantity))));
        let mut history = grouped(history.into_iter().map(|(order, status, event)| (order, (status, event))));
        let orders = orders.into_iter().map(|(id, buyer, status, total)| Order {
            items: items.remove(&id).unwrap_or_default(),
            history: history.remove(&id).unwrap_or_default(),
            id,
            buyer,
            status,
            total,
        });
        Ok(orders.collect())
    }
}

fn grouped<K: Eq + std::hash::Hash, V>(pairs: impl Iterator<Item = (K, V)>) -> HashMap<K, Vec<V>> {
    let mut groups: HashMap<K, Vec<V>> = HashMap::new();
    for (key, value) in pairs {
        groups.entry(key).or_default().push(value);
    }
    groups
}

async fn stock(environment: &Environment) -> Result<Vec<Stock>> {
    let stock = "select product_id as product, available_stock::bigint as available, reserved_stock::bigint as reserved
                   from product";
    Ok(sqlx::query_as(stock).fetch_all(&environment.catalog).await?)
}

async fn dead(environment: &Environment) -> Result<Vec<String>> {
    let mut dead = Vec::new();
    for service in SERVICES {
        // Poison of earlier runs may come to a service that did not run then.
        let letters = environment.broker.take_all(&format!("{service}.events.dead")).await?;
        for letter in letters {
            let DeadLetter { reason, is_poison, .. } = DeadLetter::of(&letter);
            if !is_poison {
                dead.push(format!("{} at {service}, {reason}", letter.routing_key));
            }
        }
    }
    Ok(dead)
}

async fn charges(environment: &Environment) -> Result<Vec<Charge>> {
    let url = format!("{}/ledger", environment.url(Name::SANDBOX)?);
    let client = reqwest::Client::builder().timeout(LIMIT).no_proxy().build()?;
    let ledger: Ledger = client.get(url).send().await?.error_for_status()?.json().await?;
    Ok(ledger.charges)
}

async fn carts(environment: &Environment) -> Result<HashMap<String, Vec<Item>>> {
    let lines =
        "select buyer_id, product_id, quantity::integer from cart_line where buyer_id like 'chaos-shopper-%'";
    let lines: Vec<(String, i64, i32)> = sqlx::query_as(lines).fetch_all(&environment.basket).await?;
    Ok(grouped(lines.into_iter().map(|(buyer, product, quantity)| (buyer, (product, quantity)))))
}

/// The products that are ordered are other ones than those whose carts are watched, and all are in the catalog's seed.
const _: () = assert!(PLENTY.end <= SCARCE.start && SCARCE.end + 8 <= 100);
