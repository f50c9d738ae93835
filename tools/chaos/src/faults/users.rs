//! What is broken while people register.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use shop::registry::Name;
use tokio::time::Instant;

use super::{
    Fault, Injection, Target, injection,
    process::{crash_loop, server_killed, server_restarted},
};
use harness::{Service, until};

const BASKET: Service = Service::Basket(1);
const RELAY: Service = Service::Relay(1);
const ACCOUNTS: Service = Service::Accounts;
const NOTIFIER: Service = Service::Notifier;

/// How many mails a faulty mail server has to be seen to miss, and how long that may take.
const MISSED: i64 = 3;
const LIMIT: Duration = Duration::from_secs(40);

pub(super) const FAULTS: &[Fault] = faults! {
    users: "users-mail-away" [1, 1, users]
        "the mail server is away: it ends open connections, and new ones before its greeting" => mail(json!({"fault": "away"}));
    users: "users-mail-refuses" [1, 1, users]
        "the mail server takes nothing for now (451)" => mail(json!({"fault": "refuse", "code": 451}));
    users: "users-mail-hangs" [1, 1, users]
        "the mail server reads mails and does not answer" => mail(json!({"fault": "hang"}));
    users: "users-mail-dies" [1, 1, users]
        "the mail server keeps mails and ends the connection without an answer" => mail(json!({"fault": "die"}));
    users: "users-notifier-down" [1, 1, users]
        "the notifier is down for long" => down(NOTIFIER);
    users: "users-basket-down" [1, 1, users]
        "the basket is down for long" => down(BASKET);
    users: "users-notifier-killed" [1, 1, users]
        "the notifier is killed again and again" => crash_loop(NOTIFIER, 4, 0.8..=2.0);
    users: "users-accounts-killed" [1, 1, users]
        "accounts is killed again and again" => crash_loop(ACCOUNTS, 4, 0.8..=2.0);
    users: "users-relay-killed" [2, 1, users]
        "one of two relays is killed again and again" => crash_loop(RELAY, 4, 0.5..=1.5);
    users: "users-broker-restarted" [1, 1, users]
        "RabbitMQ is restarted while people register" => server_restarted(Name::RABBITMQ);
    users: "users-postgres-killed" [1, 1, users]
        "PostgreSQL is killed while people register" => server_killed(Name::Postgres);
    users: "users-calm" [1, 1, users]
        "nothing is broken: people register, and are welcomed" => calm;
};

async fn calm(target: &mut Target<'_>) -> Result<Injection> {
    target.hold(4.0..=5.0).await;
    Ok(injection(1, Instant::now()))
}

/// Has the mail server do something wrong until it was seen to.
async fn mail(target: &mut Target<'_>, fault: Value) -> Result<Injection> {
    let missed = "select count(*) from mail where state = 'waiting' and problem is not null";
    let notifier = target.environment.notifier.clone();
    let mut seen = 0;
    set_fault(target, &fault).await?;
    let is_seen = async || {
        seen = sqlx::query_scalar(missed).fetch_one(&notifier).await?;
        Ok((seen >= MISSED).then_some(()))
    };
    let is_seen = until(LIMIT, Duration::from_millis(50), is_seen).await?;
    target.hold(2.0..=4.0).await;
    let healed = Instant::now();
    set_fault(target, &json!({})).await?;
    Ok(injection(is_seen.map_or(0, |()| seen.unsigned_abs()), healed))
}

async fn set_fault(target: &Target<'_>, fault: &Value) -> Result<()> {
    let url = format!("{}/api/fault", target.environment.url(Service::Mailbox)?);
    let client = reqwest::Client::builder().timeout(LIMIT).no_proxy().build()?;
    client.put(url).json(fault).send().await?.error_for_status().context("no such fault")?;
    Ok(())
}

/// Longer than anything is waited for.
async fn down(target: &mut Target<'_>, service: Service) -> Result<Injection> {
    target.environment.kill(service)?;
    target.hold(12.0..=15.0).await;
    let healed = Instant::now();
    target.environment.start(service).await?;
    Ok(injection(1, healed))
}
