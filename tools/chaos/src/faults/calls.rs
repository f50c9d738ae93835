//! The n-th call of a service to a server fails, for every n until there is no such call any more.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::time::Instant;
use uuid::Uuid;

use super::{Act, Fault, Scene};
use crate::{
    load::{PRODUCTS, change_price},
    patience::until,
    proxy::{
        Cut,
        Protocol::{self, Amqp, Postgres},
    },
    run::act,
    stage::{Stage, Who},
};

/// A service that makes more calls than this for one event has lost its way.
const MOST: u64 = 250;

/// How long one event may take, with one call failing on its way.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) const FAULTS: &[Fault] = &[
    fault!(
        "every-call-of-relay-to-postgres",
        "calls",
        [1, 1],
        "each call in turn, from the start on, until an event has arrived",
        |scene| every(scene, Who::Relay(1), Postgres)
    ),
    fault!(
        "every-call-of-relay-to-broker",
        "calls",
        [1, 1],
        "each call in turn, from the start on, until an event has arrived",
        |scene| every(scene, Who::Relay(1), Amqp)
    ),
    fault!(
        "every-call-of-basket-to-postgres",
        "calls",
        [1, 1],
        "each call in turn, from the start on, until an event has arrived",
        |scene| every(scene, Who::Basket(1), Postgres)
    ),
    fault!(
        "every-call-of-basket-to-broker",
        "calls",
        [1, 1],
        "each call in turn, from the start on, until an event has arrived",
        |scene| every(scene, Who::Basket(1), Amqp)
    ),
    fault!(
        "every-call-of-catalog-to-postgres",
        "calls",
        [1, 1],
        "each call in turn, from the start on, until an event has arrived",
        |scene| every(scene, Who::Catalog, Postgres)
    ),
];

/// Starts a service and cuts all its connections to a server at the n-th call: before it reaches the server, or
/// before its answer reaches the service, as the schedule wants. Over once an event has come through with no call left to cut.
async fn every(scene: &mut Scene<'_>, who: Who, protocol: Protocol) -> Result<Act> {
    for n in 1..=MOST {
        let cut = if scene.stage.rng.bool() { Cut::Before(n) } else { Cut::After(n) };
        // A new life each time: one whose calls have failed before waits longer and longer until it tries again.
        scene.stage.kill(who)?;
        let link = scene.stage.link(who, protocol)?;
        // What the last life had sent may still be on its way through the proxy.
        link.reset();
        link.cut_at(cut);
        let before = link.cuts();
        scene.stage.launch(who, &[])?;
        let id = announce(scene.stage).await?;
        let arrived = async || {
            let known = "select count(*) from inbox where event_id = $1";
            let known: i64 = sqlx::query_scalar(known).bind(id).fetch_one(&scene.stage.basket).await?;
            Ok((known > 0).then_some(()))
        };
        let done = until(PATIENCE, Duration::from_millis(5), arrived).await?;
        done.with_context(|| {
            format!("an event does not arrive when {who} fails at {cut:?} to {protocol:?}")
        })?;
        let link = scene.stage.link(who, protocol)?;
        let is_over = link.cuts() == before;
        link.never_cut();
        if is_over {
            return Ok(act(n - 1, Instant::now()));
        }
    }
    bail!("{who} has called more than {MOST} times for one event");
}

/// A price change that was certainly committed. The catalog itself may be the one whose calls fail.
async fn announce(stage: &mut Stage) -> Result<Uuid> {
    let (product, cents) = (stage.rng.i64(1..=PRODUCTS), stage.rng.u64(100_000..200_000));
    let mut cents = cents;
    let stage = &*stage;
    let change = async || {
        cents += 1;
        Ok(change_price(stage, product, cents).await.ok())
    };
    until(PATIENCE, Duration::from_millis(50), change).await?.context("no price change succeeds")
}
