//! How an order is shown.

use crate::clients::{Address, Order, OrderStatus};
use crate::pages::Money;

/// An order on a page.
pub(super) struct OrderView {
    pub(super) id: String,
    /// The first part of the id, which people read.
    pub(super) number: String,
    pub(super) buyer: String,
    pub(super) status: OrderStatus,
    pub(super) lines: Vec<LineView>,
    pub(super) total: Money,
    pub(super) address: Option<Address>,
    pub(super) placed_at: (String, String),
    /// Why it is cancelled.
    pub(super) reason: Option<String>,
    pub(super) history: Vec<StepView>,
}

pub(super) struct LineView {
    pub(super) product_id: i64,
    pub(super) name: String,
    pub(super) quantity: i64,
    pub(super) sum: Money,
}

pub(super) struct StepView {
    pub(super) word: &'static str,
    pub(super) at: (String, String),
    pub(super) event_id: Option<String>,
}

impl From<Order> for OrderView {
    fn from(order: Order) -> Self {
        let currency = &order.currency;
        let line = |line: crate::clients::OrderLine| LineView {
            product_id: line.product_id,
            sum: Money::new(line.unit_price * rust_decimal::Decimal::from(line.quantity), currency),
            name: line.product_name,
            quantity: line.quantity,
        };
        let step = |step: crate::clients::Step| StepView {
            word: step.status.word(),
            at: time(step.at),
            event_id: step.event_id.map(|id| id.to_string()),
        };
        Self {
            number: order.id.simple().to_string().split_off(24),
            id: order.id.to_string(),
            buyer: order.buyer_id,
            status: order.status,
            total: Money::new(order.total, currency),
            lines: order.items.into_iter().map(line).collect(),
            address: order.address,
            placed_at: time(order.placed_at),
            reason: order.reason.map(|reason| explain(&reason)),
            history: order.history.into_iter().map(step).collect(),
        }
    }
}

impl OrderView {
    /// Whether the buyer can still cancel it.
    pub(super) fn can_be_cancelled(&self) -> bool {
        use OrderStatus as S;
        matches!(self.status, S::Submitted | S::AwaitingStock | S::StockConfirmed)
    }
}

impl OrderStatus {
    /// The status as people say it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Submitted => "Placed",
            Self::AwaitingStock => "Being checked against the stock",
            Self::StockConfirmed => "Reserved; the payment is under way",
            Self::Paid => "Paid",
            Self::Shipped => "Shipped",
            Self::Cancelled => "Cancelled",
            Self::Other => "On its way",
        }
    }
}

/// Why an order is cancelled, as people say it.
fn explain(reason: &str) -> String {
    match reason {
        "buyer" => "It was cancelled by its buyer.".to_owned(),
        "stock_rejected" => "Something in it was out of stock. Nothing was charged.".to_owned(),
        "payment_failed" => "The payment was declined. Nothing was charged.".to_owned(),
        other => format!("The reason is: {}.", other.replace('_', " ")),
    }
}

/// A time for programs and for people.
fn time(at: chrono::DateTime<chrono::Utc>) -> (String, String) {
    (at.to_rfc3339(), at.format("%-d %b, %H:%M:%S UTC").to_string())
}
