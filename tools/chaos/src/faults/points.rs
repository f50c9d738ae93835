//! Every named crash point, passed for the n-th time with another n at each of twenty deaths.

use std::time::Duration;

use anyhow::{Result, ensure};
use rustix::process::Signal;
use tokio::time::Instant;

use super::{Fault, Injection, Target, injection};
use harness::{
    Service,
    proxy::{Mode, Protocol},
};

/// How often each point kills its process.
const DEATHS: u64 = 20;

/// How long a process may live before it has to have passed its point.
const LIMIT: Duration = Duration::from_secs(30);

/// Declares crash points: the process, the point, how often it is passed at most before the kill, what happens.
macro_rules! points {
    ($($service:ident $name:literal $most:literal $about:literal;)*) => {
        faults! { $(points: $name [1, 1] $about => die($service, $name, $most);)* }
    };
}

const CATALOG: Service = Service::Catalog;
const RELAY: Service = Service::Relay(1);
const BASKET: Service = Service::Basket(1);

pub(super) const FAULTS: &[Fault] = points! {
    CATALOG "catalog.before_transaction" 5 "the catalog dies before a transaction";
    CATALOG "catalog.before_log_row" 5 "the catalog dies after the change, before the log's row";
    CATALOG "catalog.before_commit" 5 "the catalog dies before a commit";
    CATALOG "catalog.after_commit" 5 "the catalog dies after a commit, before the answer";
    RELAY "relay.while_reconnecting" 1 "the relay dies while it connects to RabbitMQ";
    RELAY "relay.before_ownership" 1 "the relay dies before it takes partitions";
    RELAY "relay.after_ownership" 1 "the relay dies after it took partitions, before it reads";
    RELAY "relay.after_read" 8 "the relay dies after it read, before the first publication";
    RELAY "relay.after_publish" 20 "the relay dies after the n-th publication";
    RELAY "relay.before_mark" 8 "the relay dies after a confirmation, before the mark";
    RELAY "relay.after_mark" 8 "the relay dies after the mark";
    RELAY "relay.while_renewing" 2 "the relay dies while it renews its ownership";
    RELAY "relay.while_resigning" 1 "the relay dies while it hands over on shutdown";
    BASKET "consumer.after_delivery" 5 "the basket dies after a delivery";
    BASKET "consumer.after_inbox" 5 "the basket dies after the inbox's row";
    BASKET "consumer.before_commit" 5 "the basket dies before a commit";
    BASKET "consumer.after_commit" 5 "the basket dies after a commit, before the acknowledgement";
    BASKET "consumer.after_ack" 5 "the basket dies after the acknowledgement";
};

async fn die(target: &mut Target<'_>, service: Service, point: &str, most: u64) -> Result<Injection> {
    target.environment.kill(service)?;
    if point == "relay.while_renewing" {
        // Leases are renewed while something is on its way, and agreed upon anew when nothing is.
        target.environment.proxy(service, Protocol::Amqp)?.set(Mode::Delay(Duration::from_millis(150)));
    }
    let mut seen = 0;
    for _ in 0..DEATHS {
        let nth = format!("{point}:{}", target.rng.u64(1..=most));
        target.environment.launch(service, &[("CRASH_POINT", &nth)])?;
        if point == "relay.while_resigning" {
            target.environment.service(service)?.until_ready().await?;
            target.environment.signal(service, Signal::TERM)?;
        }
        match target.environment.service(service)?.until_killed(LIMIT).await? {
            Some(true) => seen += 1,
            Some(false) => anyhow::bail!("{service} ended before it came to {nth}"),
            None => target.environment.kill(service)?,
        }
    }
    target.environment.proxy(service, Protocol::Amqp)?.set(Mode::Pass);
    ensure!(seen == DEATHS, "{service} came to {point} in only {seen} of {DEATHS} runs");
    let healed = Instant::now();
    target.environment.start(service).await?;
    Ok(injection(seen, healed))
}
