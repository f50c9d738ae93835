//! The n-th call of a service to a server fails, for every n until there is no such call any more.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::time::Instant;
use uuid::Uuid;

use super::{Fault, Injection, Target, injection};
use crate::workload::{PRODUCTS, change_price};
use harness::{
    Service,
    proxy::{
        Cut,
        Protocol::{self, Amqp, Postgres},
    },
    until,
};

/// A service that makes more calls than this for one event has lost its way.
const MOST: u64 = 250;

/// How long one event may take, with one call failing on its way.
const LIMIT: Duration = Duration::from_secs(30);

pub(super) const FAULTS: &[Fault] = faults! {
    calls: "every-call-of-relay-to-postgres" [1, 1]
        "each call in turn, from the start on, until an event has arrived" => every(Service::Relay(1), Postgres);
    calls: "every-call-of-relay-to-broker" [1, 1]
        "each call in turn, from the start on, until an event has arrived" => every(Service::Relay(1), Amqp);
    calls: "every-call-of-basket-to-postgres" [1, 1]
        "each call in turn, from the start on, until an event has arrived" => every(Service::Basket(1), Postgres);
    calls: "every-call-of-basket-to-broker" [1, 1]
        "each call in turn, from the start on, until an event has arrived" => every(Service::Basket(1), Amqp);
    calls: "every-call-of-catalog-to-postgres" [1, 1]
        "each call in turn, from the start on, until an event has arrived" => every(Service::Catalog, Postgres);
};

/// Starts a service and cuts all its connections to a server at the n-th call: before it reaches the server, or
/// before its answer reaches the service, as the schedule wants. Over once an event has come through with no call left to cut.
async fn every(target: &mut Target<'_>, service: Service, protocol: Protocol) -> Result<Injection> {
    for n in 1..=MOST {
        let cut = if target.rng.bool() { Cut::Before(n) } else { Cut::After(n) };
        // A new process each time: after failed calls a process waits longer and longer before it tries again.
        target.environment.kill(service)?;
        let proxy = target.environment.proxy(service, protocol)?;
        // What the last process sent may still be on its way through the proxy.
        proxy.reset();
        proxy.cut_at(cut);
        let before = proxy.cuts();
        target.environment.launch(service, &[])?;
        let id = change(target).await?;
        let arrived = async || {
            let known = "select count(*) from inbox where event_id = $1";
            let known: i64 = sqlx::query_scalar(known).bind(id).fetch_one(&target.environment.basket).await?;
            Ok((known > 0).then_some(()))
        };
        let done = until(LIMIT, Duration::from_millis(5), arrived).await?;
        done.with_context(|| {
            format!("an event does not arrive when {service} fails at {cut:?} to {protocol:?}")
        })?;
        let proxy = target.environment.proxy(service, protocol)?;
        let is_over = proxy.cuts() == before;
        proxy.never_cut();
        if is_over {
            return Ok(injection(n - 1, Instant::now()));
        }
    }
    bail!("{service} has called more than {MOST} times for one event");
}

/// A price change that was certainly committed. The catalog itself may be the one whose calls fail.
async fn change(target: &mut Target<'_>) -> Result<Uuid> {
    let (product, mut cents) = (target.rng.i64(1..=PRODUCTS), target.rng.u64(100_000..200_000));
    let environment = &*target.environment;
    let change = async || {
        cents += 1;
        Ok(change_price(environment, product, cents).await.ok())
    };
    until(LIMIT, Duration::from_millis(50), change).await?.context("no price change succeeds")
}
