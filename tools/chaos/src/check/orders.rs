//! The invariants of orders, at rest: pure, so that each of them can be shown to fail.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use uuid::Uuid;

use super::{
    checker::{Findings, in_order},
    recorder::Publication,
};
use crate::workload::{Item, Purchase};

/// The statuses that an order takes one after the other, unless it is cancelled before it is paid.
const WAY: [&str; 5] = ["submitted", "awaiting_stock", "stock_confirmed", "paid", "shipped"];

/// Events of which an order has one where its history has the status, and none where it has not.
const TELLING: [(&str, &str); 7] = [
    ("submitted", "shop.ordering.order_started.v1"),
    ("awaiting_stock", "shop.ordering.stock_requested.v1"),
    ("stock_confirmed", "shop.ordering.payment_requested.v1"),
    ("paid", "shop.ordering.stock_sold.v1"),
    ("paid", "shop.ordering.order_paid.v1"),
    ("shipped", "shop.ordering.order_shipped.v1"),
    ("cancelled", "shop.ordering.order_cancelled.v1"),
];

/// Scheduled events: an order has one at most, for each step.
const TIMERS: [&str; 2] = ["shop.ordering.grace_period_ended.v1", "shop.ordering.reply_overdue.v1"];

/// An order as ordering has it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Order {
    pub(crate) id: Uuid,
    pub(crate) buyer: String,
    pub(crate) status: String,
    pub(crate) total: String,
    pub(crate) items: Vec<Item>,
    /// Each status that it has had, with the event that belongs to it.
    pub(crate) history: Vec<(String, Uuid)>,
}

/// A charge in the provider's ledger.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Charge {
    #[serde(rename = "orderId")]
    pub(crate) order: String,
    pub(crate) amount: String,
    #[serde(rename = "refunded")]
    pub(crate) is_refunded: bool,
}

/// What there is of a product.
#[derive(Debug, Clone, Copy, sqlx::FromRow)]
pub(crate) struct Stock {
    pub(crate) product: i64,
    pub(crate) available: i64,
    pub(crate) reserved: i64,
}

/// A row of an outbox.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct Logged {
    pub(crate) event_id: Uuid,
    pub(crate) event_type: String,
    pub(crate) key: String,
    pub(crate) position: i64,
    pub(crate) state: String,
    pub(crate) step: Option<String>,
}

/// Everything that is known about the orders of a run.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    /// What buyers were promised.
    pub(crate) purchases: Vec<Purchase>,
    /// The orders of which the merchant was told that they are shipped.
    pub(crate) shipped: Vec<Uuid>,
    pub(crate) placed: Vec<Order>,
    /// The outboxes of the services that take part.
    pub(crate) logs: Vec<Vec<Logged>>,
    /// Events that a restored log no longer has.
    pub(crate) undone: HashSet<Uuid>,
    /// Committed events that a subscriber has not had, in words.
    pub(crate) missing: Vec<String>,
    /// Innocent events that were dead-lettered, in words.
    pub(crate) dead: Vec<String>,
    pub(crate) charges: Vec<Charge>,
    /// The stock before the run, and after it.
    pub(crate) stock: (Vec<Stock>, Vec<Stock>),
    /// The carts of those who have ordered.
    pub(crate) carts: HashMap<String, Vec<Item>>,
    /// What the recorder saw, in order.
    pub(crate) publications: Vec<Publication>,
}

/// Holds orders against their invariants.
pub(crate) fn check_orders(orders: &Orders, findings: &mut Findings) {
    let before = findings.violations.len();
    findings.found.orders = orders.placed.len();
    let by_id: HashMap<Uuid, &Order> = orders.placed.iter().map(|order| (order.id, order)).collect();
    promised(orders, &by_id, findings);
    final_status(orders, findings);
    stock(orders, findings);
    charged(orders, &by_id, findings);
    carts(orders, findings);
    history(orders, findings);
    told(orders, findings);
    findings.found.lost +=
        findings.note("orders, committed and never received", orders.missing.iter().cloned());
    findings.note("orders, innocent and dead-lettered", orders.dead.iter().cloned());
    for log in &orders.logs {
        in_order(log.iter().map(|row| (row.event_id, row.position)), &orders.publications, findings);
        let failed = log.iter().filter(|row| row.state != "Published");
        findings.note(
            "orders, not published at rest",
            failed.map(|row| format!("{} {}", row.event_type, row.key)),
        );
    }
    findings.found.orders_broken = findings.violations.len() - before;
}

