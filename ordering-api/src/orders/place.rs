//! The checkout: an order with its event and its timer, in one transaction.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use event_bus::outbox::{self, ScheduledId};
use event_bus::{TraceContext, crash_point};
use rust_decimal::Decimal;
use service_kit::change::ChangeError;
use service_kit::database;
use service_kit::idempotency_key::Key;
use sqlx::types::Json;
use sqlx::{PgConnection, PgPool, Postgres, Transaction};
use uuid::Uuid;

use super::checkout::{Checkout, Wanted};
use super::events::{About, GracePeriodEnded, OrderStarted};
use super::{BuyerId, OrderId, Status};
use crate::products::store::{Offer, offers};
use crate::products::{Price, ProductId};

/// How long an order that is placed now waits.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// The time in which the buyer can think again.
    pub grace_period: Duration,
    /// The time for each reply of another service, in seconds.
    pub reply_deadline_s: u32,
}

/// What became of a checkout.
#[derive(Debug)]
pub enum Placed {
    /// The order is placed.
    New(OrderId),
    /// The same request had placed this order before.
    Repeated(OrderId),
    /// The key was used for another checkout.
    OtherCheckout,
    /// These of its items, by their places in the checkout, are not sold.
    NotSold(Vec<usize>),
    /// The products cost something else.
    OtherTotal(Decimal),
}

/// A checkout, and who sent it.
pub(super) struct Request<'a> {
    pub(super) buyer: &'a BuyerId,
    pub(super) key: &'a Key,
    pub(super) checkout: &'a Checkout,
    pub(super) fingerprint: &'a [u8],
    pub(super) trace: &'a TraceContext,
}

/// Places an order, once for each key of the buyer's.
///
/// A checkout that was refused leaves nothing behind: the same key may try again.
pub(super) async fn place(
    pool: &PgPool,
    policy: &Policy,
    request: &Request<'_>,
) -> Result<Placed, ChangeError> {
    let mut tx = database::begin(pool).await?;
    if let Some(earlier) = find_earlier(&mut tx, request).await? {
        return Ok(earlier);
    }
    let items = &request.checkout.items;
    let ids: Vec<ProductId> = items.iter().map(|item| item.product_id).collect();
    let offers = offers(&mut tx, &ids).await?;
    let unknown = |(_, item): &(usize, &Wanted)| !offers.contains_key(&item.product_id);
    let unknown: Vec<usize> = items.iter().enumerate().filter(unknown).map(|(at, _)| at).collect();
    if !unknown.is_empty() {
        return Ok(Placed::NotSold(unknown));
    }
    let mut total = total(items, &offers);
    total.rescale(2);
    if total != request.checkout.expected_total.amount() {
        return Ok(Placed::OtherTotal(total));
    }

    let id = OrderId(Uuid::now_v7());
    let Some(placed_at) = insert(&mut tx, id, request, policy).await? else {
        // The same request, sent twice at a time: the other one has placed the order by now.
        return Ok(find_earlier(&mut tx, request).await?.unwrap_or(Placed::OtherCheckout));
    };
    crash_point!("ordering.after_order_row");
    insert_lines(&mut tx, id, items, &offers).await?;
    let about = About { order_id: id, version: 1 };
    let started = OrderStarted {
        order_id: id,
        buyer_id: request.buyer.clone(),
        items: request.checkout.event_items(),
        version: 1,
    };
    let event_id = outbox::append_traced(&mut tx, &started, request.trace).await?;
    record_submission(&mut tx, about, request.buyer, event_id).await?;
    begin_grace_period(&mut tx, about, placed_at, policy.grace_period, request.trace).await?;
    crash_point!("ordering.before_commit");
    tx.commit().await?;
    crash_point!("ordering.after_commit");
    Ok(Placed::New(id))
}

async fn find_earlier(tx: &mut PgConnection, request: &Request<'_>) -> Result<Option<Placed>, sqlx::Error> {
    let earlier: Option<(OrderId, Vec<u8>)> = sqlx::query_as(
        "select order_id, fingerprint from customer_order where buyer_id = $1 and idempotency_key = $2",
    )
    .bind(request.buyer)
    .bind(request.key)
    .fetch_optional(tx)
    .await?;
    Ok(earlier.map(|(id, fingerprint)| {
        if fingerprint == request.fingerprint { Placed::Repeated(id) } else { Placed::OtherCheckout }
    }))
}

