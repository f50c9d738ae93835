//! How an order goes on: what [`rules`] decide, in the transaction of the event or request that asked for it.

use chrono::{DateTime, TimeDelta, Utc};
use event_bus::outbox::{self, ScheduledId};
use event_bus::{TraceContext, crash_point};
use service_kit::change::ChangeError;
use sqlx::{PgConnection, Postgres, Transaction};
use uuid::Uuid;

use super::events::{
    About, Item, OrderCancelled, OrderPaid, OrderShipped, PaymentCancelled, PaymentRequested, ReplyOverdue,
    StockReleased, StockRequested, StockSold,
};
use super::model::{Quantity, Token};
use super::rules::{self, Action, Decision, Happening};
use super::{BuyerId, OrderId, Reason, Status};
use crate::products::{Amount, ProductId};

/// Something that happened to an order.
#[derive(Debug, Clone, Copy)]
pub struct Happened<'a> {
    /// What it was.
    pub happening: Happening,
    /// What is known beyond that; kept with a cancelled order.
    pub detail: Option<&'a str>,
    /// The event that told of it; `None` for a request.
    pub event_id: Option<Uuid>,
    /// The trace that it belongs to.
    pub trace: &'a TraceContext,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// The order has this status now.
    Changed(Status),
    /// It has had this status before, and keeps it.
    Unchanged(Status),
    /// It cannot be done to an order of this status.
    Refused(Status),
    /// There is no such order.
    NoSuchOrder,
}

#[derive(sqlx::FromRow)]
struct Order {
    buyer_id: BuyerId,
    status: Status,
    reason: Option<Reason>,
    total: Amount,
    currency: String,
    payment_token: Token,
    reply_deadline_s: i32,
    timer: Option<Uuid>,
    version: i64,
    now: DateTime<Utc>,
    products: Vec<ProductId>,
    quantities: Vec<Quantity>,
}

impl Order {
    fn items(&self) -> Vec<Item> {
        let items = self.products.iter().zip(&self.quantities);
        items.map(|(&product_id, &quantity)| Item { product_id, quantity }).collect()
    }
}

/// Applies what happened to an order: its new status, its history, and the events that follow, all in `tx`.
pub async fn apply(
    tx: &mut Transaction<'_, Postgres>,
    id: OrderId,
    happened: &Happened<'_>,
) -> Result<Applied, ChangeError> {
    let Some(mut order) = lock(tx, id).await? else { return Ok(Applied::NoSuchOrder) };
    let actions = match rules::decide(order.status, happened.happening) {
        Decision::Nothing => {
            metrics::counter!("order_events_without_effect_total").increment(1);
            tracing::debug!(order.id = %id, status = ?order.status, what = ?happened.happening, "changes nothing");
            return Ok(Applied::Unchanged(order.status));
        }
        Decision::Refuse => return Ok(Applied::Refused(order.status)),
        Decision::Follow(actions) => {
            order.version += 1;
            let about = About { order_id: id, version: order.version };
            for &action in actions {
                act(tx, about, &mut order, action, happened.trace).await?;
            }
            update(tx, about, &order).await?;
            return Ok(Applied::Unchanged(order.status));
        }
        Decision::Become(status, reason, actions) => {
            (order.status, order.reason) = (status, reason);
            order.version += 1;
            actions
        }
    };
    let about = About { order_id: id, version: order.version };
    if let Some(timer) = order.timer.take()
        // The event that has come is the timer's own: it is scheduled no more.
        && happened.event_id != Some(timer)
    {
        // One that is in the log already changes nothing when it arrives.
        outbox::cancel(tx, ScheduledId(timer)).await?;
    }
    crash_point!("ordering.before_event");
    let mut event_id = happened.event_id;
    for &action in actions {
        let appended = act(tx, about, &mut order, action, happened.trace).await?;
        // A change that somebody asked for has no event that brought it about: it is told by its announcement.
        if happened.event_id.is_none() && is_announcement(action) {
            event_id = Some(appended);
        }
    }
    let detail = happened.detail.filter(|_| order.status == Status::Cancelled);
    change(tx, about, &order, detail, event_id.unwrap_or_default()).await?;
    crash_point!("ordering.after_transition");
    Ok(Applied::Changed(order.status))
}

fn is_announcement(action: Action) -> bool {
    matches!(action, Action::AnnouncePaid | Action::AnnounceShipped | Action::AnnounceCancelled)
}

