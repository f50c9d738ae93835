//! The n-th call of a service to a server fails, for every n until there is no such call any more.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::time::Instant;

use super::{Fault, Injection, Target, injection};
use harness::{
    Name,
    proxy::{
        Cut,
        Protocol::{self, Amqp, Postgres},
    },
};

/// A service that makes more calls than this for one event has lost its way.
const MOST: u64 = 250;

/// How long one event may take, with one call failing on its way.
const LIMIT: Duration = Duration::from_secs(30);

/// The group of these faults.
pub(super) const GROUP: &str = "calls";

/// What the calls are made for.
#[derive(Clone, Copy)]
enum For {
    PriceChange,
    Order,
}

pub(super) const FAULTS: &[Fault] = faults! {
    calls: "every-call-of-relay-to-postgres" [1, 1]
        "each call in turn, from the start on, until an event has arrived" => every(Name::RELAY, Postgres, For::PriceChange);
    calls: "every-call-of-relay-to-broker" [1, 1]
        "each call in turn, from the start on, until an event has arrived" => every(Name::RELAY, Amqp, For::PriceChange);
    calls: "every-call-of-basket-to-postgres" [1, 1]
        "each call in turn, from the start on, until an event has arrived" => every(Name::BASKET, Postgres, For::PriceChange);
    calls: "every-call-of-basket-to-broker" [1, 1]
        "each call in turn, from the start on, until an event has arrived" => every(Name::BASKET, Amqp, For::PriceChange);
    calls: "every-call-of-catalog-to-postgres" [1, 1]
        "each call in turn, from the start on, until an event has arrived" => every(Name::CATALOG, Postgres, For::PriceChange);
    calls: "every-call-of-ordering-to-postgres" [1, 1, orders]
        "each call in turn, from the start on, until an order is over" => every(Name::ORDERING, Postgres, For::Order);
    calls: "every-call-of-ordering-to-broker" [1, 1, orders]
        "each call in turn, from the start on, until an order is over" => every(Name::ORDERING, Amqp, For::Order);
    calls: "every-call-of-payment-to-postgres" [1, 1, orders]
        "each call in turn, from the start on, until an order is over" => every(Name::PAYMENT, Postgres, For::Order);
    calls: "every-call-of-payment-to-broker" [1, 1, orders]
        "each call in turn, from the start on, until an order is over" => every(Name::PAYMENT, Amqp, For::Order);
    calls: "every-call-of-stock-to-postgres" [1, 1, orders]
        "each call of the catalog in turn, until an order is over" => every(Name::CATALOG, Postgres, For::Order);
    calls: "every-call-of-stock-to-broker" [1, 1, orders]
        "each call of the catalog in turn, until an order is over" => every(Name::CATALOG, Amqp, For::Order);
};

/// Nobody has time to think again: an order is soon over.
const AT_ONCE: (&str, &str) = ("APP__ORDERS__GRACE_PERIOD_S", "0");

/// Starts a service and cuts all its connections to a server at the n-th call: before it reaches the server, or
/// before its answer reaches the service, as the schedule wants. Over once an event has come through with no call left to cut.
async fn every(
    target: &mut Target<'_>,
    service: Name,
    protocol: Protocol,
    purpose: For,
) -> Result<Injection> {
    let settings: &[_] = if service == Name::ORDERING { &[AT_ONCE] } else { &[] };
    if matches!(purpose, For::Order) {
        target.environment.launch(Name::ORDERING, &[AT_ONCE])?;
    }
    for n in 1..=MOST {
        let cut = if target.rng.bool() { Cut::Before(n) } else { Cut::After(n) };
        // A new process each time: after failed calls a process waits longer and longer before it tries again.
        target.environment.kill(service)?;
        let proxy = target.environment.proxy(service, protocol)?;
        // What the last process sent may still be on its way through the proxy.
        proxy.reset();
        proxy.cut_at(cut);
        let before = proxy.cuts();
        target.environment.launch(service, settings)?;
        let arrived = match purpose {
            For::PriceChange => target.one_arrives(LIMIT).await,
            For::Order => target.one_is_ordered(LIMIT).await,
        };
        arrived.with_context(|| format!("when {service} fails at {cut:?} to {protocol:?}"))?;
        let proxy = target.environment.proxy(service, protocol)?;
        let is_over = proxy.cuts() == before;
        proxy.never_cut();
        if is_over {
            if matches!(purpose, For::Order) {
                target.environment.launch(Name::ORDERING, &[])?;
            }
            return Ok(injection(n - 1, Instant::now()));
        }
    }
    bail!("{service} has called more than {MOST} times for one event");
}
