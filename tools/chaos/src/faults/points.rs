//! Every named crash point, passed for the n-th time with another n at each of twenty deaths.

use std::time::Duration;

use anyhow::{Result, ensure};
use rustix::process::Signal;
use tokio::time::Instant;

use super::{Act, Fault, Scene};
use crate::{
    proxy::{Mode, Protocol},
    run::act,
    stage::Who,
};

/// How often each point kills its process.
const DEATHS: u64 = 20;

/// How long a process may live before it has to have passed its point.
const PATIENCE: Duration = Duration::from_secs(30);

macro_rules! point {
    ($name:literal, $who:expr, $most:literal, $about:literal) => {
        fault!($name, "points", [1, 1], $about, |scene| die(scene, $who, $name, $most))
    };
}

const CATALOG: Who = Who::Catalog;
const RELAY: Who = Who::Relay(1);
const BASKET: Who = Who::Basket(1);

pub(super) const FAULTS: &[Fault] = &[
    point!("catalog.before_transaction", CATALOG, 5, "the catalog dies before a transaction"),
    point!("catalog.before_log_row", CATALOG, 5, "the catalog dies after the change, before the log's row"),
    point!("catalog.before_commit", CATALOG, 5, "the catalog dies before a commit"),
    point!("catalog.after_commit", CATALOG, 5, "the catalog dies after a commit, before the answer"),
    point!("relay.while_reconnecting", RELAY, 1, "the relay dies while it connects to RabbitMQ"),
    point!("relay.before_ownership", RELAY, 1, "the relay dies before it takes partitions"),
    point!("relay.after_ownership", RELAY, 1, "the relay dies after it took partitions, before it reads"),
    point!("relay.after_read", RELAY, 8, "the relay dies after it read, before the first publication"),
    point!("relay.after_publish", RELAY, 20, "the relay dies after the n-th publication"),
    point!("relay.before_mark", RELAY, 8, "the relay dies after a confirmation, before the mark"),
    point!("relay.after_mark", RELAY, 8, "the relay dies after the mark"),
    point!("relay.while_renewing", RELAY, 2, "the relay dies while it renews its ownership"),
    point!("relay.while_resigning", RELAY, 1, "the relay dies while it hands over on shutdown"),
    point!("consumer.after_delivery", BASKET, 5, "the basket dies after a delivery"),
    point!("consumer.after_inbox", BASKET, 5, "the basket dies after the inbox's row"),
    point!("consumer.before_commit", BASKET, 5, "the basket dies before a commit"),
    point!("consumer.after_commit", BASKET, 5, "the basket dies after a commit, before the acknowledgement"),
    point!("consumer.after_ack", BASKET, 5, "the basket dies after the acknowledgement"),
];

async fn die(scene: &mut Scene<'_>, who: Who, point: &str, most: u64) -> Result<Act> {
    scene.stage.kill(who)?;
    if point == "relay.while_renewing" {
        // Leases are renewed while something is on its way, and agreed upon anew when nothing is.
        scene.stage.link(who, Protocol::Amqp)?.set(Mode::Delay(Duration::from_millis(150)));
    }
    let mut seen = 0;
    for _ in 0..DEATHS {
        let nth = format!("{point}:{}", scene.stage.rng.u64(1..=most));
        scene.stage.launch(who, &[("CRASH_POINT", &nth)])?;
        if point == "relay.while_resigning" {
            scene.stage.service(who)?.until_ready().await?;
            scene.stage.signal(who, Signal::TERM)?;
        }
        match scene.stage.service(who)?.until_killed(PATIENCE).await? {
            Some(true) => seen += 1,
            Some(false) => anyhow::bail!("{who} ended before it came to {nth}"),
            None => scene.stage.kill(who)?,
        }
    }
    scene.stage.link(who, Protocol::Amqp)?.set(Mode::Pass);
    ensure!(seen == DEATHS, "{who} came to {point} in {seen} of {DEATHS} lives only");
    let healed = Instant::now();
    scene.stage.start(who).await?;
    Ok(act(seen, healed))
}