async fn lock(tx: &mut PgConnection, id: OrderId) -> Result<Option<Order>, sqlx::Error> {
    sqlx::query_as(
        "select buyer_id, status, reason, total, currency, payment_token, reply_deadline_s, timer, version,
                clock_timestamp() as now,
                array(select product_id from order_line as line where line.order_id = customer_order.order_id
                       order by line_number) as products,
                array(select quantity from order_line as line where line.order_id = customer_order.order_id
                       order by line_number) as quantities
           from customer_order where order_id = $1 for update",
    )
    .bind(id)
    .fetch_optional(tx)
    .await
}

/// Writes what followed from an order whose status stays.
async fn update(tx: &mut PgConnection, about: About, order: &Order) -> Result<(), sqlx::Error> {
    sqlx::query("update customer_order set timer = $2, version = $3 where order_id = $1")
        .bind(about.order_id)
        .bind(order.timer)
        .bind(about.version)
        .execute(tx)
        .await?;
    Ok(())
}

/// Writes the new status of an order whose row this transaction has locked, and its history; one statement, because
/// each step of an order waits for it.
async fn change(
    tx: &mut PgConnection,
    about: About,
    order: &Order,
    detail: Option<&str>,
    event_id: Uuid,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "with changed as (
             update customer_order
                set status = $2, reason = $3, detail = coalesce($4, detail), timer = $5, version = $6
              where order_id = $1
         ), buyer as (
             insert into order_buyer as known (buyer_id, last_change) values ($7, 1)
             on conflict (buyer_id) do update set last_change = known.last_change + 1
             returning last_change
         )
         insert into order_change (order_id, version, status, reason, event_id, buyer_id, number)
         select $1, $6, $2, $3, $8, $7, last_change from buyer",
    )
    .bind(about.order_id)
    .bind(order.status)
    .bind(order.reason)
    .bind(detail)
    .bind(order.timer)
    .bind(about.version)
    .bind(&order.buyer_id)
    .bind(event_id)
    .execute(tx)
    .await?;
    Ok(())
}

/// Appends the event of an action, and schedules the end of the wait that it begins; returns the event's id.
async fn act(
    tx: &mut Transaction<'_, Postgres>,
    about: About,
    order: &mut Order,
    action: Action,
    trace: &TraceContext,
) -> Result<Uuid, ChangeError> {
    let is_compensation = matches!(action, Action::ReleaseStock | Action::CancelPayment);
    if is_compensation && event_bus::without!("compensation") {
        return Ok(Uuid::nil());
    }
    let About { order_id, version } = about;
    let buyer_id = order.buyer_id.clone();
    let (amount, currency) = (order.total, order.currency.clone());
    let token = order.payment_token.clone();
    let event_id = match action {
        Action::RequestStock => {
            let items = order.items();
            outbox::append_traced(tx, &StockRequested { order_id, items, version }, trace).await?
        }
        Action::ReleaseStock => {
            let items = order.items();
            outbox::append_traced(tx, &StockReleased { order_id, items, version }, trace).await?
        }
        Action::SellStock => {
            let items = order.items();
            outbox::append_traced(tx, &StockSold { order_id, items, version }, trace).await?
        }
        Action::RequestPayment => {
            let event = PaymentRequested { order_id, buyer_id, amount, currency, token, version };
            outbox::append_traced(tx, &event, trace).await?
        }
        Action::CancelPayment => {
            let event = PaymentCancelled { order_id, buyer_id, amount, currency, token, version };
            outbox::append_traced(tx, &event, trace).await?
        }
        Action::AnnouncePaid => {
            outbox::append_traced(tx, &OrderPaid { order_id, buyer_id, version }, trace).await?
        }
        Action::AnnounceShipped => {
            outbox::append_traced(tx, &OrderShipped { order_id, buyer_id, version }, trace).await?
        }
        Action::AnnounceCancelled => {
            let reason = order.reason.unwrap_or(Reason::Buyer);
            outbox::append_traced(tx, &OrderCancelled { order_id, buyer_id, reason, version }, trace).await?
        }
    };
    if let Some(step) = rules::waits_for(action) {
        let due = order.now + TimeDelta::seconds(order.reply_deadline_s.into());
        let overdue = ReplyOverdue { order_id, step, version };
        order.timer = Some(outbox::schedule_traced(tx, &overdue, due, trace).await?.0);
    }
    Ok(event_id)
}