/// What was promised is so.
fn promised(orders: &Orders, by_id: &HashMap<Uuid, &Order>, findings: &mut Findings) {
    let broken = orders.purchases.iter().filter_map(|purchase| {
        let Some(order) = by_id.get(&purchase.order) else {
            return Some(format!("order {} is not there", purchase.order));
        };
        let is_so = order.buyer == purchase.buyer
            && order.total == purchase.total
            && (!purchase.is_cancelled || order.status == "cancelled");
        (!is_so).then(|| format!("{purchase:?} is {} at {}", order.status, order.total))
    });
    findings.note("orders, promised otherwise", broken);
    let shipped =
        orders.shipped.iter().filter(|id| by_id.get(id).is_some_and(|order| order.status != "shipped"));
    findings.note("orders, shipped and not", shipped.map(Uuid::to_string));
    let mut of_buyer: HashMap<&str, usize> = HashMap::new();
    for order in &orders.placed {
        *of_buyer.entry(&order.buyer).or_default() += 1;
    }
    let twice = of_buyer.iter().filter(|(_, orders)| **orders > 1);
    findings.found.twice +=
        findings.note("orders, one key placed several", twice.map(|(buyer, _)| (*buyer).to_owned()));
}

fn is_open(order: &Order) -> bool {
    !["paid", "shipped", "cancelled"].contains(&&*order.status)
}

/// Each order has come to its end.
fn final_status(orders: &Orders, findings: &mut Findings) {
    let open = orders.placed.iter().filter(|order| is_open(order));
    findings.note("orders, no final status", open.map(|order| format!("{} is {}", order.id, order.status)));
}

/// Available, reserved and sold are what there was; reserved is what open orders have.
fn stock(orders: &Orders, findings: &mut Findings) {
    let pieces = |of: &dyn Fn(&Order) -> bool| {
        let mut pieces: HashMap<i64, i64> = HashMap::new();
        for (product, quantity) in
            orders.placed.iter().filter(|order| of(order)).flat_map(|order| &order.items)
        {
            *pieces.entry(*product).or_default() += i64::from(*quantity);
        }
        pieces
    };
    let sold = pieces(&|order| ["paid", "shipped"].contains(&&*order.status));
    let reserved = pieces(&|order| order.status == "stock_confirmed");
    let before: HashMap<i64, &Stock> = orders.stock.0.iter().map(|stock| (stock.product, stock)).collect();
    let of = |pieces: &HashMap<i64, i64>, product: i64| pieces.get(&product).copied().unwrap_or(0);
    let lost = orders.stock.1.iter().filter_map(|now| {
        let then = before.get(&now.product)?;
        let (initial, sold) = (then.available + then.reserved, of(&sold, now.product));
        (now.available + now.reserved + sold != initial)
            .then(|| format!("of {initial} of product {}: {now:?} and {sold} sold", now.product))
    });
    findings.note("orders, stock is not what there was", lost);
    let wrong = orders.stock.1.iter().filter(|now| now.reserved != of(&reserved, now.product));
    findings.note("orders, reserved for nobody", wrong.map(|now| format!("{now:?}")));
}

