//! The way of an order in one bare loop: the statements of ordering, stock and payments, a message between two of their
//! transactions, and the provider's answer. No relay, no consumers, no services, no batches.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures_util::StreamExt;
use harness::Name;
use lapin::options::{BasicAckOptions, ConfirmSelectOptions};
use lapin::{Channel, Connection, ConnectionProperties};
use sqlx::PgPool;
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::publisher::{confirmed, send};
use crate::environment::{Client, Environment, FIRST, PRODUCTS, Queue};

const EVENT_TYPE: &str = "shop.bench.order_moved.v1";

/// How long a message may take.
const LIMIT: Duration = Duration::from_secs(30);

/// Calls to the provider at once.
const CALLS: usize = 16;

/// A transaction's statements; `$1` is the order, `$2` the product, `$3` the event that came, `$4` and `$5` those that
/// follow.
type Statements = &'static [&'static str];

/// A statement that knows every parameter.
macro_rules! sql {
    ($($text:tt)+) => {
        concat!(
            "with this as (select $1::uuid as order_id, $2::bigint as product, $3::uuid as came, $4::uuid as first, ",
            "$5::uuid as second) ",
            $($text)+
        )
    };
}

/// An event of about the usual size.
macro_rules! event {
    ($column:literal) => {
        sql!(
            "insert into bench_log (event_id, event_type, key, key_version, partition, payload) select ",
            $column,
            ", 'shop.bench.order_moved.v1', order_id::text, 1, 0, ",
            "json_build_object('orderId', order_id, 'padding', repeat('x', 150)) from this"
        )
    };
}

const RECEIVED: &str = sql!(
    "insert into bench_inbox (consumer, event_id, source, event_type, key, key_version, applied, redelivered)
     select 'bare', came, '/bench', 'order_moved', order_id::text, 1, true, false from this on conflict do nothing"
);
const LOCKED: &str = sql!(
    "select status, total, version, array(select product_id from bench_line where bench_line.order_id = $1),
            array(select quantity from bench_line where bench_line.order_id = $1)
       from bench_order join this using (order_id) for update of bench_order"
);
const TIMER: &str = sql!(
    "insert into bench_scheduled (scheduled_id, due, event_type, key, payload)
     select gen_random_uuid(), now() + interval '10 min', 'overdue', order_id::text, '{}' from this"
);
const TIMER_OFF: &str = sql!("delete from bench_scheduled using this where key = this.order_id::text");
const CHANGED: &str = sql!(
    "insert into bench_change (order_id, version, status, event_id, buyer_id, number)
     select order_id, bench_order.version, 'submitted', first, buyer_id, hashtextextended(first::text, 0)
       from bench_order join this using (order_id)"
);
const MOVED: &str = sql!(
    ", moved as (
         update bench_order set version = version + 1 from this where bench_order.order_id = this.order_id
         returning bench_order.order_id, bench_order.version, buyer_id
     )
     insert into bench_change (order_id, version, status, event_id, buyer_id, number)
     select moved.order_id, moved.version, 'submitted', first, buyer_id, hashtextextended(first::text, 0)
       from moved join this using (order_id)"
);

