//! What is broken while people register.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    Fault, Injection, Target, injection,
    process::{calm, crash_loop, killed, server_killed, server_restarted},
};
use harness::{Name, until};

/// How many mails a faulty mail server has to be seen to miss, and how long that may take.
const MISSED: i64 = 3;
const LIMIT: Duration = Duration::from_secs(40);

/// Longer than anything is waited for.
const LONG: std::ops::RangeInclusive<f64> = 12.0..=15.0;

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
        "the notifier is down for long" => killed(Name::NOTIFIER, LONG);
    users: "users-basket-down" [1, 1, users]
        "the basket is down for long" => killed(Name::BASKET, LONG);
    users: "users-notifier-killed" [1, 1, users]
        "the notifier is killed again and again" => crash_loop(Name::NOTIFIER, 4, 0.8..=2.0);
    users: "users-accounts-killed" [1, 1, users]
        "accounts is killed again and again" => crash_loop(Name::ACCOUNTS, 4, 0.8..=2.0);
    users: "users-relay-killed" [2, 1, users]
        "one of two relays is killed again and again" => crash_loop(Name::RELAY, 4, 0.5..=1.5);
    users: "users-broker-restarted" [1, 1, users]
        "RabbitMQ is restarted while people register" => server_restarted(Name::RABBITMQ);
    users: "users-postgres-killed" [1, 1, users]
        "PostgreSQL is killed while people register" => server_killed(Name::Postgres);
    users: "users-calm" [1, 1, users]
        "nothing is broken: people register, and are welcomed" => calm;
};

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
    let url = format!("{}/api/fault", target.environment.url(Name::MAILBOX)?);
    let client = reqwest::Client::builder().timeout(LIMIT).no_proxy().build()?;
    client.put(url).json(fault).send().await?.error_for_status().context("no such fault")?;
    Ok(())
}
