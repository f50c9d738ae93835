//! Malformed, forged and repeated messages, and rows that do not come from the library.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable},
};
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use super::{Fault, Injection, Target, injection};
use crate::{
    check::{Expected, POISON},
    run::{pending, set},
    workload::PRODUCTS,
};
use harness::{Name, until};

pub(super) const FAULTS: &[Fault] = faults! {
    messages: "message-not-json" [1, 1] "messages that are not JSON" => poison(|_| Some(b"{not json".to_vec())
    );
    messages: "message-wrong-types" [1, 1]
        "events with numbers for names and words for prices" => poison(|event| {
            event["data"]["name"] = json!(7);
            event["data"]["newPrice"] = json!("much");
            None
        });
    messages: "message-unknown-type" [1, 1] "events of an unknown type" => poison(|event| {
            event["type"] = json!("shop.catalog.product_sang.v1");
            None
        }
    );
    messages: "message-unknown-version" [1, 1]
        "events of a version that is not there yet" => poison(|event| {
            event["type"] = json!("shop.catalog.product_price_changed.v2");
            None
        });
    messages: "message-missing-attributes" [1, 1]
        "events without an id, and without a key" => poison(|event| {
            let missing = if event["sequence"].as_str().is_some_and(|text| text.trim_start_matches('0') == "1") { "id" } else { "subject" };
            event.as_object_mut()?.remove(missing);
            None
        });
    messages: "message-nul" [1, 1] "events with a NUL character in a name" => poison(|event| {
            event["data"]["name"] = json!("tent\u{0}");
            None
        }
    );
    messages: "message-huge" [1, 1] "events of a megabyte" => poison(|event| {
        event["data"]["name"] = json!("x".repeat(1024 * 1024));
        None
    });
    messages: "message-storm" [1, 1] "a thousand hostile messages of every kind at once" => storm;
    messages: "message-forged-sender" [1, 1] "messages under another user's name" => forged_sender;
    messages: "message-repeated" [1, 1] "old events once more, as new messages" => repeated;
    messages: "message-older-than-known" [1, 1] "unknown events about versions long gone" => older;
    messages: "event-nobody-wants" [1, 1] "an event that no queue is bound for" => unwanted;
    messages: "event-that-cannot-go" [1, 1]
        "an event that can never be published, skipped by an operator" => unpublishable;
    messages: "backlog" [2, 1] "20,000 events are suddenly pending" => backlog;
};

const QUEUE: &str = "basket.events";
const NOBODY_LISTENS: &str = "shop.catalog.nobody_listens.v1";

/// How many messages of one kind are sent.
pub(super) const SOME: i64 = 12;

pub(super) type Message = (String, Vec<u8>, BasicProperties);

/// Sends events that were spoilt; `spoil` changes an event, or says what to send in its place.
async fn poison(target: &mut Target<'_>, spoil: impl Fn(&mut Value) -> Option<Vec<u8>>) -> Result<Injection> {
    let messages: Vec<Message> = (1..=SOME)
        .map(|version| {
            let mut event = price_changed(Uuid::now_v7(), 1 + version % PRODUCTS, version);
            let body = spoil(&mut event);
            message(body.unwrap_or_else(|| event.to_string().into_bytes()))
        })
        .collect();
    send_poison(target, &messages).await
}

/// How many messages the next storm has.
static STORM: AtomicU32 = AtomicU32::new(1_000);

/// Messages of a storm that wait for the basket at once: what is good must not wait too long behind them.
const WAITING: usize = 1_000;

/// Has the storm be of so many messages.
pub(crate) fn storm_of(messages: u32) {
    STORM.store(messages, Ordering::Relaxed);
}

async fn storm(target: &mut Target<'_>) -> Result<Injection> {
    let mut rng = target.rng.fork();
    let mut left = STORM.load(Ordering::Relaxed) as usize;
    let mut sent = 0;
    while left > 0 {
        target.environment.interrupt.check()?;
        let messages: Vec<Message> = (0..left.min(WAITING)).map(|_| message(hostile(&mut rng))).collect();
        left -= messages.len();
        sent += send_poison(target, &messages).await?.expected.poison;
        let few =
            async || Ok((target.environment.broker.queue(QUEUE).await?.messages < WAITING).then_some(()));
        until(Duration::from_mins(1), Duration::from_millis(50), few)
            .await?
            .context("the basket handles nothing")?;
    }
    let has_ended = target.environment.service(Name::BASKET)?.ended()?.is_some();
    ensure!(!has_ended, "the basket has ended by itself");
    let expected = Expected { poison: sent, ..Expected::default() };
    Ok(Injection { expected, ..injection(sent as u64, Instant::now()) })
}