const PLACE: Statements = &[
    sql!("select order_id from bench_order where idempotency_key = (select order_id::text from this)"),
    sql!("select name, price from product join this on product_id = product"),
    sql!(
        "insert into bench_order (order_id, buyer_id, idempotency_key, fingerprint, status, address, total, payment_token,
                                  reply_deadline_s)
         select order_id, 'buyer-' || product, order_id::text, sha256(order_id::text::bytea), 'submitted', '{}', 10,
                'tok_ok', 600 from this"
    ),
    sql!("insert into bench_line select order_id, 1, product, 'A product', '/pic', 10, 1 from this"),
    event!("first"),
    CHANGED,
    event!("second"),
];
const ASK_STOCK: Statements = &[RECEIVED, LOCKED, event!("first"), TIMER, MOVED];
const RESERVE: Statements = &[
    RECEIVED,
    sql!("insert into bench_reservation (order_id, state) select order_id, 'reserved' from this"),
    sql!("select available_stock from bench_stock join this on product_id = product for update of bench_stock"),
    sql!(
        ", line as (insert into bench_reservation_line select order_id, product, 1 from this returning product_id)
         update bench_stock set available_stock = available_stock - 1, reserved_stock = reserved_stock + 1
           from line where bench_stock.product_id = line.product_id"
    ),
    event!("first"),
];
const ASK_PAYMENT: Statements = &[RECEIVED, LOCKED, TIMER_OFF, event!("first"), TIMER, MOVED];
const PAYMENT: Statements = &[
    RECEIVED,
    sql!(
        "insert into bench_payment (payment_id, order_id, amount, currency, token, state, due, trace)
         select order_id, order_id::text, 10, 'EUR', 'tok_ok', 'requested', now(), '' from this"
    ),
];
const OUTCOME: Statements = &[
    sql!("select state from bench_payment where payment_id = (select order_id from this) for update"),
    sql!(
        "update bench_payment set state = 'succeeded', due = null, charge_id = order_id, token = null
           where payment_id = (select order_id from this)"
    ),
    event!("first"),
];
const COMPLETE: Statements = &[RECEIVED, LOCKED, TIMER_OFF, event!("first"), event!("second"), MOVED];

/// A loop that orders go through.
pub(crate) struct BareOrders {
    ordering: PgPool,
    catalog: PgPool,
    payment: PgPool,
    channel: Channel,
    _publisher: Connection,
    waiting: Arc<Mutex<HashMap<Uuid, oneshot::Sender<()>>>>,
    provider: (mpsc::UnboundedSender<Client>, AsyncMutex<mpsc::UnboundedReceiver<Client>>),
    stop: CancellationToken,
}

impl Drop for BareOrders {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl BareOrders {
    /// Makes its tables, copies of the suite's, and starts.
    pub(crate) async fn start(environment: &Environment) -> Result<Self> {
        let (ordering, catalog, payment) =
            (environment.ordering.clone(), environment.catalog.clone(), environment.payment.clone());
        let outbox = [("log", "integration_event_log"), ("inbox", "inbox")];
        let of_ordering = [
            ("order", "customer_order"),
            ("line", "order_line"),
            ("change", "order_change"),
            ("scheduled", "outbox_scheduled"),
        ];
        let of_catalog =
            [("reservation", "reservation"), ("reservation_line", "reservation_line"), ("stock", "product")];
        for (pool, tables) in [
            (&ordering, &of_ordering[..]),
            (&catalog, &of_catalog[..]),
            (&payment, &[("payment", "payment")][..]),
        ] {
            for (name, like) in outbox.iter().chain(tables) {
                let sql = format!(
                    "drop table if exists bench_{name}; create table bench_{name} (like {like} including all)"
                );
                sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(pool).await?;
            }
        }
        sqlx::raw_sql("insert into bench_stock select * from product").execute(&catalog).await?;
        let publisher = Connection::connect(&environment.broker.url, ConnectionProperties::default()).await?;
        let channel = publisher.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let queue = Queue::declare(&environment.broker.url, "bench.orders", EVENT_TYPE).await?;
        let (stop, waiting) = (CancellationToken::new(), Arc::default());
        tokio::spawn(stop.clone().run_until_cancelled_owned(consume(queue, Arc::clone(&waiting))));
        let (give, take) = mpsc::unbounded_channel();
        for _ in 0..CALLS {
            give.send(Client::connect(environment.port(Name::SANDBOX)?).await?)?;
        }
        let provider = (give, AsyncMutex::new(take));
        Ok(Self { ordering, catalog, payment, channel, _publisher: publisher, waiting, provider, stop })
    }

