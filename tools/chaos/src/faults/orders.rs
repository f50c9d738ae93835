//! What is broken while buyers place orders, and a great many orders.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use anyhow::{Result, ensure};
use rustix::process::Signal;
use shop::terminal::complain;
use tokio::{task::JoinSet, time::Instant};

use super::{
    Fault, Injection, Target, injection,
    process::{calm, crash_loop, frozen, killed, server_killed},
};
use harness::{Name, until};

/// How many buyers order a great many orders, beside the usual ones; their numbers begin after these.
const BUYERS: std::ops::Range<u64> = 50..62;

/// How long a hundred orders may take: much of the time something is down.
const LIMIT: Duration = Duration::from_mins(2);

/// By then an order has given up waiting.
const OVERDUE: Duration = Duration::from_secs(40);

/// How many orders there will be.
static ORDERS: AtomicUsize = AtomicUsize::new(250);

pub(super) const FAULTS: &[Fault] = faults! {
    orders: "many-orders" [2, 1, orders]
        "many orders while relays, payments and ordering are killed in turn" => many;
    orders: "orders-without-provider" [1, 1, orders]
        "the payment provider is away for longer than orders wait" => without_provider;
    orders: "orders-broker-killed" [1, 1, orders]
        "RabbitMQ is killed while buyers order" => server_killed(Name::RABBITMQ);
    orders: "orders-postgres-killed" [1, 1, orders]
        "PostgreSQL is killed while buyers order" => server_killed(Name::Postgres);
    orders: "orders-relay-killed" [2, 1, orders]
        "one of two relays is killed again and again while buyers order" => crash_loop(Name::RELAY, 4, 0.5..=1.5);
    orders: "orders-ordering-killed" [1, 1, orders]
        "ordering is killed again and again while buyers order" => crash_loop(Name::ORDERING, 4, 0.8..=2.0);
    orders: "orders-payment-killed" [1, 1, orders]
        "the payments are killed again and again while buyers order" => crash_loop(Name::PAYMENT, 4, 0.8..=2.0);
    orders: "orders-catalog-killed" [1, 1, orders]
        "the catalog is killed again and again while buyers order" => crash_loop(Name::CATALOG, 4, 0.8..=2.0);
    orders: "orders-basket-killed" [1, 1, orders]
        "the basket is killed while buyers order" => killed(Name::BASKET, 0.5..=2.0);
    orders: "orders-ordering-frozen" [1, 1, orders]
        "ordering stands still while buyers order" => frozen(Name::ORDERING, 5.0..=6.0);
    orders: "orders-provider-frozen" [1, 1, orders]
        "the payment provider does not answer, and then all at once" => frozen(Name::SANDBOX, 5.0..=6.0);
    orders: "orders-provider-killed" [1, 1, orders]
        "the payment provider is killed again and again" => crash_loop(Name::SANDBOX, 4, 0.5..=1.5);
    orders: "orders-calm" [1, 1, orders]
        "nothing is broken: orders are paid, declined, cancelled and shipped" => calm;
};

/// Has there be so many orders.
pub(crate) fn many_orders_of(orders: usize) {
    ORDERS.store(orders, Ordering::Relaxed);
}

/// Longer than a reply is waited for: orders are cancelled, and what they asked for is taken back.
async fn without_provider(target: &mut Target<'_>) -> Result<Injection> {
    let overdue = "select count(*) from customer_order where detail = 'the payment did not come in time'";
    let ordering = target.environment.ordering.clone();
    let count = async || anyhow::Ok(sqlx::query_scalar::<_, i64>(overdue).fetch_one(&ordering).await?);
    let before = count().await?;
    target.environment.kill(Name::SANDBOX)?;
    let is_overdue = async || Ok((count().await? > before).then_some(()));
    until(OVERDUE, Duration::from_millis(100), is_overdue).await?;
    let healed = Instant::now();
    target.environment.start(Name::SANDBOX).await?;
    Ok(injection(u64::try_from(count().await? - before).unwrap_or(0), healed))
}

async fn many(target: &mut Target<'_>) -> Result<Injection> {
    let orders = ORDERS.load(Ordering::Relaxed);
    let mut buyers = JoinSet::new();
    for number in BUYERS {
        buyers.extend(target.workload.shopper(number, 0..50));
    }
    let deadline = Instant::now() + LIMIT * u32::try_from(orders.div_ceil(100)).unwrap_or(u32::MAX);
    let (mut strikes, mut told) = (0, Instant::now());
    while target.workload.shopping.count() < orders {
        target.environment.interrupt.check()?;
        let placed = target.workload.shopping.count();
        ensure!(Instant::now() < deadline, "only {placed} of {orders} orders were placed");
        strike(target, strikes).await?;
        strikes += 1;
        if told.elapsed() > Duration::from_secs(30) {
            told = Instant::now();
            complain(format!("    {placed} orders placed, {strikes} processes killed"));
        }
    }
    buyers.shutdown().await;
    Ok(injection(strikes, Instant::now()))
}

/// Kills a relay, the payments or ordering, whose turn it is, and brings it back.
async fn strike(target: &mut Target<'_>, turn: u64) -> Result<()> {
    let service = [Name::RELAY, Name::PAYMENT, Name::ORDERING, Name::Relay(2)][(turn % 4) as usize];
    target.environment.kill(service)?;
    target.hold(0.0..=1.0).await;
    target.environment.start(service).await?;
    target.hold(1.0..=4.0).await;
    if target.rng.u8(0..4) == 0 {
        target.environment.signal(service, Signal::STOP)?;
        target.hold(0.5..=3.0).await;
        target.environment.signal(service, Signal::CONT)?;
    }
    Ok(())
}
