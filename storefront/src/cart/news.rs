//! What a buyer has not acknowledged yet.

use crate::backends::{Alert, AlertKind, Basket, BasketLine};
use crate::pages::{Change, Money};

/// What a buyer has not acknowledged yet, one entry for each product.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct News {
    /// One entry for each product.
    pub items: Vec<NewsItem>,
    /// The alerts behind them.
    pub alert_ids: Vec<i64>,
}

/// The news about one product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewsItem {
    /// The product.
    pub product_id: i64,
    /// What it is called.
    pub name: String,
    /// Its price, where that is another one than the buyer accepted.
    pub change: Option<Change>,
    /// Whether it is no longer sold.
    pub is_withdrawn: bool,
}

impl News {
    /// What the alerts say that were not acknowledged, in the words of the cart: a price that changed several
    /// times is one piece of news, from the price that was accepted to the price that counts now.
    pub fn new(basket: &Basket, alerts: &[Alert]) -> Self {
        let unseen: Vec<&Alert> = alerts.iter().filter(|alert| alert.acknowledged_at.is_none()).collect();
        let mut items: Vec<NewsItem> = Vec::new();
        for line in &basket.items {
            let about: Vec<&Alert> =
                unseen.iter().copied().filter(|alert| alert.product_id == line.product_id).collect();
            if line.old_unit_price.is_some() || !about.is_empty() {
                items.push(NewsItem::of_line(line, &basket.currency));
            }
        }
        for alert in &unseen {
            let is_told = items.iter().any(|item| item.product_id == alert.product_id);
            if !is_told {
                items.push(NewsItem::of_alert(alert, &basket.currency));
            }
        }
        Self { items, alert_ids: unseen.iter().map(|alert| alert.id).collect() }
    }

    /// The alerts' ids, as a form carries them.
    pub fn ids(&self) -> String {
        self.alert_ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    }
}

impl NewsItem {
    fn of_line(line: &BasketLine, currency: &str) -> Self {
        let change = line
            .old_unit_price
            .map(|old| Change { old: Money::new(old, currency), new: Money::new(line.unit_price, currency) });
        Self {
            product_id: line.product_id,
            name: line.product_name.clone(),
            change: change.filter(|_| line.available),
            is_withdrawn: !line.available,
        }
    }

    /// About a product that the buyer has taken out since.
    fn of_alert(alert: &Alert, currency: &str) -> Self {
        let change = alert
            .old_price
            .zip(alert.new_price)
            .map(|(old, new)| Change { old: Money::new(old, currency), new: Money::new(new, currency) });
        Self {
            product_id: alert.product_id,
            name: alert.product_name.clone(),
            change,
            is_withdrawn: alert.kind == AlertKind::ProductRemoved,
        }
    }
}