/// A body that is no event: noise, or an event with one thing missing or of the wrong kind.
fn hostile(rng: &mut fastrand::Rng) -> Vec<u8> {
    if rng.u8(0..4) == 0 {
        return (0..rng.usize(0..2_000)).map(|_| rng.u8(..)).collect();
    }
    let mut event = price_changed(Uuid::now_v7(), rng.i64(1..=PRODUCTS), 1);
    let wrong =
        [json!(null), json!(-1), json!(1e300), json!([]), json!({}), json!("\u{0}"), json!("x".repeat(300))];
    let wrong = wrong.get(rng.usize(0..wrong.len())).cloned().unwrap_or_default();
    let attribute = ["specversion", "id", "source", "type", "subject", "sequence"];
    let data = ["productId", "name", "oldPrice", "newPrice", "currency"];
    if rng.bool() {
        let name = attribute.get(rng.usize(0..attribute.len())).copied().unwrap_or("id");
        // A source of three hundred letters would be accepted.
        event[name] = if name == "source" && wrong.as_str().is_some_and(|text| text.len() > 1) {
            json!("")
        } else {
            wrong
        };
    } else {
        let name = data.get(rng.usize(0..data.len())).copied().unwrap_or("name");
        event["data"][name] = if name == "name" { json!(7) } else { wrong };
    }
    event.to_string().into_bytes()
}

pub(super) async fn send_poison(target: &mut Target<'_>, messages: &[Message]) -> Result<Injection> {
    let (broker, mut taken) = (target.environment.broker.clone(), 0);
    for some in messages.chunks(messages.len().div_ceil(4)) {
        taken += broker.publish("", some).await?;
        target.hold(0.1..=0.4).await;
    }
    ensure!(taken == messages.len(), "the broker took {taken} of {} messages", messages.len());
    let expected = Expected { poison: taken, ..Expected::default() };
    Ok(Injection { expected, ..injection(taken as u64, Instant::now()) })
}

async fn forged_sender(target: &mut Target<'_>) -> Result<Injection> {
    let mut refused = 0;
    for version in 1..=3 {
        let (key, body, properties) =
            message(price_changed(Uuid::now_v7(), 1, version).to_string().into_bytes());
        let forged = [(key, body, properties.with_user_id("relay".into()))];
        refused += u64::from(target.environment.broker.publish("", &forged).await? == 0);
    }
    Ok(injection(refused, Instant::now()))
}

/// Sends what the log has published once more: the same ids, the broker's flag not set.
async fn repeated(target: &mut Target<'_>) -> Result<Injection> {
    let before = receipts(target, "repeated").await?;
    let rows: Vec<(Uuid, String, String, i64, String)> = sqlx::query_as(
        "select event_id, event_type, key, key_version, payload::text from integration_event_log
          where state = 'Published' and event_type <> $1 order by position desc limit 200",
    )
    .bind(NOBODY_LISTENS)
    .fetch_all(&target.environment.catalog)
    .await?;
    let messages: Result<Vec<Message>> = rows
        .into_iter()
        .map(|(id, event_type, key, version, payload)| {
            let data: Value = serde_json::from_str(&payload).context("a payload that is not JSON")?;
            let (key, body, properties) =
                message(event(id, &event_type, &key, version, &data).to_string().into_bytes());
            Ok((key, body, properties.with_headers(FieldTable::default())))
        })
        .collect();
    let sent = target.environment.broker.publish("", &messages?).await? as u64;
    let healed = Instant::now();
    let absorbed =
        async || Ok(Some(receipts(target, "repeated").await? - before).filter(|count| *count >= sent));
    let seen = until(Duration::from_secs(20), Duration::from_millis(100), absorbed).await?;
    Ok(injection(seen.unwrap_or(0), healed))
}

/// How many deliveries the basket has counted as this.
async fn receipts(target: &Target<'_>, receipt: &str) -> Result<u64> {
    let url = format!("{}/metrics", target.environment.url(Name::BASKET)?);
    let text = reqwest::get(url).await?.text().await?;
    let label = format!("receipt=\"{receipt}\"");
    let line = text.lines().find(|line| line.starts_with("inbox_deliveries_total") && line.contains(&label));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok())
        .with_context(|| format!("{receipt} is not counted"))
}

async fn older(target: &mut Target<'_>) -> Result<Injection> {
    // The seed's version and one before it: every product has had newer ones by now.
    let ids: Vec<Uuid> = (0..SOME).map(|_| Uuid::now_v7()).collect();
    let newest = "select coalesce(max(key_version), 0) from inbox_version where key = $1 and event_type like '%price_changed%'";
    let mut messages = Vec::new();
    for (id, product) in ids.iter().zip((1..=PRODUCTS).cycle()) {
        let known: i64 = sqlx::query_scalar(newest)
            .bind(product.to_string())
            .fetch_one(&target.environment.basket)
            .await?;
        let mut event = price_changed(*id, product, known / 2);
        // Older than the inbox reaches back: a younger one that comes late has its effect.
        event["time"] = json!("2020-01-01T00:00:00Z");
        let (key, body, properties) = message(event.to_string().into_bytes());
        messages.push((key, body, properties.with_headers(FieldTable::default())));
    }
    let seen = target.environment.broker.publish("", &messages).await?;
    target.hold(0.5..=1.0).await;
    let expected = Expected { forged: set(ids), ..Expected::default() };
    Ok(Injection { expected, ..injection(seen as u64, Instant::now()) })
}