fn total(items: &[Wanted], offers: &HashMap<ProductId, Offer>) -> Decimal {
    let cost = |item: &Wanted| {
        let price = offers.get(&item.product_id).map_or(Decimal::ZERO, |offer| offer.price.amount());
        price * Decimal::from(i64::from(item.quantity))
    };
    items.iter().map(cost).sum()
}

/// Inserts the order; `None` if the key was used meanwhile.
async fn insert(
    tx: &mut PgConnection,
    id: OrderId,
    request: &Request<'_>,
    policy: &Policy,
) -> Result<Option<DateTime<Utc>>, sqlx::Error> {
    sqlx::query_scalar(
        "insert into customer_order (order_id, buyer_id, idempotency_key, fingerprint, status, address, total,
                                     payment_token, reply_deadline_s)
         values ($1, $2, $3, $4, 'submitted', $5, $6, $7, $8)
         on conflict (buyer_id, idempotency_key) do nothing
         returning placed_at",
    )
    .bind(id)
    .bind(request.buyer)
    .bind(request.key)
    .bind(request.fingerprint)
    .bind(Json(&request.checkout.address))
    .bind(request.checkout.expected_total)
    .bind(&request.checkout.payment.token)
    .bind(i32::try_from(policy.reply_deadline_s).unwrap_or(i32::MAX))
    .fetch_optional(tx)
    .await
}

async fn insert_lines(
    tx: &mut PgConnection,
    id: OrderId,
    items: &[Wanted],
    offers: &HashMap<ProductId, Offer>,
) -> Result<(), sqlx::Error> {
    let lines: Vec<(&Wanted, &Offer)> =
        items.iter().filter_map(|item| Some((item, offers.get(&item.product_id)?))).collect();
    sqlx::query(
        "insert into order_line (order_id, line_number, product_id, product_name, picture_url, unit_price, quantity)
         select $1, row_number() over (), * from unnest($2::bigint[], $3::text[], $4::text[], $5::numeric[], $6::smallint[])",
    )
    .bind(id)
    .bind(lines.iter().map(|(item, _)| item.product_id).collect::<Vec<ProductId>>())
    .bind(lines.iter().map(|(_, offer)| offer.name.clone()).collect::<Vec<String>>())
    .bind(lines.iter().map(|(_, offer)| offer.picture_url.clone()).collect::<Vec<String>>())
    .bind(lines.iter().map(|(_, offer)| offer.price).collect::<Vec<Price>>())
    .bind(lines.iter().map(|(item, _)| item.quantity).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}

/// Begins the order's history, and numbers it among the changes of the buyer's orders.
async fn record_submission(
    tx: &mut PgConnection,
    about: About,
    buyer: &BuyerId,
    event_id: Uuid,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "with buyer as (
             insert into order_buyer as known (buyer_id, last_change) values ($3, 1)
             on conflict (buyer_id) do update set last_change = known.last_change + 1
             returning last_change
         )
         insert into order_change (order_id, version, status, event_id, buyer_id, number)
         select $1, $2, $4, $5, $3, last_change from buyer",
    )
    .bind(about.order_id)
    .bind(about.version)
    .bind(buyer)
    .bind(Status::Submitted)
    .bind(event_id)
    .execute(tx)
    .await?;
    Ok(())
}

/// Schedules the end of the grace period. One of no length ends at once, by an event like any other.
async fn begin_grace_period(
    tx: &mut Transaction<'_, Postgres>,
    about: About,
    placed_at: DateTime<Utc>,
    grace_period: Duration,
    trace: &TraceContext,
) -> Result<(), ChangeError> {
    let end = GracePeriodEnded::of(about);
    if grace_period.is_zero() {
        outbox::append_traced(tx, &end, trace).await?;
        return Ok(());
    }
    if event_bus::without!("timers-once") {
        outbox::schedule_traced(tx, &end, placed_at + grace_period, trace).await?;
    }
    let ScheduledId(timer) = outbox::schedule_traced(tx, &end, placed_at + grace_period, trace).await?;
    sqlx::query("update customer_order set timer = $2 where order_id = $1")
        .bind(about.order_id)
        .bind(timer)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
