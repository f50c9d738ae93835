//! Every named crash point, passed for the n-th time with another n at each of twenty deaths.

use std::time::Duration;

use anyhow::{Result, ensure};
use rustix::process::Signal;
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    Fault, Injection, Target, injection,
    isolation::until_owned,
    scheduled::schedule,
    waiting::{break_alerts, mend_alerts},
};
use harness::{
    Name,
    proxy::{Mode, Protocol},
};

/// How often each point kills its process.
const DEATHS: u64 = 20;

/// How long a process may live before it has to have passed its point.
const LIMIT: Duration = Duration::from_mins(1);

/// Declares crash points: the process, the point, how often it is passed at most before the kill, what happens.
macro_rules! points {
    ($($service:ident $name:literal $most:literal $about:literal;)*) => {
        faults! { $(points: $name [1, 1] $about => die(Name::$service, $name, $most);)* }
    };
}

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
    RELAY "relay.before_move_due" 5 "the relay dies before it moves due events into the log";
    RELAY "relay.after_move_due" 5 "the relay dies after it moved due events into the log";
    RELAY "relay.after_release" 1 "the relay dies after it released its partitions for want of a broker";
    BASKET "waiting.before_effect" 5 "the basket dies before the effect of an event that waited";
    BASKET "waiting.after_effect" 5 "the basket dies after the effect of an event that waited, before the commit";
    BASKET "consumer.after_delivery" 5 "the basket dies after a delivery";
    BASKET "consumer.after_inbox" 5 "the basket dies after the inbox's row";
    BASKET "consumer.before_commit" 5 "the basket dies before a commit";
    BASKET "consumer.after_commit" 5 "the basket dies after a commit, before the acknowledgement";
    BASKET "consumer.after_ack" 5 "the basket dies after the acknowledgement";
};

/// Has a service die at a point, again and again, each time after another number of passes.
pub(super) async fn die(target: &mut Target<'_>, service: Name, point: &str, most: u64) -> Result<Injection> {
    target.environment.kill(service)?;
    if point.starts_with("waiting.") {
        break_alerts(&target.environment.basket, "random() < 0.1").await?;
    }
    let mut seen = 0;
    for _ in 0..DEATHS {
        let nth = format!("{point}:{}", target.rng.u64(1..=most));
        target.environment.launch(service, &[("CRASH_POINT", &nth)])?;
        provoke(target, service, point).await?;
        match target.environment.service(service)?.until_killed(LIMIT).await? {
            Some(true) => seen += 1,
            Some(false) => anyhow::bail!("{service} ended before it came to {nth}"),
            None => target.environment.kill(service)?,
        }
        target.environment.proxy(service, Protocol::Amqp)?.set(Mode::Pass);
    }
    ensure!(seen == DEATHS, "{service} came to {point} in only {seen} of {DEATHS} runs");
    mend_alerts(&target.environment.basket).await?;
    let healed = Instant::now();
    target.environment.start(service).await?;
    Ok(injection(seen, healed))
}

/// Brings a process that was just started to its point, where the workload alone does not.
async fn provoke(target: &mut Target<'_>, service: Name, point: &str) -> Result<()> {
    match point {
        "relay.while_renewing" => {
            // Leases are renewed while something is on its way, and agreed upon anew when nothing is.
            target.environment.proxy(service, Protocol::Amqp)?.set(Mode::Delay(Duration::from_millis(150)));
        }
        "relay.while_resigning" => {
            target.environment.service(service)?.until_ready().await?;
            target.environment.signal(service, Signal::TERM)?;
        }
        "relay.before_move_due" | "relay.after_move_due" => {
            let ids: Vec<Uuid> = (0..40).map(|_| Uuid::now_v7()).collect();
            schedule(target.environment, &ids, Duration::from_secs(3)).await?;
        }
        "relay.after_release" => {
            until_owned(target, &["relay"], LIMIT).await?;
            let proxy = target.environment.proxy(service, Protocol::Amqp)?;
            proxy.set(Mode::Refused);
            proxy.reset();
        }
        _ => {}
    }
    Ok(())
}