    /// Takes the n-th order from its request to `paid`; returns how long that took, in ms.
    pub(crate) async fn order(&self, n: usize) -> Result<f64> {
        let (order, product) = (Uuid::now_v7(), FIRST + n as i64 % PRODUCTS);
        let begun = Instant::now();
        let mut came = order;
        for (pool, statements, is_second) in [
            (&self.ordering, PLACE, true),
            (&self.ordering, ASK_STOCK, false),
            (&self.catalog, RESERVE, false),
            (&self.ordering, ASK_PAYMENT, false),
        ] {
            came = self.step(pool, statements, order, product, came, is_second).await?;
        }
        run(&self.payment, PAYMENT, order, product, [came, came, came]).await?;
        self.charge(order).await?;
        came = self.step(&self.payment, OUTCOME, order, product, came, false).await?;
        let [first, second] = [Uuid::now_v7(), Uuid::now_v7()];
        run(&self.ordering, COMPLETE, order, product, [came, first, second]).await?;
        let paid = begun.elapsed().as_secs_f64() * 1_000.0;
        self.publish(first).await?;
        self.publish(second).await?;
        mark(&self.ordering, &[first, second]).await?;
        Ok(paid)
    }

    /// A transaction and its messages; returns the event that the next one has to wait for, after it has arrived.
    async fn step(
        &self,
        pool: &PgPool,
        statements: Statements,
        order: Uuid,
        product: i64,
        came: Uuid,
        has_second: bool,
    ) -> Result<Uuid> {
        let [first, second] = [Uuid::now_v7(), Uuid::now_v7()];
        run(pool, statements, order, product, [came, first, second]).await?;
        let next = if has_second { second } else { first };
        let (arrived, has_arrived) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(next, arrived);
        self.publish(first).await?;
        if has_second {
            self.publish(second).await?;
        }
        tokio::time::timeout(LIMIT, has_arrived).await.context("a message does not arrive")??;
        mark(pool, &[first, second]).await?;
        Ok(next)
    }

    async fn publish(&self, id: Uuid) -> Result<()> {
        confirmed(send(&self.channel, EVENT_TYPE, id, &[b'x'; 400]).await?).await
    }

    async fn charge(&self, order: Uuid) -> Result<()> {
        let body = format!(r#"{{"orderId":"{order}","amount":"10.00","currency":"EUR","token":"tok_ok"}}"#);
        let request = Client::request("POST", "/charges", &format!("idempotency-key: {order}\r\n"), &body);
        let mut client = self.provider.1.lock().await.recv().await.context("no client")?;
        client.call(&request).await?;
        self.provider.0.send(client)?;
        Ok(())
    }
}

async fn run(
    pool: &PgPool,
    statements: Statements,
    order: Uuid,
    product: i64,
    events: [Uuid; 3],
) -> Result<()> {
    let mut tx = pool.begin().await?;
    for statement in statements {
        let mut query = sqlx::query(*statement).bind(order).bind(product);
        for event in events {
            query = query.bind(event);
        }
        query.execute(&mut *tx).await?;
    }
    tx.commit().await?;
    Ok(())
}

async fn mark(pool: &PgPool, events: &[Uuid]) -> Result<()> {
    let published =
        "update bench_log set state = 'Published', published_at = clock_timestamp(), times_sent = 1
                      where event_id = any($1)";
    sqlx::query(published).bind(events).execute(pool).await?;
    Ok(())
}

async fn consume(queue: Queue, waiting: Arc<Mutex<HashMap<Uuid, oneshot::Sender<()>>>>) -> Result<()> {
    let mut deliveries = queue.consume(false).await?;
    while let Some(delivery) = deliveries.next().await {
        let delivery = delivery?;
        delivery.ack(BasicAckOptions::default()).await?;
        let id = delivery.properties.message_id().as_ref().and_then(|id| id.as_str().parse().ok());
        let arrived =
            id.and_then(|id: Uuid| waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&id));
        if let Some(arrived) = arrived {
            arrived.send(()).unwrap_or_default();
        }
    }
    Ok(())
}