/// An order is charged once at most; a paid one is charged what it costs, a cancelled one nothing.
fn charged(orders: &Orders, by_id: &HashMap<Uuid, &Order>, findings: &mut Findings) {
    let mut charges: HashMap<Uuid, Vec<&Charge>> = HashMap::new();
    for charge in &orders.charges {
        if let Ok(order) = charge.order.parse() {
            charges.entry(order).or_default().push(charge);
        }
    }
    let again = charges.iter().filter(|(_, charges)| charges.len() > 1);
    findings.found.twice += findings.note(
        "orders, charged more than once",
        again.map(|(order, all)| format!("{order}, {} times", all.len())),
    );
    let wrong = by_id.values().filter_map(|order| {
        let all = charges.get(&order.id).map(Vec::as_slice).unwrap_or_default();
        let kept: Vec<&&Charge> = all.iter().filter(|charge| !charge.is_refunded).collect();
        let is_right = match &*order.status {
            "paid" | "shipped" => kept.len() == 1 && kept.iter().all(|charge| charge.amount == order.total),
            "cancelled" => kept.is_empty(),
            _ => true,
        };
        (!is_right).then(|| format!("{} is {} at {}: {all:?}", order.id, order.status, order.total))
    });
    findings.note("orders, charged wrongly", wrong);
}

/// A cart has nothing of what was ordered, and all that was put in later.
fn carts(orders: &Orders, findings: &mut Findings) {
    let wrong = orders.purchases.iter().filter_map(|purchase| {
        let wanted: HashSet<Item> = purchase.cart.as_ref()?.iter().copied().collect();
        let there: HashSet<Item> = orders.carts.get(&purchase.buyer).into_iter().flatten().copied().collect();
        (wanted != there).then(|| format!("{} has {there:?} and should have {wanted:?}", purchase.buyer))
    });
    findings.found.wrong_at_rest += findings.note("orders, another cart", wrong);
}

/// Each status of the history follows from the one before, and has one event, which is in a log, or was before a restore.
fn history(orders: &Orders, findings: &mut Findings) {
    let logged = orders.logs.iter().flatten().map(|row| row.event_id);
    let logged: HashSet<Uuid> = logged.chain(orders.undone.iter().copied()).collect();
    let wrong = orders.placed.iter().filter_map(|order| {
        let mut statuses: Vec<&str> = order.history.iter().map(|(status, _)| &**status).collect();
        let events: HashSet<Uuid> = order.history.iter().map(|(_, event)| *event).collect();
        let is_last = statuses.last() == Some(&&*order.status);
        let is_cancelled = statuses.pop_if(|last| *last == "cancelled").is_some();
        let is_way =
            WAY.starts_with(&statuses) && !statuses.is_empty() && !(is_cancelled && statuses.len() > 3);
        let has_events = events.len() == order.history.len() && events.is_subset(&logged);
        (!(is_last && is_way && has_events))
            .then(|| format!("{} is {}: {:?}", order.id, order.status, order.history))
    });
    findings.note("orders, history is not possible", wrong);
}

/// Each change is told once, and nothing else is; each timer goes off once at most.
fn told(orders: &Orders, findings: &mut Findings) {
    let mut counts: HashMap<(&str, &str), usize> = HashMap::new();
    let mut timers: HashMap<(&str, &str, Option<&str>), usize> = HashMap::new();
    for row in orders.logs.iter().flatten() {
        *counts.entry((&row.key, &row.event_type)).or_default() += 1;
        if TIMERS.contains(&&*row.event_type) {
            *timers.entry((&row.key, &row.event_type, row.step.as_deref())).or_default() += 1;
        }
    }
    let wrong = orders.placed.iter().flat_map(|order| {
        let key = order.id.to_string();
        let wrong = TELLING.iter().filter_map(|(status, event)| {
            let told = counts.get(&(key.as_str(), *event)).copied().unwrap_or(0);
            let is_so = order.history.iter().any(|(known, _)| known == status);
            (told != usize::from(is_so)).then(|| format!("{key}, {event} {told} times"))
        });
        wrong.collect::<Vec<_>>()
    });
    findings.note("orders, told otherwise than once", wrong);
    let again = timers.iter().filter(|(_, times)| **times > 1);
    let again = again.map(|((order, timer, _), times)| format!("{timer} of {order}, {times} times"));
    findings.found.twice += findings.note("orders, a timer went off again", again);
}

#[cfg(test)]
#[path = "orders_tests.rs"]
mod tests;