async fn unwanted(target: &mut Target<'_>) -> Result<Injection> {
    let ids = [Uuid::now_v7(), Uuid::now_v7()];
    for (id, version) in ids.into_iter().zip(1..) {
        write_row(target, id, "chaos-nobody", version, "{}").await?;
    }
    let healed = Instant::now();
    until_state(target, ids[1], "Published").await?;
    let expected = Expected { unrouted: set(ids), ..Expected::default() };
    Ok(Injection { expected, ..injection(2, healed) })
}

async fn unpublishable(target: &mut Target<'_>) -> Result<Injection> {
    let (stuck, behind) = (Uuid::now_v7(), Uuid::now_v7());
    write_row(target, stuck, "chaos-stuck", 1, r#"{"name":"\u0000"}"#).await?;
    write_row(target, behind, "chaos-stuck", 2, "{}").await?;
    until_state(target, stuck, "PublishedFailed").await?;
    let flows = target.workload.until_done(20, Duration::from_secs(20)).await?;
    let waits = state(target, behind).await? == "NotPublished";
    let id = stuck.to_string();
    target.environment.operate(&["skip", &id, "--reason", "chaos", "--by", "chaos"])?;
    let healed = Instant::now();
    until_state(target, behind, "Published").await?;
    let expected = Expected { unrouted: set([behind]), ..Expected::default() };
    Ok(Injection { expected, ..injection(u64::from(flows && waits), healed) })
}

async fn backlog(target: &mut Target<'_>) -> Result<Injection> {
    let ids: Vec<Uuid> = (0..20_000).map(|_| Uuid::now_v7()).collect();
    sqlx::query(
        "insert into integration_event_log (event_id, event_type, key, key_version, partition, payload)
         select id, $2, 'chaos-' || n % 97, n, n % 61, ('{\"filling\":\"' || repeat('x', 400) || '\"}')::json
           from unnest($1::uuid[]) with ordinality as row (id, n)",
    )
    .bind(&ids)
    .bind(NOBODY_LISTENS)
    .execute(&target.environment.catalog)
    .await?;
    let healed = Instant::now();
    let seen = pending(target.environment).await?;
    let expected = Expected { unrouted: set(ids), ..Expected::default() };
    Ok(Injection { expected, ..injection(u64::try_from(seen).unwrap_or(0), healed) })
}

/// Writes a row as a writer would that does not use the library.
async fn write_row(target: &Target<'_>, id: Uuid, key: &str, version: i64, payload: &str) -> Result<()> {
    sqlx::query(
        "insert into integration_event_log (event_id, event_type, key, key_version, partition, payload)
         values ($1, $2, $3, $4, 5, $5::json)",
    )
    .bind(id)
    .bind(NOBODY_LISTENS)
    .bind(key)
    .bind(version)
    .bind(payload)
    .execute(&target.environment.catalog)
    .await?;
    Ok(())
}

async fn state(target: &Target<'_>, id: Uuid) -> Result<String> {
    let state = "select state from integration_event_log where event_id = $1";
    Ok(sqlx::query_scalar(state).bind(id).fetch_one(&target.environment.catalog).await?)
}

async fn until_state(target: &Target<'_>, id: Uuid, wanted: &str) -> Result<()> {
    let there = async || Ok((state(target, id).await? == wanted).then_some(()));
    let done = until(Duration::from_secs(20), Duration::from_millis(20), there).await?;
    done.with_context(|| format!("an event does not become {wanted}"))
}

pub(super) fn price_changed(id: Uuid, product: i64, version: i64) -> Value {
    let data = json!({
        "productId": product, "name": "forged", "oldPrice": "1.00", "newPrice": "2.00", "currency": "EUR",
        "version": version,
    });
    event(id, "shop.catalog.product_price_changed.v1", &product.to_string(), version, &data)
}

fn event(id: Uuid, event_type: &str, key: &str, version: i64, data: &Value) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": "/catalog", "type": event_type, "subject": key,
        "sequence": version.to_string(), "datacontenttype": "application/json", "data": data,
    })
}

/// A message for the basket's queue, marked as the harness's own.
pub(super) fn message(body: Vec<u8>) -> Message {
    let mut headers = FieldTable::default();
    headers.insert(POISON.into(), AMQPValue::Boolean(true));
    let properties = BasicProperties::default()
        .with_content_type("application/cloudevents+json".into())
        .with_delivery_mode(2)
        .with_headers(headers);
    (QUEUE.to_owned(), body, properties)
}
