//! Rows and messages that cannot be read, and logs that cannot be read at once.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lapin::types::{AMQPValue, FieldTable};
use serde_json::json;
use sqlx::AssertSqlSafe;
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    Fault, Injection, Target, injection,
    messages::{Message, SOME, message, price_changed, send_poison},
};
use crate::{
    check::{ONLY_RECORDED, POISON},
    workload::PRODUCTS,
};
use harness::Name;

const LIMIT: Duration = Duration::from_secs(20);

pub(super) const FAULTS: &[Fault] = faults! {
    messages: "message-large-headers" [1, 1]
        "bad events with a header that leaves no room for another" => large_headers;
    messages: "event-unreadable" [1, 1]
        "events whose times no calendar has, skipped by an operator" => unreadable;
    postgres: "postgres-dead-entries" [1, 1]
        "a relay starts before more dead entries than one statement may read" => dead_entries;
};

/// A frame holds 131,072 bytes; the reasons that the basket adds to a dead letter do not fit in beside this.
const LARGE: usize = 130_600;

async fn large_headers(target: &mut Target<'_>) -> Result<Injection> {
    let messages: Vec<Message> = (1..=SOME)
        .map(|version| {
            let mut event = price_changed(Uuid::now_v7(), 1 + version % PRODUCTS, version);
            event["data"]["newPrice"] = json!("much");
            let (key, body, properties) = message(event.to_string().into_bytes());
            let mut headers = FieldTable::default();
            headers.insert(POISON.into(), AMQPValue::Boolean(true));
            headers.insert("x-large".into(), AMQPValue::LongString("x".repeat(LARGE).into()));
            (key, body, properties.with_headers(headers))
        })
        .collect();
    send_poison(target, &messages).await
}

const CONSTRAINT: &str =
    "alter table integration_event_log add constraint integration_event_log_times check (
    created_at >= '0001-01-01 00:00:00+00' and created_at < '10000-01-01 00:00:00+00'
    and published_at >= '0001-01-01 00:00:00+00' and published_at < '10000-01-01 00:00:00+00'
    and skipped_at >= '0001-01-01 00:00:00+00' and skipped_at < '10000-01-01 00:00:00+00') not valid";

async fn unreadable(target: &mut Target<'_>) -> Result<Injection> {
    let pool = target.environment.catalog.clone();
    // As a database has them that is older than the constraint.
    sqlx::raw_sql("alter table integration_event_log drop constraint integration_event_log_times")
        .execute(&pool)
        .await?;
    let times = ["infinity", "-infinity", "290000-01-01", "4000-01-01 BC"];
    for time in times {
        sqlx::query(
            "insert into integration_event_log (event_type, key, payload, created_at)
             values ($1, 'chaos-odd-' || $2, '{}', $2::timestamptz)",
        )
        .bind(ONLY_RECORDED)
        .bind(time)
        .execute(&pool)
        .await?;
    }
    let failed = "select count(*) from integration_event_log
                   where state = 'PublishedFailed' and skipped_at is null and key like 'chaos-odd-%'";
    target.until_catalog_says(failed, 4, LIMIT).await?;
    target.one_arrives(LIMIT).await?;
    target.environment.kill(Name::RELAY)?;
    target.environment.start(Name::RELAY).await?;
    target.one_arrives(LIMIT).await.context("after a relay started with unreadable rows")?;
    target.environment.operate(&["list"])?;
    target.environment.operate(&["skip", "--type", ONLY_RECORDED, "--reason", "no time", "--by", "chaos"])?;
    target.until_catalog_says(failed, 0, LIMIT).await?;
    let healed = Instant::now();
    sqlx::raw_sql("delete from integration_event_log where key like 'chaos-odd-%'").execute(&pool).await?;
    sqlx::raw_sql(CONSTRAINT).execute(&pool).await?;
    Ok(injection(times.len() as u64, healed))
}

/// Rows that come and go in one transaction leave entries in the index of pending events, which nothing removes while
/// an older snapshot is there.
const DEAD: &str = "
    insert into integration_event_log (event_type, key, payload)
    select 'shop.catalog.shelf_counted.v1', 'chaos-dead-' || n, '{}' from generate_series(1, 600000) as n;
    delete from integration_event_log where key like 'chaos-dead-%'";

async fn dead_entries(target: &mut Target<'_>) -> Result<Injection> {
    let pool = target.environment.catalog.clone();
    let mut reader = pool.begin().await?;
    // It only reads: vacuum waits for it, and the relay does not.
    sqlx::raw_sql("set transaction isolation level repeatable read; select 1").execute(&mut *reader).await?;
    target.environment.kill(Name::RELAY)?;
    sqlx::raw_sql(DEAD).execute(&pool).await.context("cannot make dead entries")?;
    let began = Instant::now();
    scan(target, None).await?;
    // Whatever else this machine does, an ordinary statement takes less.
    let limit = (began.elapsed() / 3).max(Duration::from_millis(40));
    let is_cut = scan(target, Some(limit)).await.is_err();
    let role = |timeout: String| format!("alter role catalog_relay set statement_timeout = '{timeout}'");
    let timeout = role(format!("{}ms", limit.as_millis()));
    sqlx::raw_sql(AssertSqlSafe(timeout)).execute(&pool).await?;
    target.environment.start(Name::RELAY).await?;
    let healed = Instant::now();
    for _ in 0..3 {
        target.one_arrives(LIMIT).await.context("behind dead entries")?;
    }
    ensure!(target.environment.service(Name::RELAY)?.ended()?.is_none(), "the relay has ended");
    sqlx::raw_sql(AssertSqlSafe(role("5s".to_owned()))).execute(&pool).await?;
    reader.rollback().await?;
    target.environment.kill(Name::RELAY)?;
    target.environment.start(Name::RELAY).await?;
    sqlx::raw_sql("vacuum integration_event_log").execute(&pool).await?;
    Ok(injection(u64::from(is_cut), healed))
}

/// Reads the index of pending events from its front, as a relay does that has just started.
async fn scan(target: &Target<'_>, limit: Option<Duration>) -> Result<()> {
    let mut tx = target.environment.catalog.begin().await?;
    let limit = limit.map_or(0, |limit| limit.as_millis());
    let settings = format!("set local enable_seqscan = off; set local statement_timeout = {limit}");
    sqlx::raw_sql(AssertSqlSafe(settings)).execute(&mut *tx).await?;
    let pending = "select count(*) from integration_event_log where state = 'NotPublished'";
    sqlx::query(pending).execute(&mut *tx).await?;
    Ok(())
}
